//! The variables of the path, the body, and how they meet.

use super::*;

#[test]
fn the_path_wins_over_body_and_query() {
    let ruled = Ruled::new(echo(), EVERYTHING, &["string"], "*");
    ruled.gives(&["path"], "", r#"{"string":"body","int32":1}"#, r#"{"int32":1,"string":"path"}"#);
    // An empty value is a value.
    ruled.gives(&[""], "", r#"{"string":"body"}"#, "{}");

    let ruled = Ruled::new(echo(), EVERYTHING, &["string"], "");
    ruled.gives(&["path"], "string=query&int32=1", "", r#"{"int32":1,"string":"path"}"#);

    let ruled = Ruled::new(echo(), EVERYTHING, &["child.string", "child.child.int32"], "child");
    ruled.gives(
        &["path", "0"],
        "string=query",
        r#"{"string":"body","int32":7,"child":{"int32":5,"int64":6}}"#,
        r#"{"string":"query","child":{"int32":7,"string":"path","child":{"int64":"6"}}}"#,
    );
}

#[test]
fn the_path_wins_within_a_oneof() {
    let ruled = Ruled::new(echo(), EVERYTHING, &["choice_int32"], "*");
    for body in [r#"{"choiceString":"body"}"#, r#"{"choiceInt32":5}"#, r#"{"choiceEmpty":{}}"#] {
        ruled.gives(&["0"], "", body, r#"{"choiceInt32":0}"#);
    }
    let ruled = Ruled::new(echo(), EVERYTHING, &["choice_int32"], "");
    ruled.gives(&["7"], "choiceString=query", "", r#"{"choiceInt32":7}"#);
}

#[test]
fn the_path_wins_over_well_known_types_as_a_whole() {
    let time = r#"{"timestamp":"2026-01-01T00:00:00.5Z"}"#;
    let table = [
        ("timestamp", "1970-01-01T00:00:05Z", time, "1970-01-01T00:00:05Z"),
        ("timestamp", "1970-01-01T00:00:00Z", time, "1970-01-01T00:00:00Z"),
        ("duration", "-2s", r#"{"duration":"0.5s"}"#, "-2s"),
        ("int64_value", "0", r#"{"int64Value":"5"}"#, "0"),
        ("string_value", "", r#"{"stringValue":"body"}"#, ""),
        ("bytes_value", "", r#"{"bytesValue":"AAAA"}"#, ""),
        ("value", "x", r#"{"value":{"a":1}}"#, "x"),
    ];
    for (variable, value, body, expected) in table {
        let ruled = Ruled::new(echo(), EVERYTHING, &[variable], "*");
        let (name, _) = body[2..].split_once('"').unwrap();
        ruled.gives(&[value], "", body, &format!("{{{name:?}:{expected:?}}}"));
    }
    let ruled = Ruled::new(echo(), EVERYTHING, &["double_value", "float_value", "bool_value"], "*");
    ruled.gives(
        &["0", "0", "false"],
        "",
        r#"{"doubleValue":5,"floatValue":5,"boolValue":true}"#,
        r#"{"doubleValue":0.0,"floatValue":0.0,"boolValue":false}"#,
    );
}

#[test]
fn values_of_every_plain_type() {
    let table = [
        ("int64", "-9", r#"{"int64":"-9"}"#),
        ("double", "NaN", r#"{"double":"NaN"}"#),
        ("bool", "true", r#"{"bool":true}"#),
        ("bytes", "-_8", r#"{"bytes":"+/8="}"#),
        ("colour", "RED", r#"{"colour":"RED"}"#),
        ("colour", "1", r#"{"colour":"RED"}"#),
        ("child.child.string", "a/b", r#"{"child":{"child":{"string":"a/b"}}}"#),
        ("a_name_of_many_words", "x", r#"{"aNameOfManyWords":"x"}"#),
        ("aNameOfManyWords", "x", r#"{"aNameOfManyWords":"x"}"#),
    ];
    for (variable, value, expected) in table {
        Ruled::new(echo(), EVERYTHING, &[variable], "").gives(&[value], "", "", expected);
    }
    let ruled = Ruled::new(echo(), EVERYTHING, &["child.bool"], "");
    let text = "The path variable \"child.bool\" is not valid: true or false is needed, found a string.";
    ruled.refuses(&["yes"], "", "", "child.bool", text);
}

#[test]
fn an_unknown_enum_name_in_the_path_is_never_ignored() {
    let read = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let options = BindingOptions { read, ..BindingOptions::default() };
    let ruled = Ruled::with(echo(), EVERYTHING, &["colour"], "*", options);
    ruled.gives(&["RED"], "", r#"{"colour":"GREEN","x":1}"#, r#"{"colour":"RED"}"#);
    let text = "The path variable \"colour\" is not valid: its enum has no value of this name.";
    ruled.refuses(&["MAUVE"], "", r#"{"colour":"GREEN"}"#, "colour", text);
}

#[test]
fn bodies_are_the_message_or_one_field() {
    let whole = Ruled::new(echo(), EVERYTHING, &[], "*");
    for (body, expected) in
        [("", "{}"), ("{}", "{}"), (" {\"int32\":1}\n", r#"{"int32":1}"#), (r#"{"child":null}"#, "{}")]
    {
        whole.gives(&[], "", body, expected);
    }
    // Without `body` it is not looked at.
    Ruled::new(echo(), EVERYTHING, &[], "").gives(&[], "int32=1", "no JSON", r#"{"int32":1}"#);

    let table = [
        ("child", r#"{"int32":1}"#, r#"{"child":{"int32":1}}"#),
        ("child", "{}", r#"{"child":{}}"#),
        ("child", "null", "{}"),
        ("child", "", "{}"),
        ("children", r#"[{},{"int32":1}]"#, r#"{"children":[{},{"int32":1}]}"#),
        ("int32s", "[1,2]", r#"{"int32s":[1,2]}"#),
        ("by_string", r#"{"a":"b"}"#, r#"{"byString":{"a":"b"}}"#),
        ("byString", r#"{"a":"b"}"#, r#"{"byString":{"a":"b"}}"#),
        ("string", r#""a""#, r#"{"string":"a"}"#),
        ("int64", "5", r#"{"int64":"5"}"#),
        ("value", "null", r#"{"value":null}"#),
        ("value", "[1.0]", r#"{"value":[1.0]}"#),
        ("timestamp", r#""1970-01-01T00:00:00Z""#, r#"{"timestamp":"1970-01-01T00:00:00Z"}"#),
        ("choice_string", r#""a""#, r#"{"choiceString":"a"}"#),
    ];
    for (field, body, expected) in table {
        Ruled::new(echo(), EVERYTHING, &[], field).gives(&[], "", body, expected);
    }
}

#[test]
fn bodies_that_do_not_fit_are_refused_with_the_place() {
    let field = Ruled::new(echo(), EVERYTHING, &[], "child");
    let table =
        [(r#"{"int32":"x"}"#, "child.int32"), ("[]", "child"), (r#"{"int32s":[1,"x"]}"#, "child.int32s[1]")];
    for (body, place) in table {
        let status = field.bind(&[], "", body).unwrap_err();
        let text = status.message();
        assert!(text.starts_with(&format!("The request body is not valid: {place}: ")), "{text}");
    }
    let whole = Ruled::new(echo(), EVERYTHING, &[], "*");
    for body in ["{", "[]", "null", "{} {}", r#"{"int32":1,"int32":1}"#, "\u{feff}{}", r#"{"x":1}"#] {
        let status = whole.bind(&[], "", body).expect_err(body);
        assert_eq!((status.http(), status.code()), (400, Code::InvalidArgument), "{body}");
        assert!(status.message().starts_with("The request body is not valid: "), "{status}");
    }
}

#[test]
fn required_fields_may_come_from_any_part() {
    let by_path = Ruled::new(shop(), ORDER, &["id"], "*");
    by_path.gives(&["7"], "", "{}", r#"{"id":"7"}"#);
    let by_query = Ruled::new(shop(), ORDER, &[], "item");
    by_query.gives(&[], "id=7", r#"{"name":"x"}"#, r#"{"id":"7","item":{"name":"x"}}"#);
    let by_pieces = Ruled::new(shop(), ORDER, &["item.name"], "*");
    let body = r#"{"id":"7","item":{"count":2}}"#;
    by_pieces.gives(&["x"], "", body, r#"{"id":"7","item":{"name":"x","count":2}}"#);
    let within_group = Ruled::new(shop(), ORDER, &["box.item.name"], "*");
    let body = r#"{"id":"7","box":{"size":1,"item":{"count":2}}}"#;
    within_group.gives(&["x"], "", body, r#"{"id":"7","box":{"size":1,"item":{"name":"x","count":2}}}"#);
    // What the path replaces need not be whole.
    let replaced = Ruled::new(shop(), ORDER, &["none"], "*");
    replaced.gives(&["x"], "", r#"{"id":"7","one":{"count":1}}"#, r#"{"id":"7","none":"x"}"#);
}

#[test]
fn missing_required_fields_are_named() {
    let ruled = Ruled::new(shop(), ORDER, &[], "*");
    let table = [
        ("", "id"),
        ("{}", "id"),
        (r#"{"id":"7","item":{}}"#, "item.name"),
        (r#"{"id":"7","items":[{"name":"x"},{}]}"#, "items.name"),
        (r#"{"id":"7","box":{"item":{}}}"#, "box.item.name"),
        (r#"{"id":"7","one":{}}"#, "one.name"),
        (r#"{"items":[{}]}"#, "id"),
    ];
    for (body, field) in table {
        let text = format!("The field {field:?} is not valid: it is required and not set.");
        ruled.refuses(&[], "", body, field, &text);
    }
    ruled.gives(&[], "", r#"{"id":""}"#, r#"{"id":""}"#);
}

/// Would take hours if each element were compared with those before.
#[test]
fn long_lists_with_required_fields_cost_one_pass() {
    let ruled = Ruled::new(shop(), ORDER, &[], "*");
    let items = [r#"{"name":""}"#].repeat(300_000).join(",");
    assert!(ruled.bind(&[], "", &format!(r#"{{"id":"7","items":[{items}]}}"#)).is_ok());
}
