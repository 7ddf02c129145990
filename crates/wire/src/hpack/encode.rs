//! From fields to HPACK.
//!
//! What comes again is named by its place in the table; what does not is written out, for a Huffman code costs more than the
//! few bytes it saves. A field enters the table when it has come twice, so that values which differ each time push nothing
//! out.

use super::table::{STATIC, name_index, status_index};
use super::{Entry, TABLE_BYTES};
use std::collections::VecDeque;

/// Places in which fields are looked for.
const PLACES: usize = 64;

/// The sending half of a connection's compression.
pub struct Encoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
    /// The receiver is to be told of `most`, and of the least that it has been since it was told.
    told: Option<usize>,
    /// Fields that have entered the table so far.
    entered: u32,
    /// Allocation: one a connection, once it has answers.
    places: Option<Box<[Place; PLACES]>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// The hash of the field that came last.
    seen: u32,
    /// The number under which it has entered the table; 0 where it has not.
    number: u32,
}

impl Encoder {
    /// For a new connection.
    pub fn new() -> Encoder {
        Encoder { entries: VecDeque::new(), size: 0, most: TABLE_BYTES, told: None, entered: 0, places: None }
    }

    /// The receiver has bound the table (RFC 9113 section 6.5.2); we use no more than the default of it.
    pub fn bound(&mut self, most: usize) {
        let most = most.min(TABLE_BYTES);
        if most != self.most || self.told.is_some() {
            self.told = Some(self.told.map_or(most, |least| least.min(most)));
            self.most = most;
            self.shrink(most);
        }
    }

    /// Begins a block: appends what it has to begin with.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(least) = self.told.take() {
            if least < self.most {
                put_number(out, 0x20, 5, least);
            }
            put_number(out, 0x20, 5, self.most);
        }
    }

    /// Appends the status of an answer.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        if let Some(index) = status_index(status) {
            out.push(0x80 | index);
            return;
        }
        // A literal that enters no table, under the name of index 8.
        let digit = |by: u16| b'0' + (status / by % 10) as u8;
        out.extend_from_slice(&[8, 3, digit(100), digit(10), digit(1)]);
    }

    /// Appends a field, its name in lower case whatever it was.
    pub fn field(&mut self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let index = name_index(name);
        let mut first = 0;
        if !is_fleeting(index) {
            match self.find(name, value) {
                Found::Index(index) => return put_number(out, 0x80, 7, index),
                Found::Twice => first = 0x40,
                Found::Once => {}
            }
        } else if index == SET_COOKIE {
            // RFC 7541 section 7.1.3: nobody further on is to remember it either.
            first = 0x10;
        }
        put_number(out, first, if first == 0x40 { 6 } else { 4 }, index);
        if index == 0 {
            put_number(out, 0, 7, name.len());
            let start = out.len();
            out.extend_from_slice(name);
            out[start..].make_ascii_lowercase();
        }
        put_number(out, 0, 7, value.len());
        out.extend_from_slice(value);
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn find(&mut self, name: &[u8], value: &[u8]) -> Found {
        // Allocation: see there.
        let places = self.places.get_or_insert_with(|| Box::new([Place::default(); PLACES]));
        let hash = hash(name, value);
        let place = &mut places[hash as usize % PLACES];
        if place.seen != hash {
            *place = Place { seen: hash, number: 0 };
            return Found::Once;
        }
        let age = self.entered.wrapping_sub(place.number) as usize;
        if place.number != 0
            && let Some(entry) = self.entries.get(age)
        {
            let (known, kept) = entry.field();
            if kept == value && (known == name || known.eq_ignore_ascii_case(name)) {
                return Found::Index(STATIC.len() + 1 + age);
            }
        }
        let entry = Entry::new(name, value);
        let size = entry.size();
        if size > self.most / 4 {
            return Found::Once;
        }
        self.shrink(self.most - size);
        self.size += size;
        self.entries.push_front(entry);
        self.entered = self.entered.wrapping_add(1).max(1);
        if let Some(places) = &mut self.places {
            places[hash as usize % PLACES].number = self.entered;
        }
        Found::Twice
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
        }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

/// What is known of a field.
enum Found {
    /// Its index.
    Index(usize),
    /// It came before, and has just entered the table.
    Twice,
    /// It did not come lately.
    Once,
}

const SET_COOKIE: usize = 55;

/// Names whose values are another each time: age, content-length, content-range, etag, last-modified, location, set-cookie.
fn is_fleeting(index: usize) -> bool {
    matches!(index, 21 | 28 | 30 | 34 | 44 | 46 | SET_COOKIE)
}

/// Of lengths, and the ends of the value, where values differ. Two fields with one hash only keep one another out.
fn hash(name: &[u8], value: &[u8]) -> u32 {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        match bytes.last_chunk::<8>() {
            Some(last) => word = *last,
            None => word[..bytes.len()].copy_from_slice(bytes),
        }
        u64::from_le_bytes(word)
    };
    let lengths = (name.len() as u64) << 32 | value.len() as u64;
    let middle = u64::from(value.get(value.len() / 2).copied().unwrap_or(0)) << 56;
    let mixed = (word(name) ^ middle).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word(value) ^ lengths;
    // Never that of a place without a field.
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 | 1 << 31
}

/// RFC 7541 section 5.1.
#[inline]
fn put_number(out: &mut Vec<u8>, first: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        out.push(first | number as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
