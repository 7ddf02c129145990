//! Field blocks (RFC 7541), as small or as hostile as wanted.
//!
//! No Huffman codes, and nothing goes into the dynamic table unless it is asked for.

/// Where in the static table the names of a request are.
const AUTHORITY: u32 = 1;
const METHOD_GET: u32 = 2;
const METHOD_POST: u32 = 3;
const PATH: u32 = 4;
const SCHEME_HTTP: u32 = 6;

/// The newest entry of the dynamic table.
pub const NEWEST: u32 = 62;

/// A field block in the making.
#[derive(Clone, Debug, Default)]
pub struct Block(pub Vec<u8>);

impl Block {
    /// The fields of a GET.
    pub fn get(host: &str, path: &str) -> Block {
        Block::default().indexed(METHOD_GET).target(host, path)
    }

    /// The fields of a POST.
    pub fn post(host: &str, path: &str) -> Block {
        Block::default().indexed(METHOD_POST).target(host, path)
    }

    fn target(self, host: &str, path: &str) -> Block {
        self.indexed(SCHEME_HTTP).known(PATH, path).known(AUTHORITY, host)
    }

    /// A whole field of a table.
    pub fn indexed(mut self, index: u32) -> Block {
        self.integer(0x80, 7, index);
        self
    }

    /// The same field many times, a byte or two each.
    pub fn indexed_times(mut self, index: u32, count: usize) -> Block {
        let one = Block::default().indexed(index).0;
        self.0.extend(one.iter().copied().cycle().take(one.len() * count));
        self
    }

    /// A field whose name is in a table.
    pub fn known(mut self, index: u32, value: &str) -> Block {
        self.integer(0, 4, index);
        self.text(value);
        self
    }

    /// A field in plain text.
    pub fn literal(mut self, name: &str, value: &str) -> Block {
        self.integer(0, 4, 0);
        self.text(name);
        self.text(value);
        self
    }

    /// A field in plain text that becomes the newest of the dynamic table.
    pub fn remembered(mut self, name: &str, value: &str) -> Block {
        self.integer(0x40, 6, 0);
        self.text(name);
        self.text(value);
        self
    }

    /// Another size of the dynamic table.
    pub fn table_size(mut self, bytes: u32) -> Block {
        self.integer(0x20, 5, bytes);
        self
    }

    /// An integer behind a prefix (section 5.1).
    fn integer(&mut self, first: u8, bits: u32, value: u32) {
        let most = (1 << bits) - 1;
        if value < most {
            // Below 2^7.
            self.0.push(first | value as u8);
            return;
        }
        self.0.push(first | most as u8);
        let mut rest = value - most;
        while rest >= 0x80 {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn text(&mut self, text: &str) {
        self.integer(0, 7, text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }
}

impl From<Block> for Vec<u8> {
    fn from(block: Block) -> Vec<u8> {
        block.0
    }
}

/// Whether a block begins with the status 200. Anything but the common forms is taken for another status.
pub fn is_ok(block: &[u8]) -> bool {
    // An encoder may say first how large its table is (section 6.3); nginx does, in one byte.
    let block = match block.first() {
        Some(size) if size & 0xe0 == 0x20 => &block[1..],
        _ => block,
    };
    block.first() == Some(&0x88)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_those_of_the_standard() {
        // RFC 7541, appendix C.1.
        for (value, bits, wanted) in
            [(10, 5, &[10][..]), (1337, 5, &[31, 154, 10]), (42, 8, &[42]), (127, 7, &[127, 0])]
        {
            let mut block = Block::default();
            block.integer(0, bits, value);
            assert_eq!(block.0, wanted, "{value}");
        }
    }

    #[test]
    fn fields_are_those_of_the_standard() {
        // Appendices C.2.1, C.2.2 and C.2.4.
        let remembered = Block::default().remembered("custom-key", "custom-header").0;
        assert_eq!(remembered, b"\x40\x0acustom-key\x0dcustom-header");
        assert_eq!(Block::default().known(4, "/sample/path").0, b"\x04\x0c/sample/path");
        assert_eq!(Block::default().indexed(2).0, [0x82]);
        assert_eq!(Block::default().indexed_times(NEWEST, 3).0, [0xbe; 3]);
    }

    #[test]
    fn the_status_200_is_known() {
        assert!(is_ok(&[0x88, 0x61]));
        assert!(is_ok(&[0x20, 0x88]));
        assert!(!is_ok(&[0x8d]));
        assert!(!is_ok(&[]));
    }
}
