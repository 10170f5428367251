//! Forms whose files come in pieces.

use serde_json::Value;

use super::forms::{parts, uploads};
use super::*;

const LIMITS: UploadLimits = UploadLimits { chunk: 4, fields: 100 };

/// The messages of a form as JSON, and how it ends. It comes in pieces that are cut at these places.
fn messages(
    ruled: &Ruled,
    outside: Option<(&[&str], &str)>,
    body: &[u8],
    cuts: &[usize],
) -> (Vec<Value>, Result<(), Status>) {
    let Ruled { schema, message, binding } = ruled;
    let mut form = FormUpload::new("b", outside.is_some(), LIMITS).unwrap();
    let mut outside = outside;
    let mut found = Vec::new();
    let mut from = 0;
    let mut read = || {
        for &to in cuts.iter().chain([&body.len()]) {
            form.push(&body[from..to]);
            from = to;
            while let Some(part) = form.next(binding, schema)? {
                let (values, query) = outside.take().unwrap_or_default();
                let wire = binding.request_around(schema, values.iter().copied(), query, part)?;
                let mut text = Vec::new();
                write::write(schema, *message, &wire, &WriteOptions::default(), &mut text).unwrap();
                found.push(serde_json::from_slice(&text).unwrap());
            }
        }
        form.finish()
    };
    let end = read();
    (found, end)
}

#[track_caller]
fn gives(ruled: &Ruled, outside: Option<(&[&str], &str)>, body: &[u8], expected: &[&str]) {
    let expected: Vec<Value> = expected.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let bytewise: Vec<_> = (0..body.len()).collect();
    let cuts = (0..=body.len()).map(|cut| vec![cut, cut.midpoint(body.len())]).chain([bytewise]);
    for cuts in cuts {
        let (found, end) = messages(ruled, outside, body, &cuts);
        let end = end.map_err(|status| status.to_string());
        assert_eq!((&found, end), (&expected, Ok(())), "cut at {cuts:?}");
    }
}

#[track_caller]
fn refuses(ruled: &Ruled, body: &[u8], messages_before: usize, status: u16, text: &str) {
    for cut in 0..=body.len() {
        let (found, end) = messages(ruled, None, body, &[cut]);
        let error = end.expect_err("it is refused");
        assert_eq!((error.http(), error.message()), (status, text), "cut at {cut}");
        assert!(found.len() <= messages_before, "{found:?}");
    }
}

const PNG: &str = "content-type: image/png\r\n";

#[test]
fn files_come_in_pieces_and_fields_with_the_first() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    // YWJjZA== is abcd, ZWY= is ef.
    let file = ("name=content; filename=f", PNG, &b"abcdef"[..]);
    let title = ("name=title", "", &b"t"[..]);
    type Case<'a> = (&'a [(&'a str, &'a str, &'a [u8])], &'a [&'a str]);
    let table: [Case<'_>; 11] = [
        (&[], &[]),
        (&[title], &[r#"{"title":"t"}"#]),
        (&[file], &[r#"{"content":"YWJjZA=="}"#, r#"{"content":"ZWY="}"#]),
        (&[title, file], &[r#"{"title":"t","content":"YWJjZA=="}"#, r#"{"content":"ZWY="}"#]),
        // As long as a message, and empty: one message each.
        (&[("name=content; filename=f", "", b"abcd")], &[r#"{"content":"YWJjZA=="}"#]),
        (&[title, ("name=content; filename=f", "", b"")], &[r#"{"title":"t"}"#]),
        (&[("name=content; filename=f", "", b"")], &["{}"]),
        // Several: fields tell them apart, or their own field does.
        (
            &[title, file, ("name=title", "", b"u"), ("name=content; filename=g", "", b"x")],
            &[
                r#"{"title":"t","content":"YWJjZA=="}"#,
                r#"{"content":"ZWY="}"#,
                r#"{"title":"u","content":"eA=="}"#,
            ],
        ),
        (
            &[("name=content; filename=f", "", b"x"), ("name=files; filename=g", "", b"y")],
            &[r#"{"content":"eA=="}"#, r#"{"files":["eQ=="]}"#],
        ),
        // A body has its content type, once; that is enough to tell one from another.
        (
            &[("name=page; filename=f", PNG, b"abcdef"), ("name=page; filename=f", PNG, b"")],
            &[
                r#"{"page":{"contentType":"image/png","data":"YWJjZA=="}}"#,
                r#"{"page":{"data":"ZWY="}}"#,
                r#"{"page":{"contentType":"image/png"}}"#,
            ],
        ),
        // Fields of any kind, also inside others.
        (
            &[
                ("name=inner.count", "", b"5"),
                ("name=count", "content-type: application/json\r\n", b"7"),
                ("name=inner.content; filename=f", "", b"abcdef"),
            ],
            &[r#"{"inner":{"content":"YWJjZA==","count":5},"count":7}"#, r#"{"inner":{"content":"ZWY="}}"#],
        ),
    ];
    for (body, expected) in table {
        gives(&ruled, None, &parts(body), expected);
    }
}

#[test]
fn path_and_query_belong_to_the_first_message() {
    let ruled = Ruled::new(uploads(), "files.Upload", &["title"], "inner");
    let file = ("name=content; filename=f", "", &b"abcdef"[..]);
    let expected =
        [r#"{"title":"p","inner":{"content":"YWJjZA=="},"count":3}"#, r#"{"inner":{"content":"ZWY="}}"#];
    gives(&ruled, Some((&["p"], "count=3")), &parts(&[file]), &expected);
    let expected = [r#"{"title":"p","inner":{"title":"t"}}"#];
    gives(&ruled, Some((&["p"], "")), &parts(&[("name=title", "", b"t")]), &expected);
}

/// A message that is either what a file is, or a piece of it.
///
/// ```proto
/// syntax = "proto3";
/// message Upload { oneof part { Info info = 1; bytes chunk = 2; } string name = 3; }
/// message Info { string title = 1; }
/// ```
fn either() -> Schema {
    let field = |name: &str, number, kind: Type, of: Option<&str>, oneof| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        oneof_index: oneof,
        ..Default::default()
    };
    let upload = DescriptorProto {
        name: Some("Upload".into()),
        field: vec![
            field("info", 1, Type::Message, Some(".files.Info"), Some(0)),
            field("chunk", 2, Type::Bytes, None, Some(0)),
            field("name", 3, Type::String, None, None),
        ],
        oneof_decl: vec![OneofDescriptorProto { name: Some("part".into()), options: None }],
        ..Default::default()
    };
    let info = DescriptorProto {
        name: Some("Info".into()),
        field: vec![field("title", 1, Type::String, None, None)],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("files.proto".into()),
        package: Some("files".into()),
        message_type: vec![upload, info],
        syntax: Some("proto3".into()),
        ..Default::default()
    };
    Schema::load(&[&FileDescriptorSet { file: vec![file] }.encode_to_vec()]).unwrap()
}

#[test]
fn fields_are_a_message_of_their_own_beside_a_oneof() {
    let file = ("name=chunk; filename=f", "", &b"abcdef"[..]);
    let title = ("name=info.title", "", &b"t"[..]);
    let chunks = [r#"{"chunk":"YWJjZA=="}"#, r#"{"chunk":"ZWY="}"#];
    let ruled = Ruled::new(either(), "files.Upload", &[], "*");
    gives(&ruled, None, &parts(&[file]), &chunks);
    let expected = [r#"{"info":{"title":"t"}}"#, chunks[0], chunks[1]];
    gives(&ruled, None, &parts(&[title, file]), &expected);
    let again = [&expected[..], &expected].concat();
    gives(&ruled, None, &parts(&[title, file, title, file]), &again);
    // What the path says is a field like others.
    for (variable, first) in [("info.title", r#"{"info":{"title":"p"}}"#), ("name", r#"{"name":"p"}"#)] {
        let ruled = Ruled::new(either(), "files.Upload", &[variable], "*");
        gives(&ruled, Some((&["p"], "")), &parts(&[file]), &[first, chunks[0], chunks[1]]);
    }
}

#[test]
fn wrong_parts_are_named() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    let named = |name: &str, what: &str| format!("The form field {name:?} is not valid: {what}.");
    let file = ("name=content; filename=f", "", &b"abcdef"[..]);
    type Case<'a> = (&'a [(&'a str, &'a str, &'a [u8])], usize, String);
    let table: [Case<'_>; 12] = [
        (&[("name=x; filename=f", "", b"")], 0, named("x", "files.Upload has no field \"x\"")),
        (&[("name=x", "", b"")], 0, named("x", "files.Upload has no field \"x\"")),
        (
            &[("name=title; filename=f", "", b"a")],
            0,
            named("title", "a file needs a field of type bytes or google.api.HttpBody"),
        ),
        (
            &[("name=count", "", b"x"), file],
            0,
            named("count", "a signed 32-bit integer is needed, found text that is no number"),
        ),
        (
            &[file, ("name=title", "", b"t")],
            2,
            named("title", "it comes after the last file; send fields before the file that they belong to"),
        ),
        (
            &[file, file],
            2,
            named(
                "content",
                "a second file follows the first without a field before it that tells them apart",
            ),
        ),
        (
            &[("name=page; filename=f", PNG, b"a"), ("name=page; filename=f", "", b"a")],
            1,
            named("page", "a second file follows the first without a field before it that tells them apart"),
        ),
        (
            &[("name=content", "", b"YQ=="), file],
            0,
            named("content", "it is there twice, but its field holds a single value"),
        ),
        (
            &[("name=title", "", b"t"), ("name=title", "", b"t"), file],
            0,
            named("title", "it is there twice, but its field holds a single value"),
        ),
        (
            &[file, ("name=content; filename=f", "content-type: multipart/mixed; boundary=c\r\n", b"--c--")],
            2,
            "The multipart body is not valid: the part \"content\" is multipart itself; send each file as a part of \
             this name instead."
                .into(),
        ),
        (
            &[file, ("name=content; filename=f", "x: \0\r\n", b"")],
            2,
            "The multipart body is not valid behind the start of the part \"content\": the headers of a part cannot be \
             read."
                .into(),
        ),
        (
            &[("x=content; filename=f", "", b"")],
            0,
            "The multipart body is not valid: a part needs one header `content-disposition: form-data; name=\"...\"`."
                .into(),
        ),
    ];
    for (body, before, expected) in table {
        refuses(&ruled, &parts(body), before, 400, &expected);
    }
    let whole = parts(&[file]);
    for length in whole.len() - "abcdef\r\n--b--\r\n".len()..whole.len() - 2 {
        let (_, end) = messages(&ruled, None, &whole[..length], &[]);
        let expected = "The multipart body is not valid behind the start of the part \"content\": it ends before its last \
                        boundary.";
        assert_eq!(end.unwrap_err().message(), expected, "{length}");
    }
    let ruled = Ruled::new(uploads(), "files.Upload", &["content"], "*");
    refuses(&ruled, &whole, 0, 400, &named("content", "the path of the request sets it already"));
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "count");
    let text = "The request body is the field \"count\", which is no message, so it cannot be a form. Send \
                application/json.";
    refuses(&ruled, &whole, 0, 415, text);
}

#[test]
fn unknown_files_are_passed_over_where_unknown_fields_are() {
    let read = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let options = BindingOptions { read, ..BindingOptions::default() };
    let ruled = Ruled::with(uploads(), "files.Upload", &[], "*", options);
    let body = [
        ("name=x; filename=f", "", &b"abcdef"[..]),
        ("name=y", "", b"abcdef"),
        ("name=content; filename=f", "", b"a"),
        ("name=x; filename=f", "", b"abcdef"),
    ];
    gives(&ruled, None, &parts(&body), &[r#"{"content":"YQ=="}"#]);
}

#[test]
fn what_is_kept_of_fields_is_bounded() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    let text = |size| vec![b'x'; size];
    let file = ("name=content; filename=f", "", &b"x"[..]);
    let (half, more) = (text(50), text(51));
    let fits = [("name=title", "", &half[..]), ("name=inner.title", "", &half), file];
    assert_eq!(messages(&ruled, None, &parts(&[fits, fits].concat()), &[]).0.len(), 2);
    let body = parts(&[("name=title", "", &half), ("name=inner.title", "", &more), file]);
    let expected = "The form field \"inner.title\" is too large: the fields before a file may have 100 bytes together. \
                    Send what is larger as a file.";
    refuses(&ruled, &body, 0, 413, expected);
    // A file may have any size, of which little is kept.
    let Ruled { schema, binding, .. } = &ruled;
    let mut form = FormUpload::new("b", false, UploadLimits { chunk: CHUNK, fields: 100 }).unwrap();
    form.push(b"--b\r\ncontent-disposition: form-data; name=content; filename=f\r\n\r\n");
    let (mut given, mut pieces) = (0, 0);
    for _ in 0..1000 {
        form.push(&[0; 10_000]);
        while let Some(message) = form.next(binding, schema).unwrap() {
            // The field's number, and its length in three bytes.
            assert_eq!(message.len(), CHUNK + 4);
            (given, pieces) = (given + CHUNK, pieces + 1);
        }
    }
    assert_eq!((given / CHUNK, pieces), (10_000_000 / CHUNK, 10_000_000 / CHUNK));
    form.push(b"\r\n--b--");
    assert_eq!(form.next(binding, schema).unwrap().unwrap().len(), 10_000_000 % CHUNK + 4);
    assert!(form.next(binding, schema).unwrap().is_none() && form.finish().is_ok());
}
