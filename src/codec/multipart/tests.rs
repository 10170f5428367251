use super::*;

/// What a body holds: name, file name, content type and data of each part.
type Parts = Vec<(String, Option<String>, Option<String>, String)>;

fn read<'p>(boundary: &str, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Parts, MultipartError> {
    let mut multipart = Multipart::new(boundary)?;
    let (mut parts, mut open, mut ended) = (Parts::new(), false, false);
    for piece in pieces {
        multipart.push(piece);
        while let Some(event) = multipart.next_event()? {
            assert!(!ended, "nothing follows the end");
            match event {
                Event::Part(head) => {
                    assert!(!std::mem::replace(&mut open, true), "a part begins inside another");
                    parts.push((head.name, head.filename, head.content_type, String::new()));
                }
                Event::Data(data) => {
                    assert!(open && !data.is_empty());
                    parts.last_mut().unwrap().3.push_str(&String::from_utf8_lossy(&data));
                }
                Event::PartEnd => assert!(std::mem::replace(&mut open, false)),
                Event::End => {
                    assert!(!open);
                    ended = true;
                }
            }
        }
        // Nothing is kept but what might be a boundary, or the headers of a part.
        assert!(multipart.buffer.len() <= MAX_HEAD, "{}", multipart.buffer.len());
    }
    multipart.finish().map(|()| parts)
}

fn whole(boundary: &str, body: &str) -> Result<Parts, MultipartError> {
    read(boundary, [body.as_bytes()])
}

fn part(name: &str, data: &str) -> (String, Option<String>, Option<String>, String) {
    (name.into(), None, None, data.into())
}

/// By the example of RFC 7578 section 4, with a file, data that nearly is a boundary, and text around it all.
const BODY: &str = "preamble\r\n--AaB03x\r\ncontent-disposition: form-data; name=\"field1\"\r\n\r\nJoe Blow\r\n\
                    --AaB03x \t\r\nContent-Disposition: form-data; name=\"pics\"; filename=\"file 1.txt\"\r\n\
                    X-Other: 1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                    \r\n--AaB03 \r\n-\r\r\n--\r\n\r\n--AaB03x\r\n\
                    content-disposition:form-data;name=empty\r\n\r\n\r\n--AaB03x--\r\nepilogue";

fn parts_of_body() -> Parts {
    let file = (
        "pics".to_owned(),
        Some("file 1.txt".to_owned()),
        Some("text/plain; charset=utf-8".to_owned()),
        "\r\n--AaB03 \r\n-\r\r\n--\r\n".to_owned(),
    );
    vec![part("field1", "Joe Blow"), file, part("empty", "")]
}

#[test]
fn the_cuts_of_a_body_do_not_matter() {
    let body = BODY.as_bytes();
    for cut in 0..=body.len() {
        let (one, other) = body.split_at(cut);
        assert_eq!(read("AaB03x", [one, b"", other]), Ok(parts_of_body()), "cut at {cut}");
    }
    for size in 1..20 {
        assert_eq!(read("AaB03x", body.chunks(size)), Ok(parts_of_body()), "pieces of {size}");
    }
    // Three pieces, each cut everywhere, of a shorter body.
    let body = b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--\r\n--b--";
    for first in 0..=body.len() {
        for second in first..=body.len() {
            let pieces = [&body[..first], &body[first..second], &body[second..]];
            assert_eq!(read("b", pieces), Ok(vec![part("a", "\r\n--")]), "cuts at {first} and {second}");
        }
    }
}

#[test]
fn a_body_that_ends_early_is_told() {
    let end = BODY.find("--\r\nepilogue").unwrap() + 2;
    for length in 0..BODY.len() {
        let found = whole("AaB03x", &BODY[..length]);
        let expected = if length < end { Err(MultipartError::Truncated) } else { Ok(parts_of_body()) };
        assert_eq!(found, expected, "{length} of {}", BODY.len());
    }
}

#[test]
fn a_body_may_have_no_parts() {
    assert_eq!(whole("b", "--b--"), Ok(vec![]));
    assert_eq!(whole("b", "\r\n--b--\r\n"), Ok(vec![]));
}

#[test]
fn data_is_handed_on_as_it_comes() {
    let mut multipart = Multipart::new("b").unwrap();
    multipart.push(b"--b\r\ncontent-disposition: form-data; name=a\r\n\r\n");
    assert!(matches!(multipart.next_event(), Ok(Some(Event::Part(_)))));
    for data in ["one", "\rtwo", "\r\nthree", "\r\n--four", "\r\n--\r"] {
        multipart.push(data.as_bytes());
        let mut given = String::new();
        while let Some(Event::Data(piece)) = multipart.next_event().unwrap() {
            given.push_str(std::str::from_utf8(&piece).unwrap());
        }
        // The last CR may begin a boundary.
        assert_eq!(given, data.strip_suffix('\r').unwrap_or(data));
    }
    multipart.push(b"\n--b--");
    assert_eq!(multipart.next_event(), Ok(Some(Event::PartEnd)));
}

/// A part with these headers.
fn with_head(head: &str) -> Result<(String, Option<String>, Option<String>), String> {
    let body = format!("--b\r\n{head}\r\n\r\ndata\r\n--b--");
    let mut parts = whole("b", &body).map_err(|error| error.to_string())?;
    let (name, filename, content_type, data) = parts.remove(0);
    assert_eq!(data, "data");
    Ok((name, filename, content_type))
}

#[test]
fn heads_are_read() {
    let table: [(&str, &str, Option<&str>, Option<&str>); 11] = [
        ("content-disposition: form-data; name=\"a.b\"", "a.b", None, None),
        ("CONTENT-DISPOSITION:FORM-DATA;NAME=a", "a", None, None),
        ("content-disposition: form-data ; name=a ;; filename=b ;", "a", Some("b"), None),
        ("content-disposition: form-data; name=\"\"; filename=\"\"", "", Some(""), None),
        (
            "content-disposition: form-data; name=\"a;b\"; filename=\"c=\\\"d\\\\\"",
            "a;b",
            Some("c=\"d\\"),
            None,
        ),
        (
            "content-disposition: form-data; name=a; filename=\"C:\\dir\\é.txt\"",
            "a",
            Some("C:\\dir\\é.txt"),
            None,
        ),
        ("content-disposition: form-data; name=a; filename*=utf-8''%c3%a9", "a", Some("utf-8''%c3%a9"), None),
        ("content-disposition: form-data; name=a; other=\"x\"", "a", None, None),
        ("content-type: image/png\r\ncontent-disposition: form-data; name=a", "a", None, Some("image/png")),
        ("content-disposition: form-data; name=a\r\ncontent-type: ", "a", None, Some("")),
        ("content-disposition: form-data; name=a\r\ncontent-transfer-encoding: 8BIT", "a", None, None),
    ];
    for (head, name, filename, content_type) in table {
        let expected = (name.to_owned(), filename.map(str::to_owned), content_type.map(str::to_owned));
        assert_eq!(with_head(head), Ok(expected), "{head}");
    }
}

#[test]
fn files_are_told_from_texts() {
    let table = [
        (None, None, false),
        (None, Some("text/plain"), false),
        (None, Some("Text/Plain; charset=utf-8"), false),
        (Some("a"), None, true),
        (Some("a"), Some("text/plain"), true),
        (None, Some("image/png"), true),
    ];
    for (filename, content_type, expected) in table {
        let head = PartHead {
            name: "a".into(),
            filename: filename.map(str::to_owned),
            content_type: content_type.map(str::to_owned),
        };
        assert_eq!(head.is_file(), expected, "{head:?}");
    }
}

#[test]
fn heads_that_are_wrong_are_refused() {
    let nameless = "a part needs one header `content-disposition: form-data; name=\"...\"`";
    let unreadable = "the headers of a part cannot be read";
    let nested = "the part \"f\" is multipart itself; send each file as a part of this name instead";
    let encoded = "the part \"f\" has a content-transfer-encoding; send its bytes as they are instead";
    let named = "content-disposition: form-data; name=f\r\n";
    let table = [
        ("content-type: text/plain".to_owned(), nameless),
        ("content-disposition: form-data".into(), nameless),
        ("content-disposition: form-data; filename=a".into(), nameless),
        ("content-disposition: attachment; name=a".into(), nameless),
        ("content-disposition: form-data; name=a; name=b".into(), nameless),
        ("content-disposition: form-data; name=\"a".into(), nameless),
        ("content-disposition: form-data; name=\"a\"b".into(), nameless),
        ("content-disposition: form-data; name".into(), nameless),
        (format!("{named}content-disposition: form-data; name=b"), unreadable),
        ("no colon".into(), unreadable),
        (format!("{named} folded: line"), unreadable),
        (format!("{named}spaced : name"), unreadable),
        (format!("{named}x: \0"), unreadable),
        (format!("{named}x: a\nb: c"), unreadable),
        (format!("{named}content-type: multipart/mixed; boundary=c"), nested),
        (format!("{named}content-type: Multipart/Form-Data"), nested),
        (format!("{named}content-transfer-encoding: base64"), encoded),
        (format!("{named}content-transfer-encoding: quoted-printable"), encoded),
    ];
    for (head, expected) in table {
        assert_eq!(with_head(&head), Err(expected.to_owned()), "{head}");
    }
    assert_eq!(read("b", [&b"--b\r\nx: \xff\r\n\r\n"[..]]), Err(MultipartError::Head));
    let empty = "--b\r\n\r\ndata\r\n--b--";
    assert_eq!(whole("b", empty), Err(MultipartError::Nameless));
}

#[test]
fn bodies_that_are_wrong_are_refused() {
    let head = "content-disposition: form-data; name=a\r\n\r\n";
    let long = |size| format!("--b\r\nx: {}\r\n{head}\r\n--b--", "x".repeat(size));
    let fits = MAX_HEAD - "x: \r\n".len() - (head.len() - 4);
    assert_eq!(whole("b", &long(fits)), Ok(vec![part("a", "")]));
    let one = format!("--b\r\n{head}\r\n");
    assert_eq!(whole("b", &format!("{}--b--", one.repeat(1000))).unwrap().len(), 1000);
    let pad = |size| format!("--b{}\r\n{head}\r\n--b--", " ".repeat(size));
    assert_eq!(whole("b", &pad(100)), Ok(vec![part("a", "")]));
    let table = [
        (long(fits + 1), "the headers of a part have more than 8192 bytes"),
        (format!("--b\r\n{}", "x".repeat(10_000)), "the headers of a part have more than 8192 bytes"),
        (format!("{}--b--", one.repeat(1001)), "it has more than 1000 parts"),
        (pad(101), "a boundary is not followed by the end of its line"),
        (format!("--bc\r\n{head}"), "a boundary is not followed by the end of its line"),
        (format!("--b \n{head}"), "a boundary is not followed by the end of its line"),
        (format!("{one}--b-x"), "a boundary is not followed by the end of its line"),
        (
            format!("{{\"a\": 1}}{}", " ".repeat(9000)),
            "it does not begin with the boundary that its content type names",
        ),
        (
            format!("{}\r\n{one}--b--", "x".repeat(9000)),
            "it does not begin with the boundary that its content type names",
        ),
        (format!("{one}--b--{}", "x".repeat(9000)), "it goes on after its last boundary"),
        ("{}".into(), "it ends before its last boundary"),
    ];
    for (body, expected) in table {
        let shown = &body[..body.len().min(60)];
        assert_eq!(whole("b", &body).unwrap_err().to_string(), expected, "{shown}");
        let found = read("b", body.as_bytes().chunks(7)).unwrap_err().to_string();
        assert_eq!(found, expected, "{shown} in pieces");
    }
    let status = Status::from(MultipartError::Truncated);
    assert_eq!(status.message(), "The multipart body is not valid: it ends before its last boundary.");
    assert_eq!(status.http(), 400);
}

#[test]
fn parameters_of_content_types() {
    type Found<'a> = Option<(&'a str, &'a [(&'a str, &'a str)])>;
    let table: [(&str, Found<'_>); 8] = [
        ("text/xml", Some(("text/xml", &[]))),
        (" text/xml ;", Some(("text/xml", &[]))),
        ("a/b;c=d ; E=\"f; g=\\\"h\\\" \\i\"", Some(("a/b", &[("c", "d"), ("E", "f; g=\"h\" \\i")]))),
        ("a/b; action=urn:c/D#e; c=", Some(("a/b", &[("action", "urn:c/D#e"), ("c", "")]))),
        ("a/b; c", None),
        ("a/b; c = d", None),
        ("a/b; c=\"d", None),
        ("a/b; c=d e=f", None),
    ];
    for (text, expected) in table {
        let found = parameters(text);
        let found = found.as_ref().map(|(essence, all)| {
            (*essence, all.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>())
        });
        assert_eq!(found, expected.map(|(essence, all)| (essence, all.to_vec())), "{text}");
    }
}

#[test]
fn boundaries_in_content_types() {
    let longest = "x".repeat(70);
    let with = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let table = [
        (with("AaB03x"), Some(Ok("AaB03x".to_owned()))),
        (with("\"a b:c\""), Some(Ok("a b:c".to_owned()))),
        (with("----WebKitFormBoundary7MA4"), Some(Ok("----WebKitFormBoundary7MA4".to_owned()))),
        (with(&longest), Some(Ok(longest.clone()))),
        ("Multipart/Form-Data;charset=utf-8;BOUNDARY=a".into(), Some(Ok("a".to_owned()))),
        (with(&format!("{longest}x")), Some(Err(MultipartError::Boundary))),
        (with(""), Some(Err(MultipartError::Boundary))),
        (with("\"\""), Some(Err(MultipartError::Boundary))),
        (with("\"a \""), Some(Err(MultipartError::Boundary))),
        (with("\"a\\\"b\""), Some(Err(MultipartError::Boundary))),
        (with("é"), Some(Err(MultipartError::Boundary))),
        (with("a; boundary=b"), Some(Err(MultipartError::Boundary))),
        ("multipart/form-data".into(), Some(Err(MultipartError::Boundary))),
        ("multipart/mixed; boundary=a".into(), None),
        ("application/json".into(), None),
        ("".into(), None),
    ];
    for (content_type, expected) in table {
        assert_eq!(boundary_of(&content_type), expected, "{content_type}");
    }
    assert!(Multipart::new("").is_err() && Multipart::new("a\r\n").is_err());
}
