//! The examples of RFC 7541 appendix C, and what is no block.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::upstream::http2::reason::Reason;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn pairs(block: &Block) -> Vec<(String, String)> {
    let mut pairs: Vec<_> =
        block.status.iter().map(|status| (":status".to_owned(), status.to_string())).collect();
    let fields = block.fields.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    pairs.extend(fields);
    pairs
}

/// C.1
#[test]
fn integers_are_those_of_the_examples() {
    for (prefix, value, bytes) in [(5, 10, &[0x0a][..]), (5, 1337, &[0x1f, 0x9a, 0x0a]), (7, 127, &[0x7f, 0])]
    {
        let mut out = Vec::new();
        put_integer(&mut out, 0, prefix, value);
        assert_eq!(out, bytes);
        let mut rest = &out[1..];
        assert_eq!(integer(out[0] | 0x80, prefix, &mut rest), Ok(value), "other bits are not looked at");
        assert!(rest.is_empty());
    }
    for (prefix, value) in
        (4..=7).flat_map(|prefix| [0, 14, 15, 16, 127, 128, 300_000].map(|value| (prefix, value)))
    {
        let mut out = Vec::new();
        put_integer(&mut out, 0, prefix, value);
        assert_eq!(integer(out[0], prefix, &mut &out[1..]), Ok(value));
    }
    for bytes in [&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x01][..], &[0x1f, 0x80], &[0x1f]] {
        let flaw = integer(bytes[0], 5, &mut &bytes[1..]).unwrap_err();
        assert_eq!(flaw.reason, Reason::COMPRESSION_ERROR);
    }
}

/// C.3 and C.4: requests, which are no answers, but fill the table like those.
#[test]
fn requests_fill_the_table_as_in_the_examples() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        for (block, size) in blocks.into_iter().zip([57, 110, 164]) {
            let flaw = decoder.decode(&hex(block), usize::MAX).unwrap().flaw.unwrap();
            assert_eq!(flaw, Flaw::protocol("sent a header that no answer may have"));
            assert_eq!(decoder.table().size(), size);
        }
        let value = |index| decoder.table().entry(index).unwrap().value.clone().unwrap();
        assert_eq!(["custom-value", "no-cache", "www.example.com"], [62, 63, 64].map(value));
        assert!(decoder.table().entry(65).is_none());
    }
}

/// C.5 and C.6: answers, with a table of 256 bytes.
#[test]
fn answers_are_read_as_in_the_examples() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 \
         474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 \
         666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 \
         3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let huffman = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 \
         63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 \
         b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let base = |status: &str, date: &str| {
        [
            (":status", status),
            ("cache-control", "private"),
            ("date", date),
            ("location", "https://www.example.com"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    };
    let mut last = base("200", "Mon, 21 Oct 2013 20:13:22 GMT");
    last.push(("content-encoding".into(), "gzip".into()));
    last.push(("set-cookie".into(), "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1".into()));
    let first = "Mon, 21 Oct 2013 20:13:21 GMT";
    let expected = [base("302", first), base("307", first), last];
    for blocks in [plain, huffman] {
        let mut decoder = Decoder::new();
        assert!(decoder.decode(&hex("3f e1 01"), 0).unwrap().flaw.is_none(), "the table shrinks to 256");
        for ((block, expected), size) in blocks.into_iter().zip(&expected).zip([222, 222, 215]) {
            let block = decoder.decode(&hex(block), usize::MAX).unwrap();
            assert_eq!(pairs(&block), *expected);
            assert_eq!((block.flaw, decoder.table().size()), (None, size));
        }
    }
}

#[test]
fn blocks_that_no_table_explains_are_errors() {
    let table = [
        ("80", "named a header that its table does not have"),
        ("be", "named a header that its table does not have"),
        ("7f 00", "named a header that its table does not have"),
        ("3f e2 1f", "changed the size of its table of headers against the rules"),
        ("88 20", "changed the size of its table of headers against the rules"),
        ("ff ff ff ff ff ff", "sent a number in its headers that is too large"),
        ("00 01 61 05 62", "sent headers that end too early"),
        ("00 01", "sent headers that end too early"),
        ("40", "sent headers that end too early"),
        ("00 81 ff 01 62", "sent a header in a Huffman code that is none"),
    ];
    for (block, what) in table {
        assert_eq!(Decoder::new().decode(&hex(block), 1000).unwrap_err(), compression(what), "{block}");
    }
}

#[test]
fn blocks_that_are_no_answer_are_flaws_and_keep_the_table_right() {
    let table: [(&[u8], &str); 9] = [
        (b"\x40\x01A\x01b", "sent a header that no answer may have"),
        (b"\x40\x00\x01b", "sent a header that no answer may have"),
        (b"\x40\x0aconnection\x05close", "sent a header that no answer may have"),
        (b"\x40\x01a\x03b\r\n", "sent a header whose value no header may have"),
        (b"\x88\x88\x40\x01a\x01b", "sent a status that is not the first header"),
        (b"\x40\x01a\x01b\x88", "sent a status that is not the first header"),
        (b"\x48\x0220", "sent a status that is none"),
        (b"\x5c\x03-10", "sent a content-length that is no number"),
        (b"\x5c\x011\x5c\x012", "sent two lengths of its content"),
    ];
    for (block, what) in table {
        let mut decoder = Decoder::new();
        let flaw = decoder.decode(block, 1000).unwrap().flaw;
        assert_eq!(flaw, Some(Flaw::protocol(what)), "{}", block.escape_ascii());
        assert!(decoder.table().size() > 32, "what was added stays: {}", block.escape_ascii());
    }
    let large = [&b"\x88\x40\x01a\x7f\x00"[..], &[b'x'; 127]].concat();
    let mut decoder = Decoder::new();
    // 42 for `:status: 200`, 160 for the other one.
    assert_eq!(decoder.decode(&large, 202).unwrap().flaw, None);
    let flaw = decoder.decode(&large, 201).unwrap().flaw;
    assert_eq!(flaw, Some(Flaw::protocol("sent more headers than were allowed")));
}

fn request(path: &str) -> Request<'_> {
    static EMPTY: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
    Request {
        secure: false,
        authority: "shop:1",
        path,
        constant: &[("te", "trailers")],
        varying: [None; 4],
        metadata: &EMPTY,
        keep: |_| true,
    }
}

#[test]
fn what_comes_again_is_an_entry_of_the_table_and_what_is_sent_along_is_not() {
    let mut encoder = Encoder::new();
    let mut encode = |request: &Request<'_>| {
        let mut out = Vec::new();
        encoder.encode(request, &mut out);
        out
    };
    let first = encode(&request("/a"));
    assert_eq!(first, b"\x83\x86\x41\x06shop:1\x44\x02/a\x40\x02te\x08trailers");
    assert_eq!(encode(&request("/a")), b"\x83\x86\xc0\xbf\xbe");
    assert_eq!(encode(&request("/b")), b"\x83\x86\xc0\x44\x02/b\xbf", "the others have moved by one");
    let mut metadata = HeaderMap::new();
    metadata.insert("authorization", HeaderValue::from_static("Bearer x"));
    metadata.insert("x-key", HeaderValue::from_static("secret"));
    metadata.insert("host", HeaderValue::from_static("no"));
    let keep = |name: &HeaderName| name != "host";
    let with = Request {
        secure: true,
        varying: [Some(("grpc-timeout", b"1S")), None, None, None],
        metadata: &metadata,
        keep,
        ..request("/a")
    };
    let expected =
        b"\x83\x87\xc1\xc0\xbf\x00\x0cgrpc-timeout\x021S\x1f\x08\x08Bearer x\x10\x05x-key\x06secret";
    for _ in 0..2 {
        assert_eq!(encode(&with).escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
    let texts =
        [":methodPOST", ":schemehttps", ":authorityshop:1", ":path/a", "tetrailers", "grpc-timeout1S"];
    let texts = texts.into_iter().chain(["authorizationBearer x", "x-keysecret"]);
    assert_eq!(with.size(), texts.map(|text| text.len() + ENTRY).sum::<usize>());
}

#[test]
fn the_table_of_the_peer_is_never_filled_beyond_its_size() {
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    let paths: Vec<String> = (0..100).map(|index| format!("/shop.Orders/Method{index}")).collect();
    for path in paths.iter().chain(&paths) {
        encoder.encode(&request(path), &mut out);
    }
    // Each takes 5 + 20 or 21 + 32 bytes.
    let added = out.windows(2).filter(|pair| *pair == [0x44, 20] || *pair == [0x44, 21]).count();
    assert!((60..=70).contains(&added), "{added}");
    for (limit, expected) in [
        (0, &b"\x20\x20\x83\x86\x01\x06shop:1\x04\x02/a\x00\x02te\x08trailers"[..]),
        (50, b"\x20\x3f\x13\x83\x86\x41\x06shop:1\x04\x02/a\x00\x02te\x08trailers"),
    ] {
        encoder.resize(limit);
        out.clear();
        encoder.encode(&request("/a"), &mut out);
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
