//! Rules that do not fit, and the part of the response that is the answer.

use super::*;

fn rule(variables: &[&str], body: &str, response_body: &str) -> Result<Binding, String> {
    let schema = echo();
    let message = schema.find_message(EVERYTHING).unwrap();
    let variables: Vec<_> = variables.iter().map(ToString::to_string).collect();
    let rule = Rule { variables: &variables, body, response_body };
    Binding::new(&schema, [message; 2], rule, BindingOptions::default())
}

#[test]
fn variables_name_a_single_plain_value() {
    let plain =
        |name: &str| format!("the path variable {{{name}}} must name a field with a single plain value");
    let nowhere =
        |name: &str, why: &str| format!("the path variable {{{name}}} names no field of the request: {why}");
    let single = "the field \"children\" is no single message, so no field inside it can be named";
    let table = [
        ("nothing", nowhere("nothing", "echo.v1.Everything has no field \"nothing\"")),
        ("child.nothing", nowhere("child.nothing", "echo.v1.Everything has no field \"nothing\"")),
        ("children.int32", nowhere("children.int32", single)),
        ("strings", plain("strings")),
        ("by_string", plain("by_string")),
        ("child", plain("child")),
        ("any", plain("any")),
        ("struct", plain("struct")),
        ("empty", plain("empty")),
        ("mask", plain("mask")),
    ];
    for (variable, expected) in table {
        assert_eq!(rule(&[variable], "", "").map(drop), Err(expected), "{variable}");
    }
    let twice = rule(&["child.string", "int32", "child.string"], "", "").map(drop);
    assert_eq!(twice, Err("the path variable {child.string} stands twice".to_owned()));
}

#[test]
fn bodies_name_a_field_of_the_message() {
    for name in ["nothing", "child.int32", "**", " "] {
        let none = format!("{name:?} must be a field of echo.v1.Everything, which has none of this name");
        assert_eq!(rule(&[], name, "").map(drop), Err(format!("body: {none}")));
        assert_eq!(rule(&[], "", name).map(drop), Err(format!("response_body: {none}")));
    }
}

#[test]
fn the_answer_is_the_message_or_one_field() {
    let schema = echo();
    let id = schema.find_message(EVERYTHING).unwrap();
    let mut full = Vec::new();
    let json =
        br#"{"string":"a","int64":5,"child":{"int32":1},"children":[{}],"byInt32":{"1":"2"},"value":null,
        "timestamp":"1970-01-01T00:00:00Z","bytes":"AA","colour":"RED","strings":["x"],"choiceInt32":0}"#;
    read::read(&schema, id, json, &ReadOptions::default(), &mut full).unwrap();
    // Each field when it is set, and when it is not.
    let table = [
        ("string", r#""a""#, r#""""#),
        ("int64", r#""5""#, r#""0""#),
        ("int32", "0", "0"),
        ("double", "0.0", "0.0"),
        ("bool", "false", "false"),
        ("bytes", r#""AA==""#, r#""""#),
        ("colour", r#""RED""#, r#""COLOUR_UNSPECIFIED""#),
        ("child", r#"{"int32":1}"#, "null"),
        ("children", "[{}]", "[]"),
        ("strings", r#"["x"]"#, "[]"),
        ("by_int32", r#"{"1":"2"}"#, "{}"),
        ("byInt32", r#"{"1":"2"}"#, "{}"),
        ("value", "null", "null"),
        ("timestamp", r#""1970-01-01T00:00:00Z""#, "null"),
        ("int64_value", "null", "null"),
        ("choice_int32", "0", "0"),
    ];
    for (field, set, unset) in table {
        let binding = rule(&[], "", field).unwrap();
        for (wire, expected) in [(&full[..], set), (&[], unset)] {
            let mut text = Vec::new();
            binding.answer(&schema, wire, &WriteOptions::default(), &mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected, "{field}");
        }
    }
    let mut text = Vec::new();
    rule(&[], "", "").unwrap().answer(&schema, &[], &WriteOptions::default(), &mut text).unwrap();
    assert_eq!(text, b"{}");
}
