use super::*;
use proptest::prelude::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
        true
    })?;
    Ok(fields)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

#[test]
fn requests_of_rfc_7541() {
    let first = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")];
    let second = [&first[..], &[("cache-control", "no-cache")]].concat();
    let third = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ];
    // Appendices C.3 and C.4: without a Huffman code, and with it.
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        for (block, expected) in blocks.iter().zip([&first[..], &second, &third]) {
            assert_eq!(decode(&mut decoder, &hex(block)).unwrap(), fields(expected));
        }
        assert_eq!(decoder.size(), 164);
    }
}

#[test]
fn what_breaks_the_rules_is_refused() {
    for block in [
        "80",                      // index 0
        "be",                      // an index that nothing has
        "ff ff ff ff ff ff ff",    // a number without end
        "40 01",                   // a name that is cut off
        "40 01 61 05 61",          // a value that is
        "3f e2 1f",                // a table of 4097 bytes
        "82 20",                   // a bound behind a field
        "00 01 61 81 ff",          // padding of a whole byte
        "00 01 61 82 1c 64 00",    // (and what follows is no field)
        "00 01 61 81 fe",          // padding that is not of ones
        "00 01 61 84 ff ff ff ff", // the end of a string
    ] {
        assert_eq!(decode(&mut Decoder::default(), &hex(block)), Err(HpackError), "{block}");
    }
    assert_eq!(decode(&mut Decoder::default(), &hex("3f e1 1f 82")).unwrap(), fields(&[(":method", "GET")]));
}

#[test]
fn names_of_answers_are_found_in_any_case() {
    let mut found = 0;
    for (at, (name, _)) in table::STATIC.iter().enumerate() {
        let index = table::name_index(&name.to_ascii_uppercase());
        assert_eq!(index, table::name_index(name));
        assert!(index == 0 || index == at + 1, "{name:?}");
        found += usize::from(index > 0);
    }
    assert_eq!(found, 27);
    for name in ["", "a", "dat\u{5}", "DATE ", "x-server", "lime", "content-lengtH\0", "etaG "] {
        assert_eq!(table::name_index(name.as_bytes()), 0, "{name}");
    }
}

#[test]
fn what_comes_again_is_short() {
    let mut encoder = Encoder::new();
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        encoder.status(200, &mut out);
        encoder.field(b"Server", b"something", &mut out);
        lengths.push(out.len());
    }
    assert_eq!(lengths, [13, 12, 2, 2]);
}

#[test]
fn a_bound_of_the_receiver_is_kept() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::default());
    for (round, most) in [4096, 4096, 0, 0, 100, 4096, 60, 4096, 4096, 1].into_iter().enumerate() {
        encoder.bound(most);
        let mut out = Vec::new();
        encoder.begin(&mut out);
        encoder.status(503, &mut out);
        encoder.field(b"X-A", b"1", &mut out);
        encoder.field(b"x-b", b"2", &mut out);
        let expected = fields(&[(":status", "503"), ("x-a", "1"), ("x-b", "2")]);
        assert_eq!(decode(&mut decoder, &out).unwrap(), expected, "{round}");
        assert!(encoder.size() <= most);
        assert_eq!(encoder.size(), decoder.size());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(block in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::default();
        let _ = decode(&mut decoder, &block);
        prop_assert!(decoder.size() <= TABLE_BYTES);
    }

    #[test]
    fn what_is_written_is_read(
        heads in proptest::collection::vec(
            proptest::collection::vec(("[a-c]{1,3}|date|etag|server|set-cookie", "[a-c]{0,3}|x{120,400}"), 0..12),
            1..40,
        ),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::default());
        for head in heads {
            let mut out = Vec::new();
            encoder.begin(&mut out);
            for (name, value) in &head {
                encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
            }
            let expected: Fields =
                head.iter().map(|(name, value)| (name.clone().into(), value.clone().into())).collect();
            prop_assert_eq!(decode(&mut decoder, &out).unwrap(), expected);
            prop_assert_eq!(encoder.size(), decoder.size());
        }
    }
}
