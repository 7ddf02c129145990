//! Texts by number: a hash table in few large pieces, which costs some twenty bytes a text besides the text itself.

use crate::hash::hash;

/// A slot without a text.
const EMPTY: u32 = u32::MAX;

/// Texts, each within a scope, and numbered from 0 in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Numbers by hash; a power of two of them, at most half in use.
    slots: Box<[u32]>,
    /// One more than there are texts, for the end of the last one.
    keys: Box<[Key]>,
    bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    scope: u32,
    /// Where the text begins, which is where the one before ends.
    start: u32,
}

impl Table {
    /// The number of a text.
    pub(super) fn find(&self, scope: u32, text: &str) -> Option<u32> {
        find(&self.slots, &self.keys, &self.bytes, scope, text).ok()
    }
}

/// A [`Table`] in the making.
#[derive(Debug)]
pub(super) struct Builder {
    slots: Vec<u32>,
    keys: Vec<Key>,
    bytes: Vec<u8>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder { slots: vec![EMPTY; 2], keys: vec![Key { scope: 0, start: 0 }], bytes: Vec::new() }
    }
}

impl Builder {
    /// The number of a text, a new one if it is new.
    pub(super) fn number(&mut self, scope: u32, text: &str) -> u32 {
        if self.slots.len() < 2 * self.keys.len() {
            self.grow();
        }
        match find(&self.slots, &self.keys, &self.bytes, scope, text) {
            Ok(number) => number,
            Err(slot) => {
                let number = self.len();
                self.slots[slot] = number;
                self.bytes.extend_from_slice(text.as_bytes());
                // The last key is the end of all texts.
                self.keys[number as usize].scope = scope;
                self.keys.push(Key { scope: 0, start: narrow(self.bytes.len()) });
                number
            }
        }
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> u32 {
        narrow(self.keys.len() - 1)
    }

    pub(super) fn build(self) -> Table {
        Table { slots: self.slots.into(), keys: self.keys.into(), bytes: self.bytes.into() }
    }

    fn grow(&mut self) {
        let mut slots = vec![EMPTY; 2 * self.slots.len()];
        for (number, ends) in (0..).zip(self.keys.windows(2)) {
            let text = &self.bytes[ends[0].start as usize..ends[1].start as usize];
            let mut slot = place(&slots, ends[0].scope, text);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (slots.len() - 1);
            }
            slots[slot] = number;
        }
        self.slots = slots;
    }
}

/// The number of a text, or else the slot that it would have.
fn find(slots: &[u32], keys: &[Key], bytes: &[u8], scope: u32, text: &str) -> Result<u32, usize> {
    let text = text.as_bytes();
    let mut slot = place(slots, scope, text);
    loop {
        let number = slots[slot];
        if number == EMPTY {
            return Err(slot);
        }
        let (key, next) = (keys[number as usize], keys[number as usize + 1]);
        if key.scope == scope && bytes[key.start as usize..next.start as usize] == *text {
            return Ok(number);
        }
        slot = (slot + 1) & (slots.len() - 1);
    }
}

/// The first slot to look at.
fn place(slots: &[u32], scope: u32, text: &[u8]) -> usize {
    hash(u64::from(scope), text) as usize & (slots.len() - 1)
}

/// Numbers of 32 bits take half the memory.
pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than bytes of configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_numbers() {
        let mut builder = Builder::default();
        for number in 0..1000 {
            assert_eq!(builder.number(number % 3, &format!("text{}", number / 3)), number);
        }
        assert_eq!(builder.number(2, "text0"), 2);
        assert_eq!(builder.number(2, ""), 1000);
        let table = builder.build();
        for number in 0..1000 {
            assert_eq!(table.find(number % 3, &format!("text{}", number / 3)), Some(number));
        }
        assert_eq!(table.find(2, ""), Some(1000));
        assert_eq!((table.find(1, ""), table.find(0, "text"), table.find(3, "text0")), (None, None, None));
    }
}
