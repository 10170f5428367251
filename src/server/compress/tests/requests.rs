//! Bodies that come in an encoding.

use http::header::CONTENT_TYPE;

use super::*;

/// Written by others: Python's gzip (with a file name in its header), the brotli and the zstandard of PyPI (with a
/// checksum).
const GZIP: &str = "1f8b08080100000002ff6e616d65642e6a736f6e00ab562a2e29cacc4b57b2523abc52494729af343729b5a858c92ada50\
                    c748c75807838cd5512a49ad2801aa2fc94855284ecc4d55484c4fccccd35140e52bd5020088c7c42b5b000000";
const BROTLI: &str = "1b5a00e09d07762cb0c204037e8f68508b6ceda56e9698aee1a5d35732338e71e030d84dcb44cb8a83872cbe448d602a\
                      4d19851f593f85f07006c3c5e1700805";
const ZSTD: &str = "28b52ffd245b150200c2c30d14c0ebfffae706598aa1811bf836f51f883af3ea70f360db3ae90066e701567df28edc5fb3\
                    63c58642fe1c2306dbf7b49e3cb5e5fa5d060200ce9407321732df1d0f57";
const TEXT: &str =
    r#"{"string":"é","numbers":[1,2,3,1,2,3,1,2,3,1,2,3],"text":"the same again, the same again"}"#;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn vectors() -> [(Coding, Vec<u8>); 3] {
    [(Coding::Gzip, bytes(GZIP)), (Coding::Brotli, bytes(BROTLI)), (Coding::Zstd, bytes(ZSTD))]
}

fn data(bytes: &[u8]) -> Step {
    Step::Data(Bytes::copy_from_slice(bytes))
}

fn read(coding: Coding, steps: impl IntoIterator<Item = Step>) -> Given {
    pull(&mut Decoded::new(Script::new(steps), coding.into()))
}

fn refused(given: &Given) -> (&str, u16) {
    let (text, status) = given.error.as_ref().unwrap_or_else(|| panic!("no error: {given:?}"));
    (text, *status)
}

#[test]
fn the_cuts_of_a_body_do_not_matter() {
    for (coding, vector) in vectors() {
        for cut in 0..=vector.len() {
            let (one, other) = vector.split_at(cut);
            let given = read(coding, [one, b"", other].map(data));
            assert_eq!((given.error.as_ref(), given.data()), (None, TEXT.into()), "{coding:?} {cut}");
        }
        let given = read(coding, vector.chunks(1).map(data).chain([Step::Trailers]));
        assert_eq!((given.error.as_ref(), given.data(), given.trailers), (None, TEXT.into(), true));
    }
}

#[test]
fn a_body_that_is_cut_off_is_refused() {
    for (coding, vector) in vectors() {
        let expected = format!("The request body ends in the middle of its {} data.", coding.name());
        for length in 1..vector.len() {
            let given = read(coding, [data(&vector[..length])]);
            assert_eq!(refused(&given), (expected.as_str(), 400), "{coding:?} {length}");
            let given = read(coding, [data(&vector[..length]), Step::Trailers]);
            assert_eq!(refused(&given), (expected.as_str(), 400), "{coding:?} {length}");
        }
    }
}

#[test]
fn an_empty_body_has_no_encoding() {
    for coding in CODINGS {
        for steps in [vec![], vec![data(b"")], vec![Step::Trailers]] {
            let given = read(coding, steps);
            assert_eq!((given.error.as_ref(), given.data()), (None, vec![]));
        }
        assert!(
            Decoded::new(Script::whole(""), coding.into()).is_end_stream()
                == Script::whole("").is_end_stream()
        );
    }
}

#[test]
fn a_body_ends_where_its_data_does() {
    for (coding, vector) in vectors() {
        let name = coding.name();
        let expected = format!("The request body goes on after the end of its {name} data.");
        for more in ["\0", "{}", "GIF"] {
            for steps in
                [vec![data(&[&vector, more.as_bytes()].concat())], vec![data(&vector), data(more.as_bytes())]]
            {
                let given = read(coding, steps);
                assert_eq!(refused(&given), (expected.as_str(), 400), "{coding:?} {more:?}");
                assert_eq!(given.data(), TEXT.as_bytes());
            }
        }
        let again = read(coding, [data(&vector.repeat(2))]);
        if coding == Coding::Brotli {
            assert_eq!(refused(&again), (expected.as_str(), 400));
        } else {
            // Data may have several parts, by RFC 1952 section 2.2 and RFC 8878 section 3.
            assert_eq!((again.error.as_ref(), again.data()), (None, TEXT.repeat(2).into()));
            assert_eq!(read(coding, [data(&vector.repeat(1000))]).error, None);
            let expected = format!(
                "The {name} data of the request body has too many parts. Compress the body as a whole."
            );
            assert_eq!(refused(&read(coding, [data(&vector.repeat(1001))])), (expected.as_str(), 400));
        }
    }
}

#[test]
fn what_is_no_such_data_is_refused() {
    for (coding, vector) in vectors() {
        let name = coding.name();
        let expected =
            format!("The request body is not valid {name} data, which its content encoding says it is.");
        assert_eq!(refused(&read(coding, [data(TEXT.as_bytes())])), (expected.as_str(), 400), "{coding:?}");
        // Whatever byte is wrong: nothing else than the text comes out as a whole, and nothing hangs or panics.
        for (at, _) in vector.iter().enumerate() {
            let mut vector = vector.clone();
            vector[at] ^= 0x55;
            let given = read(coding, [data(&vector)]);
            assert!(given.error.as_ref().is_none_or(|(_, status)| *status == 400), "{given:?}");
        }
    }
    // The checksums at the ends of gzip and zstd.
    for (coding, vector) in [vectors()[0].clone(), vectors()[2].clone()] {
        let mut vector = vector;
        let at = vector.len() - if coding == Coding::Gzip { 8 } else { 4 };
        vector[at] ^= 1;
        assert!(refused(&read(coding, [data(&vector)])).0.starts_with("The request body is not valid "));
    }
}

#[test]
fn messages_are_decoded_as_they_come() {
    for coding in CODINGS {
        let messages = [&b"{\"number\":1}\n"[..], b"{\"number\":2}\n", b"{\"number\":3}\n"];
        let mut steps = Vec::new();
        for piece in encoded(coding, &messages) {
            steps.extend([Step::Data(piece), Step::Waits]);
        }
        let mut body = Decoded::new(Script::new(steps), coding.into());
        for message in messages {
            let given = pull(&mut body);
            assert_eq!((given.data().as_slice(), given.waits), (message, true), "{coding:?}");
        }
        assert!(pull(&mut body).waits);
        let end = pull(&mut body);
        assert_eq!((end.data(), end.error, end.waits), (vec![], None, false));
        assert!(body.is_end_stream());
    }
}

#[test]
fn large_bodies_come_in_small_pieces() {
    let text = text(300_000);
    for coding in CODINGS {
        let whole = encoded(coding, &[&text]).concat();
        for size in [whole.len(), 16_384, 1_000] {
            let given = read(coding, whole.chunks(size).map(data));
            assert_eq!(given.error, None);
            assert!(given.data() == text, "{coding:?} {size}");
            assert!(given.frames.iter().all(|frame| frame.len() <= 16 << 10));
        }
    }
}

#[test]
fn bombs_are_refused_early() {
    let zeros = vec![0; 8 << 20];
    for coding in CODINGS {
        let bomb = encoded(coding, &[&zeros]).concat();
        let name = coding.name();
        let expected = format!(
            "The request body is more than 100 times as large as its {name} data, which is refused. Send it without a \
             content encoding."
        );
        for size in [bomb.len(), 1000, 1] {
            let given = read(coding, bomb.chunks(size).map(data));
            assert_eq!(refused(&given), (expected.as_str(), 413), "{coding:?} {size}");
            let most = (64 << 10).max(100 * bomb.len()) + (16 << 10);
            assert!(given.data().len() <= most, "{coding:?}: {} of {}", given.data().len(), bomb.len());
        }
    }
}

#[test]
fn a_small_body_may_be_as_even_as_it_likes() {
    for coding in CODINGS {
        let zeros = vec![b'0'; 64 << 10];
        let whole = encoded(coding, &[&zeros]).concat();
        let given = read(coding, [Step::Data(whole.into())]);
        assert_eq!((given.error.as_ref(), given.data().len()), (None, zeros.len()), "{coding:?}");
    }
}

#[test]
fn data_without_content_ends() {
    // A frame of zstd that is skipped: its magic number, its size, and that many bytes.
    let mut skipped = vec![0x50, 0x2a, 0x4d, 0x18];
    skipped.extend_from_slice(&(2_u32 << 20).to_le_bytes());
    skipped.resize(skipped.len() + (2 << 20), 0);
    let given = read(Coding::Zstd, skipped.chunks(16 << 10).map(data));
    let expected = "The zstd data of the request body goes on without any content.";
    assert_eq!(refused(&given), (expected, 400));
    // Blocks of deflate that hold nothing: not the last, stored, length 0.
    let mut blocks = bytes("1f8b0800000000000003");
    blocks.extend_from_slice(&bytes("000000ffff").repeat(300_000));
    let given = read(Coding::Gzip, blocks.chunks(16 << 10).map(data));
    assert_eq!(refused(&given), ("The gzip data of the request body goes on without any content.", 400));
    // A little of it is common.
    let mut little = bytes("502a4d18040000000102030428b52ffd");
    little.extend_from_slice(&bytes(ZSTD)[4..]);
    assert_eq!(read(Coding::Zstd, [data(&little)]).data(), TEXT.as_bytes());
}

#[test]
fn windows_of_zstd_are_bounded() {
    // RFC 8878 section 3.1.1: magic number, descriptor, window (exponent over 10 in the upper five bits), and one
    // block that is the last, raw and empty.
    let frame = |exponent: u8| [&bytes("28b52ffd00")[..], &[exponent << 3], &bytes("010000")].concat();
    let given = read(Coding::Zstd, [data(&frame(23 - 10))]);
    assert_eq!((given.error.as_ref(), given.data()), (None, vec![]));
    let expected = "The zstd data of the request body needs a window of more than 8 MiB. Compress it with a window \
                    log of at most 23.";
    assert_eq!(refused(&read(Coding::Zstd, [data(&frame(24 - 10))])), (expected, 400));
    // A single segment, whose size is the window: 1 GiB.
    let single = bytes("28b52ffda000000040010000");
    assert_eq!(refused(&read(Coding::Zstd, [data(&single)])), (expected, 400));
    // Windows of brotli beyond those of RFC 7932 are no brotli.
    let given = read(Coding::Brotli, [data(&[0x11, 0x1e, 0x03])]);
    assert!(refused(&given).0.starts_with("The request body is not valid br data"), "{given:?}");
}

#[test]
fn failures_of_the_body_stay_what_they_are() {
    for (coding, vector) in vectors() {
        let given = read(coding, [data(&vector[..20]), Step::Fails]);
        assert_eq!(refused(&given), ("reset by peer", 0));
    }
    let mut plain = Decoded::plain(Script::new([data(b"x"), Step::Fails]));
    assert_eq!(refused(&pull(&mut plain)), ("reset by peer", 0));
}

fn open(compression: Compression, lines: &[&str]) -> (Request<Decoded<Script>>, Terms) {
    let mut request =
        Request::builder().header(CONTENT_LENGTH, "59").header(CONTENT_TYPE, "application/json");
    for line in lines {
        request = request.header(CONTENT_ENCODING, *line);
    }
    compression.open(request.body(Script::whole(bytes(BROTLI))).unwrap())
}

#[test]
fn encodings_by_their_names() {
    let unknown = |name: &str| {
        format!(
            "The content encoding {name:?} is not supported here. Send the body in gzip, br or zstd, or without one."
        )
    };
    let many =
        "The request body has more than 3 content encodings, one around the other. Send it with at most one.";
    let table: [(&[&str], Option<String>); 11] = [
        (&["br"], None),
        (&["BR"], None),
        (&["identity, br"], None),
        (&["br", " identity "], None),
        (&[", br ,"], None),
        (&["compress"], Some(unknown("compress"))),
        (&["br;q=1"], Some(unknown("br;q=1"))),
        (&["*"], Some(unknown("*"))),
        (&["gzip, lzma"], Some(unknown("lzma"))),
        (&["gzip, br, zstd, deflate"], Some(many.to_owned())),
        (&["gzip", "gzip,identity,gzip", "gzip"], Some(many.to_owned())),
    ];
    for (lines, refusal) in table {
        let (request, terms) = open(Compression::default(), lines);
        assert!(!request.headers().contains_key(CONTENT_ENCODING), "{lines:?}");
        assert!(!request.headers().contains_key(CONTENT_LENGTH), "the length is another now");
        let mut body = request.into_body();
        assert!(!body.is_end_stream());
        let given = pull(&mut body);
        let status = |status| Response::builder().status(status).body(Script::whole("{}")).unwrap();
        let accepted = |answer: Response<Encoded<Script>>| answer.headers().get(ACCEPT_ENCODING).cloned();
        match refusal {
            None => {
                assert_eq!((given.error.as_ref(), given.data()), (None, TEXT.into()), "{lines:?}");
                assert_eq!(accepted(terms.close(status(415))), None, "the type was the reason");
            }
            Some(text) => {
                assert_eq!(refused(&given), (text.as_str(), 415), "{lines:?}");
                assert_eq!(accepted(terms.close(status(415))).unwrap(), "gzip, br, zstd, deflate");
                assert_eq!(accepted(terms.close(status(403))), None);
            }
        }
    }
    let (request, _) = open(Compression::default(), &["x".repeat(5000).as_str()]);
    assert!(refused(&pull(&mut request.into_body())).0.len() < 250);
}

#[test]
fn bodies_without_an_encoding_pass() {
    for lines in [&[][..], &["identity"], &[""]] {
        let (request, _) = open(Compression::default(), lines);
        assert_eq!(request.headers()[CONTENT_LENGTH], "59");
        assert_eq!(request.body().size_hint().exact(), Some(64));
        assert_eq!(pull(&mut request.into_body()).data(), bytes(BROTLI));
    }
    // Switched off, the handler sees what came.
    let off = Compression { requests: false, answers: false };
    for (line, accepted) in [("br", Some("identity")), ("lzma", Some("identity")), ("identity", None)] {
        let (request, terms) = open(off, &[line]);
        assert_eq!(request.headers()[CONTENT_ENCODING], line);
        assert_eq!(pull(&mut request.into_body()).data(), bytes(BROTLI));
        let answer = Response::builder().status(415).body(Script::whole("{}")).unwrap();
        let answer = terms.close(answer);
        assert_eq!(answer.headers().get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap()), accepted);
    }
}

/// Written by Python's zlib.
const DEFLATE: &str = "78daab562a2e29cacc4b57b2523abc52494729af343729b5a858c92ada50c748c75807838cd5512a49ad2801aa2f\
                       c94855284ecc4d55484c4fccccd35140e52bd50200e7501ba5";

fn read_in(formats: &[Format], steps: impl IntoIterator<Item = Step>) -> Given {
    pull(&mut Decoded::new(Script::new(steps), Announced::Known(formats.to_vec())))
}

#[test]
fn deflate_is_the_zlib_format() {
    let vector = bytes(DEFLATE);
    for cut in 0..=vector.len() {
        let (one, other) = vector.split_at(cut);
        let given = read_in(&[Format::Deflate], [one, other].map(data));
        assert_eq!((given.error.as_ref(), given.data()), (None, TEXT.into()), "{cut}");
    }
    let table = [
        // Without the header and the checksum of zlib, as some clients send it.
        (
            &vector[2..vector.len() - 4],
            "The request body is not valid deflate data, which its content encoding says it is.",
        ),
        (&vector[..vector.len() - 1], "The request body ends in the middle of its deflate data."),
        (&[&vector[..], &vector].concat(), "The request body goes on after the end of its deflate data."),
    ];
    for (vector, expected) in table {
        assert_eq!(refused(&read_in(&[Format::Deflate], [data(vector)])), (expected, 400));
    }
}

/// The text in one encoding around the other, the last one outermost.
fn around(formats: &[Format], text: &[u8]) -> Vec<u8> {
    formats.iter().fold(text.to_vec(), |text, format| {
        let coding = Coding::by_name(format.name()).unwrap();
        encoded(coding, &[&text]).concat()
    })
}

#[test]
fn chains_are_undone_from_the_last_encoding_to_the_first() {
    use Format::{Brotli, Gzip, Zstd};
    let chains: [&[Format]; 5] =
        [&[Gzip, Brotli], &[Brotli, Gzip], &[Zstd, Zstd], &[Gzip, Zstd, Brotli], &[Zstd, Gzip, Gzip]];
    for chain in chains {
        let whole = around(chain, TEXT.as_bytes());
        for cut in 0..=whole.len() {
            let (one, other) = whole.split_at(cut);
            let given = read_in(chain, [one, b"", other].map(data));
            assert_eq!((given.error.as_ref(), given.data()), (None, TEXT.into()), "{chain:?} {cut}");
        }
        let outermost = chain.last().unwrap().name();
        let given = read_in(chain, [data(&whole[..whole.len() - 1])]);
        let expected = format!("The request body ends in the middle of its {outermost} data.");
        assert_eq!(refused(&given), (expected.as_str(), 400), "{chain:?}");
        // Complete outside, but not inside.
        let (&outer, inside) = chain.split_last().unwrap();
        let inner = around(inside, TEXT.as_bytes());
        let given = read_in(chain, [data(&around(&[outer], &inner[..inner.len() - 1]))]);
        let expected =
            format!("The request body ends in the middle of its {} data.", inside.last().unwrap().name());
        assert_eq!(refused(&given), (expected.as_str(), 400), "{chain:?}");
        // Nothing at all has no encoding, also inside one.
        let nothing = Script { sized: true, ..Script::default() };
        assert!(Decoded::new(nothing, Announced::Known(chain.to_vec())).is_end_stream());
        assert_eq!(read_in(chain, []).data(), b"");
        assert_eq!(read_in(chain, [data(&around(&[outer], b""))]).data(), b"");
    }
    // As a header says it, and longer than what is decoded at once.
    let text = text(300_000);
    let request = Request::builder().header(CONTENT_ENCODING, "gzip, br").header(CONTENT_ENCODING, "zstd");
    let body = Script::whole(around(&[Gzip, Brotli, Zstd], &text));
    let (request, _) = Compression::default().open(request.body(body).unwrap());
    let given = pull(&mut request.into_body());
    assert!(given.error.is_none() && given.data() == text);
}

/// However often a bomb is packed, what comes out is bounded by what came in.
#[test]
fn chains_of_bombs_are_refused_early() {
    use Format::{Brotli, Gzip, Zstd};
    let zeros = vec![0; 4 << 20];
    let chains: [&[Format]; 4] = [&[Gzip, Gzip], &[Zstd, Brotli], &[Brotli, Gzip, Zstd], &[Gzip, Gzip, Gzip]];
    for chain in chains {
        let bomb = around(chain, &zeros);
        let given = read_in(chain, bomb.chunks(1000).map(data));
        let (text, status) = refused(&given);
        assert!(text.starts_with("The request body is more than 100 times as large as its "), "{text}");
        assert_eq!(status, 413);
        let most = (64 << 10).max(100 * bomb.len()) + (16 << 10);
        assert!(given.data().len() <= most, "{chain:?}: {} of {}", given.data().len(), bomb.len());
    }
    // A layer that would swallow what a bomb outside of it gives: a frame of zstd that is skipped.
    let mut skipped = vec![0x50, 0x2a, 0x4d, 0x18];
    skipped.extend_from_slice(&(4_u32 << 20).to_le_bytes());
    skipped.resize(skipped.len() + (4 << 20), 0);
    let bomb = around(&[Gzip], &skipped);
    let (text, status) = (
        "The request body is more than 100 times as large as its gzip data, which is refused. Send it without a content \
         encoding.",
        413,
    );
    assert_eq!(refused(&read_in(&[Zstd, Gzip], [data(&bomb)])), (text, status));
}

#[test]
fn clients_that_take_no_body_at_all_are_told_so() {
    let status = |compression: Compression, accepted: &str| {
        let request = Request::builder().header(ACCEPT_ENCODING, accepted).body(Script::default()).unwrap();
        compression.open(request).0.extensions().get::<Status>().cloned()
    };
    let both = Compression::default();
    let off = Compression { answers: false, ..both };
    let text = |served: &str| {
        format!(
            "The request refuses every content encoding that an answer can have here, and bodies without one as well. \
             Accept {served} in its Accept-Encoding."
        )
    };
    let table = [
        (both, "identity;q=0", Some("gzip, br, zstd or identity")),
        (both, "*;q=0", Some("gzip, br, zstd or identity")),
        (both, "deflate, identity;q=0", Some("gzip, br, zstd or identity")),
        (both, "identity;q=0, gzip", None),
        (both, "gzip, *;q=0", None),
        (both, "gzip;q=0", None),
        (both, "identity, *;q=0", None),
        (both, "", None),
        (off, "identity;q=0, gzip", Some("identity")),
        (off, "gzip", None),
    ];
    for (compression, accepted, served) in table {
        let found = status(compression, accepted);
        let found = found.as_ref().map(|status| (status.message(), status.http(), status.code()));
        let expected = served.map(text);
        assert_eq!(found, expected.as_deref().map(|text| (text, 406, Code::InvalidArgument)), "{accepted}");
    }
}
