//! The texts of errors: what a caller reads who sent something wrong.

use super::read::{ReadOptions, read};
use super::write::{WriteOptions, write};
use crate::schema::{MessageId, Schema};
use crate::status::Status;

fn schema() -> Schema {
    let files = ["examples/bookstore/bookstore.binpb", "tests/codec/conformance/test_messages.binpb"];
    let sets = files.map(|file| std::fs::read(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap());
    Schema::load(&sets.each_ref().map(Vec::as_slice)).unwrap()
}

fn id(schema: &Schema, name: &str) -> MessageId {
    schema.find_message(name).unwrap()
}

#[test]
fn what_is_wrong_with_a_body_is_named_with_field_and_byte() {
    let schema = schema();
    let book = id(&schema, "bookstore.v1.Book");
    let table = [
        ("", "an object is needed"),
        (r#"{"titel": "x"}"#, r#"titel: bookstore.v1.Book has no field "titel", at byte 1"#),
        (r#"{"paper": {"pags": 1}}"#, r#"paper.pags: bookstore.v1.Paper has no field "pags", at byte 11"#),
        (r#"{"title": 7}"#, "title: a string is needed, found a number, at byte 10"),
        (
            r#"{"title": yes}"#,
            r#"title: a string is needed, found the word "yes" without quotes, at byte 10"#,
        ),
        (
            r#"{title: "x"}"#,
            r#"a key in double quotes is needed, found the word "title" without quotes, at byte 1"#,
        ),
        (r#"{'title': "x"}"#, r"a key in double quotes is needed, found '\'', at byte 1"),
        (r#"{"title" "x"}"#, "a colon is needed, found a string, at byte 9"),
        (r#"{"title": "x",}"#, "a comma stands before the closing bracket, at byte 14"),
        (r#"{"title": "x" "genre": 1}"#, "a comma or } is needed, found a string, at byte 14"),
        (r#"{"title": "x"} x"#, "the text goes on after the end of the value, at byte 15"),
        (r#"{"title":"#, "title: the text ends where a string is needed, at byte 9"),
        (r#"{"title": "x"#, "title: the text ends inside a string, at byte 12"),
        (
            r#"{"title": nul}"#,
            r#"title: a JSON value is needed, found the word "nul" without quotes, at byte 10"#,
        ),
        (r#"{"title": "a", "title": "b"}"#, "title: the field is there twice, at byte 15"),
        (r#"{"priceCents": "1", "price_cents": "2"}"#, "priceCents: the field is there twice, at byte 20"),
        (
            r#"{"paper": {}, "audio": {}}"#,
            "audio: paper of the same oneof is set already, and only one of them can be, at byte 14",
        ),
        (r#"{"authors": "x"}"#, "authors: a list is needed, found a string, at byte 12"),
        (r#"{"authors": ["a", 2]}"#, "authors[1]: a string is needed, found a number, at byte 18"),
        (r#"{"authors": ["a", null]}"#, "authors[1]: null is not allowed in a list, at byte 18"),
        (r#"{"labels": {"a": 1}}"#, r#"labels["a"]: a string is needed, found a number, at byte 17"#),
        (r#"{"labels": {"a": null}}"#, r#"labels["a"]: null is not allowed in a map, at byte 17"#),
        (r#"{"labels": {"a": "1", "a": "2"}}"#, "labels: the key is there twice, at byte 22"),
        (
            r#"{"stock": {"x": 1}}"#,
            r#"stock["x"]: the key must be a signed 32-bit integer in quotes, at byte 11"#,
        ),
        (
            r#"{"priceCents": 1.5}"#,
            "priceCents: a signed 64-bit integer is needed, found a number with a fraction, at byte 15",
        ),
        (
            r#"{"priceCents": "ten"}"#,
            "priceCents: a signed 64-bit integer is needed, found text that is no number, at byte 15",
        ),
        (
            r#"{"paper": {"pages": -1}}"#,
            "paper.pages: an unsigned 32-bit integer is needed, found a number that does not fit it, at byte 20",
        ),
        (r#"{"priceCents": 01}"#, "priceCents: this is no number as JSON writes it, at byte 15"),
        (
            r#"{"state": "OPEN"}"#,
            "state: bookstore.v1.State has no value \"OPEN\"; its values are STATE_UNSPECIFIED, ACTIVE, ARCHIVED, \
             at byte 10",
        ),
        (r#"{"coverDigest": "*"}"#, "coverDigest: base64 text is needed, at byte 16"),
        (
            r#"{"publishTime": "yesterday"}"#,
            "publishTime: an RFC 3339 time between the years 1 and 9999, such as \"2006-01-02T15:04:05Z\" is needed, \
             at byte 16",
        ),
        (
            r#"{"audio": {"length": "1h"}}"#,
            "audio.length: a duration of at most 10,000 years, such as \"1.5s\" is needed, at byte 21",
        ),
        (r#"{"inPrint": "yes"}"#, "inPrint: true or false is needed, found a string, at byte 12"),
    ];
    for (text, expected) in table {
        let error =
            read(&schema, book, text.as_bytes(), &ReadOptions::default(), &mut Vec::new()).unwrap_err();
        let found = error.to_string();
        assert!(found == expected || (text.is_empty() && found.contains(expected)), "{text}\n{found}");
    }
}

#[test]
fn a_deep_path_is_shown_without_its_middle() {
    let schema = schema();
    let deep =
        format!("{}1{}", r#"{"attributes": {"a": "#.to_owned() + &r#"{"a": "#.repeat(40), "}".repeat(42));
    let text = deep.replace('1', "x");
    let error = read(
        &schema,
        id(&schema, "bookstore.v1.Book"),
        text.as_bytes(),
        &ReadOptions::default(),
        &mut Vec::new(),
    );
    let found = error.unwrap_err().to_string();
    let end = r#"["a"]["a"]["a"]["a"]["a"]["a"]["a"]["a"]: a JSON value is needed, found the word "x" without quotes"#;
    assert!(found.starts_with(r#"attributes["a"]["a"]["a"]["a"]["a"]["a"]["a"][…]["a"]"#), "{found}");
    assert!(found.contains(end) && found.len() < 250, "{found}");
}

#[test]
fn a_body_that_is_nested_too_deeply_is_refused() {
    let schema = schema();
    let text = format!(r#"{{"attributes": {{"a": {}{}}}}}"#, "[".repeat(70), "]".repeat(70));
    let error = read(
        &schema,
        id(&schema, "bookstore.v1.Book"),
        text.as_bytes(),
        &ReadOptions::default(),
        &mut Vec::new(),
    );
    let found = error.unwrap_err();
    assert_eq!(found.message(), "objects and lists are nested more than 64 deep");
    let status = Status::from(found);
    assert_eq!((status.http(), status.code().name()), (400, "INVALID_ARGUMENT"));
}

#[test]
fn what_cannot_be_written_is_named_with_its_field() {
    let schema = schema();
    let book = id(&schema, "bookstore.v1.Book");
    let table: [(&[u8], &str); 5] = [
        (&[0x12, 0x02, 0xff, 0xfe], "title: the text is not UTF-8"),
        (
            &[0x12, 0x05, b'a'],
            "title: this is no valid protobuf: a value goes on after the end of the message, at byte 1",
        ),
        (&[0x07], "this is no valid protobuf: a wire type is unknown, at byte 0"),
        (
            &[0x32, 0x08, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            "publishTime: the Timestamp lies outside the years 1 to 9999",
        ),
        (
            &[0x5a, 0x04, 0x0a, 0x02, 0x10, 0x81],
            "audio.length: this is no valid protobuf: a value goes on after the end of the message, at byte 5",
        ),
    ];
    for (wire, expected) in table {
        let mut text = b"before".to_vec();
        let error = write(&schema, book, wire, &WriteOptions::default(), &mut text);
        match error {
            Err(error) => assert_eq!(error.to_string(), expected, "{wire:x?}"),
            Ok(()) => panic!("{wire:x?} was written as {}", String::from_utf8_lossy(&text)),
        }
        assert_eq!(text, b"before");
    }
}

#[test]
fn unset_messages_of_the_outermost_are_null_where_that_is_wanted() {
    let schema = schema();
    let request = id(&schema, "bookstore.v1.CreateBookRequest");
    let list = id(&schema, "bookstore.v1.ListBooksRequest");
    let options = WriteOptions { outer_nulls: true, ..WriteOptions::default() };
    let table: [(MessageId, &[u8], &str); 6] = [
        (list, b"", r#"{"filter":null,"readMask":null}"#),
        (list, b"\x0a\x01p", r#"{"parent":"p","filter":null,"readMask":null}"#),
        // In a message within, nothing is null.
        (list, b"\x22\x00", r#"{"filter":{},"readMask":null}"#),
        (list, b"\x22\x00\x32\x00", r#"{"filter":{},"readMask":""}"#),
        // The same in the slow way, which a field takes that comes twice.
        (list, b"\x0a\x01p\x0a\x01q\x22\x00", r#"{"parent":"q","filter":{},"readMask":null}"#),
        (request, b"", r#"{"book":null}"#),
    ];
    for (message, wire, expected) in table {
        let mut text = Vec::new();
        write(&schema, message, wire, &options, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
