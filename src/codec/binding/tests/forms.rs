//! Forms as the body.

use super::*;

/// ```proto
/// syntax = "proto3";
/// message Upload {
///   string title = 1;
///   bytes content = 2;
///   repeated bytes files = 3;
///   google.api.HttpBody page = 4;
///   repeated google.api.HttpBody pages = 5;
///   Upload inner = 6;
///   int32 count = 7;
/// }
/// ```
pub(super) fn uploads() -> Schema {
    let field = |name: &str, number, label: Label, kind: Type, of: Option<&str>| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        ..Default::default()
    };
    let (one, many) = (Label::Optional, Label::Repeated);
    let page = Some(".google.api.HttpBody");
    let upload = DescriptorProto {
        name: Some("Upload".into()),
        field: vec![
            field("title", 1, one, Type::String, None),
            field("content", 2, one, Type::Bytes, None),
            field("files", 3, many, Type::Bytes, None),
            field("page", 4, one, Type::Message, page),
            field("pages", 5, many, Type::Message, page),
            field("inner", 6, one, Type::Message, Some(".files.Upload")),
            field("count", 7, one, Type::Int32, None),
        ],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("files.proto".into()),
        package: Some("files".into()),
        dependency: vec!["google/api/httpbody.proto".into()],
        message_type: vec![upload],
        syntax: Some("proto3".into()),
        ..Default::default()
    };
    Schema::load(&[&FileDescriptorSet { file: vec![file] }.encode_to_vec()]).unwrap()
}

struct Sent<'a> {
    ruled: &'a Ruled,
    format: BodyFormat,
}

impl Sent<'_> {
    fn bind(&self, values: &[&str], query: &str, body: &[u8]) -> Result<Vec<u8>, Status> {
        let Ruled { schema, binding, .. } = self.ruled;
        binding.request_as(schema, values.iter().copied(), query, body, &self.format)
    }

    #[track_caller]
    fn gives(&self, body: &[u8], expected: &str) {
        let shown = String::from_utf8_lossy(body);
        let wire = self.bind(&[], "", body).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut text = Vec::new();
        let Ruled { schema, message, .. } = self.ruled;
        write::write(schema, *message, &wire, &WriteOptions::default(), &mut text).unwrap();
        let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&text), json(expected.as_bytes()), "{shown}");
    }

    #[track_caller]
    fn refuses(&self, body: &[u8], status: u16, text: &str) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
        let found = self.bind(&[], "", body).expect_err(&shown);
        assert_eq!((found.http(), found.message()), (status, text), "{shown}");
    }
}

fn form(ruled: &Ruled) -> Sent<'_> {
    Sent { ruled, format: BodyFormat::Form }
}

fn multipart(ruled: &Ruled) -> Sent<'_> {
    Sent { ruled, format: BodyFormat::Multipart { boundary: "b".into() } }
}

/// A body of parts, each the parameters after `form-data; `, further headers, and data.
pub(super) fn parts(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (parameters, headers, data) in parts {
        let head = format!("--b\r\ncontent-disposition: form-data; {parameters}\r\n{headers}\r\n");
        body.extend_from_slice(&[head.as_bytes(), data, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

#[test]
fn fields_are_those_of_the_body() {
    let whole = Ruled::new(echo(), EVERYTHING, &[], "*");
    let table = [
        ("string=a+b%2B%C3%A9&aNameOfManyWords=x", r#"{"string":"a b+é","aNameOfManyWords":"x"}"#),
        ("a_name_of_many_words=x&int64=5", r#"{"aNameOfManyWords":"x","int64":"5"}"#),
        ("child.child.int32=1&child.int32=2", r#"{"child":{"int32":2,"child":{"int32":1}}}"#),
        (
            "strings=b&strings=a&colours=RED&colours=-1",
            r#"{"strings":["b","a"],"colours":["RED","INFRARED"]}"#,
        ),
        (
            "timestamp=1970-01-01T00:00:00Z&duration=1s",
            r#"{"timestamp":"1970-01-01T00:00:00Z","duration":"1s"}"#,
        ),
        ("bytes=-_8&bool=true", r#"{"bytes":"+/8=","bool":true}"#),
        ("optionalString", r#"{"optionalString":""}"#),
        ("&&", "{}"),
        ("", "{}"),
    ];
    for (body, expected) in table {
        form(&whole).gives(body.as_bytes(), expected);
    }
    // Raw UTF-8 is text as well.
    form(&whole).gives("string=é".as_bytes(), r#"{"string":"é"}"#);
    let field = Ruled::new(echo(), EVERYTHING, &[], "child");
    form(&field).gives(b"string=a&child.int32=1", r#"{"child":{"string":"a","child":{"int32":1}}}"#);
    let parts = parts(&[("name=string", "", b"a"), ("name=\"child.int32\"", "", b"1")]);
    multipart(&whole).gives(&parts, r#"{"string":"a","child":{"int32":1}}"#);
    multipart(&field).gives(&parts, r#"{"child":{"string":"a","child":{"int32":1}}}"#);
    multipart(&whole).gives(b"--b--", "{}");
}

#[test]
fn path_and_query_stand_beside_a_form() {
    let ruled = Ruled::new(echo(), EVERYTHING, &["child.string"], "child");
    let sent = form(&ruled);
    let wire = sent.bind(&["path"], "int32=7", b"string=form&int32=8").unwrap();
    let expected = sent.bind(&["path"], "int32=7", b"int32=8").unwrap();
    let json = |wire: &[u8]| {
        let mut text = Vec::new();
        write::write(&ruled.schema, ruled.message, wire, &WriteOptions::default(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert_eq!(json(&wire), r#"{"int32":7,"child":{"int32":8,"string":"path"}}"#);
    assert_eq!(json(&wire), json(&expected), "the path wins");
    // A rule that binds no body does not look at it.
    let none = Ruled::new(echo(), EVERYTHING, &[], "");
    for sent in [form(&none), multipart(&none)] {
        sent.gives(b"{not looked at", "{}");
    }
}

#[test]
fn wrong_forms_name_the_field() {
    let whole = Ruled::new(echo(), EVERYTHING, &[], "*");
    let field = Ruled::new(echo(), EVERYTHING, &[], "child");
    let named = |name: &str, what: &str| format!("The form field {name:?} is not valid: {what}.");
    let table = [
        ("bool=1", named("bool", "true or false is needed, found a string")),
        ("nothing=1", named("nothing", "echo.v1.Everything has no field \"nothing\"")),
        ("string=a&string=a", named("string", "it is there twice, but its field holds a single value")),
        (
            "choiceInt32=1&choiceString=a",
            named("choiceString", "another member of the same oneof is set already"),
        ),
        (
            "struct=1",
            named("struct", "this field holds a message, a list or a map; name a field inside it instead"),
        ),
    ];
    for (body, expected) in &table {
        form(&whole).refuses(body.as_bytes(), 400, expected);
        form(&field).refuses(body.as_bytes(), 400, expected);
    }
    let status = form(&whole).bind(&[], "", b"child.bool=1").unwrap_err();
    let violations = BadRequest::decode(&*status.details()[0].value).unwrap().field_violations;
    assert_eq!(violations[0].field, "child.bool");
    form(&whole).refuses(
        b"string=%zz",
        400,
        "The form is not valid: the part \"%zz\" has a % that two hexadecimal digits do not follow.",
    );
    form(&whole).refuses(
        b"string=%ff",
        400,
        "The form is not valid: the part \"%ff\" does not decode to UTF-8.",
    );
    form(&whole).refuses(b"string=\xff", 400, "The form is not valid: it is not UTF-8 text.");
    assert!(form(&whole).bind(&[], "", "bools=true&".repeat(1000).as_bytes()).is_ok());
    let many = "bools=true&".repeat(1001);
    form(&whole).refuses(many.as_bytes(), 400, "The form is not valid: it has more than 1000 fields.");
    let json = "The request body looks like JSON, but its content type says that it is a form. Send it as \
                application/json (with curl: --json in place of -d).";
    for body in [&b"{\"string\": \"a\"}"[..], b" [1]"] {
        form(&whole).refuses(body, 415, json);
    }
    let scalar = Ruled::new(echo(), EVERYTHING, &[], "a_name_of_many_words");
    let no_message = "The request body is the field \"aNameOfManyWords\", which is no message, so it cannot be a \
                      form. Send application/json.";
    form(&scalar).refuses(b"x=1", 415, no_message);
    multipart(&scalar).refuses(b"--b--", 415, no_message);
    let list = Ruled::new(echo(), EVERYTHING, &[], "children");
    assert_eq!(form(&list).bind(&[], "", b"int32=1").unwrap_err().http(), 415);
}

#[test]
fn unknown_fields_are_ignored_when_asked() {
    let read = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let options = BindingOptions { read, ..BindingOptions::default() };
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "*", options);
    form(&ruled).gives(b"x=1&int32=2&child.y=4", r#"{"int32":2}"#);
    let file = ("name=x; filename=f", "", &b"data"[..]);
    multipart(&ruled).gives(&parts(&[file, ("name=int32", "", b"2")]), r#"{"int32":2}"#);
    // The query of a rule is another matter.
    let query = BindingOptions { ignore_unknown_query: true, ..BindingOptions::default() };
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "*", query);
    assert!(form(&ruled).bind(&[], "", b"x=1").is_err());
}

#[test]
fn files_fill_bytes_and_http_bodies() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    let sent = multipart(&ruled);
    let png = "content-type: image/png\r\n";
    let data = &b"\x00\xff\r\n--"[..];
    type Case<'a> = (&'a [(&'a str, &'a str, &'a [u8])], &'a str);
    let table: [Case<'_>; 9] = [
        (&[("name=content; filename=f", png, data)], r#"{"content":"AP8NCi0t"}"#),
        (&[("name=content; filename=f", "", b"")], "{}"),
        // Without a file's name, its type tells it.
        (&[("name=content", png, data)], r#"{"content":"AP8NCi0t"}"#),
        // Text is what text is in JSON.
        (&[("name=content", "", b"AP8=")], r#"{"content":"AP8="}"#),
        (
            &[
                ("name=files; filename=a", "", b"a"),
                ("name=title", "", b"t"),
                ("name=files; filename=b", "", b"b"),
            ],
            r#"{"title":"t","files":["YQ==","Yg=="]}"#,
        ),
        (
            &[("name=page; filename=f", png, data)],
            r#"{"page":{"contentType":"image/png","data":"AP8NCi0t"}}"#,
        ),
        (&[("name=page; filename=f", "", b"a")], r#"{"page":{"data":"YQ=="}}"#),
        (
            &[("name=pages; filename=a", png, b"a"), ("name=pages", "", b"b")],
            r#"{"pages":[{"contentType":"image/png","data":"YQ=="},{"data":"Yg=="}]}"#,
        ),
        (
            &[("name=\"inner.inner.content\"; filename=f", "", b"a")],
            r#"{"inner":{"inner":{"content":"YQ=="}}}"#,
        ),
    ];
    for (body, expected) in table {
        sent.gives(&parts(body), expected);
    }
}

#[test]
fn parts_of_json_are_read_as_json() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    let sent = multipart(&ruled);
    let json = "content-type: application/json; charset=utf-8\r\n";
    sent.gives(
        &parts(&[("name=inner", json, br#"{"title": "t", "count": 5}"#)]),
        r#"{"inner":{"title":"t","count":5}}"#,
    );
    sent.gives(&parts(&[("name=title", json, br#""t""#)]), r#"{"title":"t"}"#);
    sent.gives(&parts(&[("name=files", json, br#"["YQ=="]"#)]), r#"{"files":["YQ=="]}"#);
    let status = sent.bind(&[], "", &parts(&[("name=inner", json, br#"{"count": "x"}"#)])).unwrap_err();
    assert!(status.message().starts_with("The form field \"inner\" is not valid: inner.count: "), "{status}");
}

#[test]
fn wrong_parts_name_the_field() {
    let ruled = Ruled::new(uploads(), "files.Upload", &[], "*");
    let sent = multipart(&ruled);
    let named = |name: &str, what: &str| format!("The form field {name:?} is not valid: {what}.");
    let file = "a file needs a field of type bytes or google.api.HttpBody";
    let twice = "it is there twice, but its field holds a single value";
    let latin1 = "content-type: text/plain; charset=iso-8859-1\r\n";
    type Case<'a> = (&'a [(&'a str, &'a str, &'a [u8])], String);
    let table: [Case<'_>; 7] = [
        (&[("name=title; filename=f", "", b"a")], named("title", file)),
        (&[("name=inner; filename=\"f.json\"", "content-type: application/octet-stream\r\n", b"{}")], named("inner", file)),
        (&[("name=content; filename=f", "", b"a"), ("name=content", "", b"")], named("content", twice)),
        (&[("name=title", "", b"\xff")], named("title", "it is not UTF-8 text; send it as a file if it is none")),
        (&[("name=title", latin1, b"a")], named("title", "its charset is not UTF-8")),
        (&[("name=nothing", "", b"a")], named("nothing", "files.Upload has no field \"nothing\"")),
        (
            &[("name=pages", "content-type: multipart/mixed; boundary=c\r\n", b"--c--")],
            "The multipart body is not valid: the part \"pages\" is multipart itself; send each file as a part of this \
             name instead."
                .into(),
        ),
    ];
    for (body, expected) in table {
        sent.refuses(&parts(body), 400, &expected);
    }
    sent.refuses(b"{}", 400, "The multipart body is not valid: it ends before its last boundary.");
    let many = parts(&vec![("name=files; filename=f", "", &b""[..]); 1001]);
    sent.refuses(&many, 400, "The multipart body is not valid: it has more than 1000 parts.");
}
