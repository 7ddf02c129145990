//! From HPACK to fields.

use super::table::STATIC;
use super::{ENTRY_OVERHEAD, Entry, TABLE_BYTES, huffman};
use std::collections::VecDeque;

/// Why a block cannot be read. Its connection has no state any more that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid HPACK (RFC 7541)")]
pub struct HpackError;

/// The receiving half of a connection's compression.
#[derive(Default)]
pub struct Decoder {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    /// What the sender has bound it to; [`TABLE_BYTES`] less this, so that the default is right.
    reduced: usize,
    scratch: Vec<u8>,
}

/// A string of a block: in it, or decoded into the scratch.
enum Text {
    Plain(usize, usize),
    Decoded(usize, usize),
}

impl Text {
    fn of<'a>(&self, block: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        match *self {
            Text::Plain(start, end) => &block[start..end],
            Text::Decoded(start, end) => &scratch[start..end],
        }
    }
}

impl Decoder {
    /// Reads a whole block and gives each field to `each`, which may end it by returning `false`; then the connection must
    /// end too, for the rest was not looked at.
    ///
    /// # Errors
    /// Where it breaks a rule of RFC 7541.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), HpackError> {
        let mut at = 0;
        let mut begun = false;
        while let Some(first) = block.get(at).copied() {
            if first & 0x80 != 0 {
                let index = number(block, &mut at, 7)?;
                let (name, value) = self.field(index)?;
                if !each(name, value) {
                    return Ok(());
                }
            } else if first & 0xe0 == 0x20 {
                // RFC 7541 section 4.2: before the first field.
                let most = number(block, &mut at, 5)?;
                if begun || most > TABLE_BYTES {
                    return Err(HpackError);
                }
                self.reduced = TABLE_BYTES - most;
                self.shrink(most);
                continue;
            } else {
                let remembers = first & 0x40 != 0;
                let index = number(block, &mut at, if remembers { 6 } else { 4 })?;
                if !self.literal(block, &mut at, index, remembers, &mut each)? {
                    return Ok(());
                }
            }
            begun = true;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        index: usize,
        remembers: bool,
        each: &mut impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<bool, HpackError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let own = if index == 0 { Some(string(block, at, &mut scratch)?) } else { None };
        let value = string(block, at, &mut scratch)?;
        let value = value.of(block, &scratch);
        let name = match &own {
            Some(name) => name.of(block, &scratch),
            None => self.field(index)?.0,
        };
        let goes_on = each(name, value);
        if remembers {
            self.remember(Entry::new(name, value));
        }
        self.scratch = scratch;
        Ok(goes_on)
    }

    fn field(&self, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
        if let Some(field) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Ok(*field);
        }
        let at = index.checked_sub(STATIC.len() + 1).ok_or(HpackError)?;
        self.entries.get(at).map(Entry::field).ok_or(HpackError)
    }

    /// RFC 7541 section 4.4: one that is larger than the table leaves it empty.
    fn remember(&mut self, entry: Entry) {
        let most = TABLE_BYTES - self.reduced;
        let size = entry.size();
        self.shrink(most.saturating_sub(size));
        if size <= most {
            self.size += size;
            self.entries.push_front(entry);
        }
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
        }
    }
}

const _: () = assert!(ENTRY_OVERHEAD == 32);

/// RFC 7541 section 5.1.
fn number(block: &[u8], at: &mut usize, bits: u32) -> Result<usize, HpackError> {
    let most = (1 << bits) - 1;
    let first = usize::from(*block.get(*at).ok_or(HpackError)?) & most;
    *at += 1;
    if first < most {
        return Ok(first);
    }
    let mut number = most;
    // Nothing here is anywhere near 2 to the 28th.
    for shift in [0, 7, 14, 21] {
        let byte = usize::from(*block.get(*at).ok_or(HpackError)?);
        *at += 1;
        number += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(HpackError)
}

/// RFC 7541 section 5.2.
fn string(block: &[u8], at: &mut usize, scratch: &mut Vec<u8>) -> Result<Text, HpackError> {
    let is_coded = block.get(*at).ok_or(HpackError)? & 0x80 != 0;
    let length = number(block, at, 7)?;
    let (start, end) = (*at, *at + length);
    let bytes = block.get(start..end).ok_or(HpackError)?;
    *at = end;
    if !is_coded {
        return Ok(Text::Plain(start, end));
    }
    let start = scratch.len();
    huffman::decode(bytes, scratch).ok_or(HpackError)?;
    Ok(Text::Decoded(start, scratch.len()))
}
