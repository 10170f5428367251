//! The query.

use super::*;

fn get() -> Ruled {
    Ruled::new(echo(), EVERYTHING, &[], "")
}

const NOT_BOOL: &str = "The query parameter \"bool\" is not valid: true or false is needed, found a string.";

#[test]
fn every_type_in_its_text_form() {
    let ruled = get();
    let table = [
        ("double=1.5&float=-2", r#"{"double":1.5,"float":-2.0}"#),
        ("double=NaN&float=-Infinity", r#"{"double":"NaN","float":"-Infinity"}"#),
        ("double=1e3", r#"{"double":1000.0}"#),
        ("int32=-2147483648&uint32=4294967295", r#"{"int32":-2147483648,"uint32":4294967295}"#),
        ("int64=9223372036854775807", r#"{"int64":"9223372036854775807"}"#),
        ("uint64=18446744073709551615", r#"{"uint64":"18446744073709551615"}"#),
        ("bool=true&optionalBool=false", r#"{"bool":true,"optionalBool":false}"#),
        ("string=a+b%2Bc%20%C3%A9", r#"{"string":"a b+c é"}"#),
        ("string=%22%5C%0A", r#"{"string":"\"\\\n"}"#),
        ("optionalString=", r#"{"optionalString":""}"#),
        ("optionalString", r#"{"optionalString":""}"#),
        ("bytes=-_8", r#"{"bytes":"+/8="}"#),
        ("bytes=%2B/8=", r#"{"bytes":"+/8="}"#),
        ("bytes=%2B%2F8%3D", r#"{"bytes":"+/8="}"#),
        ("colour=GREEN", r#"{"colour":"GREEN"}"#),
        ("colour=-1", r#"{"colour":"INFRARED"}"#),
        ("colour=77", r#"{"colour":77}"#),
        ("timestamp=2026-01-05T09:00:00.25Z", r#"{"timestamp":"2026-01-05T09:00:00.250Z"}"#),
        ("timestamp=2026-01-05T09:00:00%2B01:00", r#"{"timestamp":"2026-01-05T08:00:00Z"}"#),
        ("duration=-1.5s", r#"{"duration":"-1.500s"}"#),
        ("mask=aB,c.dE", r#"{"mask":"aB,c.dE"}"#),
        ("mask=", r#"{"mask":""}"#),
        ("value=text", r#"{"value":"text"}"#),
        ("value=1", r#"{"value":"1"}"#),
        ("doubleValue=NaN", r#"{"doubleValue":"NaN"}"#),
        ("int64Value=0&boolValue=false", r#"{"int64Value":"0","boolValue":false}"#),
        ("stringValue=&bytesValue=AA", r#"{"stringValue":"","bytesValue":"AA=="}"#),
        ("%40own=x", r#"{"@own":"x"}"#),
        ("own_name=x", r#"{"@own":"x"}"#),
    ];
    for (query, expected) in table {
        ruled.gives(&[], query, "", expected);
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let ruled = get();
    let table = [
        ("int32=2147483648", "int32"),
        ("int32=", "int32"),
        ("int32=1+", "int32"),
        ("int32=null", "int32"),
        ("uint64=-1", "uint64"),
        ("double=.5", "double"),
        ("double=inf", "double"),
        ("bool=1", "bool"),
        ("bool=True", "bool"),
        ("bool=", "bool"),
        ("bool=null", "bool"),
        ("boolValue=null", "boolValue"),
        ("boolValue=%20true", "boolValue"),
        ("int32Value=null", "int32Value"),
        ("colour=green", "colour"),
        ("colour=", "colour"),
        ("colour=2147483648", "colour"),
        ("bytes=%21", "bytes"),
        ("timestamp=2026-01-05", "timestamp"),
        ("timestamp=2026-01-05T09:00:00+01:00", "timestamp"),
        ("duration=1", "duration"),
        ("mask=a_b", "mask"),
    ];
    for (query, field) in table {
        let status = ruled.bind(&[], query, "").expect_err(query);
        let text = status.message();
        assert!(text.starts_with(&format!("The query parameter \"{field}\" is not valid: ")), "{text}");
        assert!(text.ends_with('.') && !text.contains("at byte"), "{text}");
        assert_eq!(status.http(), 400);
    }
    ruled.refuses(&[], "bool=1", "", "bool", NOT_BOOL);
}

#[test]
fn names_are_dotted_and_in_either_spelling() {
    let ruled = get();
    let table = [
        ("aNameOfManyWords=x", r#"{"aNameOfManyWords":"x"}"#),
        ("a_name_of_many_words=x", r#"{"aNameOfManyWords":"x"}"#),
        ("child.a_name_of_many_words=x", r#"{"child":{"aNameOfManyWords":"x"}}"#),
        ("child.child.int32=1&child.int32=2", r#"{"child":{"int32":2,"child":{"int32":1}}}"#),
        ("child.timestamp.seconds=1", r#"{"child":{"timestamp":"1970-01-01T00:00:01Z"}}"#),
        ("child%2Eint32=1", r#"{"child":{"int32":1}}"#),
    ];
    for (query, expected) in table {
        ruled.gives(&[], query, "", expected);
    }
}

#[test]
fn repeated_keys_make_lists_in_their_order() {
    let ruled = get();
    let table = [
        ("strings=b&int32s=2&strings=a&int32s=1&strings=b", r#"{"int32s":[2,1],"strings":["b","a","b"]}"#),
        ("strings=a,b", r#"{"strings":["a,b"]}"#),
        ("colours=RED&colours=-1", r#"{"colours":["RED","INFRARED"]}"#),
        ("unpacked=1&unpacked=2", r#"{"unpacked":[1,2]}"#),
        (
            "timestamps=1970-01-01T00:00:00Z&stringValues=&stringValues=x",
            r#"{"timestamps":["1970-01-01T00:00:00Z"],"stringValues":["","x"]}"#,
        ),
        ("child.bools=true&child.bools=false", r#"{"child":{"bools":[true,false]}}"#),
    ];
    for (query, expected) in table {
        ruled.gives(&[], query, "", expected);
    }
}

#[test]
fn a_single_value_comes_once() {
    let ruled = get();
    let twice = "it is there twice, but its field holds a single value";
    let part = "a field and a part of it cannot both be set";
    let oneof = "another member of the same oneof is set already";
    let table = [
        ("string=a&string=a", "string", twice),
        ("aNameOfManyWords=a&a_name_of_many_words=b", "a_name_of_many_words", twice),
        ("child.int32=1&int32=2&child.int32=1", "child.int32", twice),
        ("mask=a&mask=b", "mask", twice),
        ("timestamp=1970-01-01T00:00:00Z&timestamp.seconds=1", "timestamp.seconds", part),
        ("duration.nanos=1&duration=1s", "duration", part),
        ("mask.paths=a&mask=b", "mask", part),
        ("int64Value=1&int64Value.value=2", "int64Value.value", part),
        ("choiceInt32=1&choiceString=a", "choiceString", oneof),
        ("child.choiceInt32=1&child.choice_string=a", "child.choice_string", oneof),
    ];
    for (query, field, what) in table {
        let text = format!("The query parameter {field:?} is not valid: {what}.");
        ruled.refuses(&[], query, "", field, &text);
    }
    // The same oneof of two messages is not the same.
    let both = r#"{"child":{"choiceString":"a"},"choiceInt32":1}"#;
    ruled.gives(&[], "choiceInt32=1&child.choiceString=a", "", both);
}

#[test]
fn names_that_lead_nowhere_are_refused() {
    let ruled = get();
    let deep = format!("{}x", "child.".repeat(32));
    let single = "is no single message, so no field inside it can be named";
    let message = "this field holds a message, a list or a map; name a field inside it instead";
    let table = [
        ("strin", "echo.v1.Everything has no field \"strin\"".to_owned()),
        ("", "echo.v1.Everything has no field \"\"".to_owned()),
        ("child.", "echo.v1.Everything has no field \"\"".to_owned()),
        ("child..int32", "echo.v1.Everything has no field \"\"".to_owned()),
        ("Int32", "echo.v1.Everything has no field \"Int32\"".to_owned()),
        ("children.int32", format!("the field \"children\" {single}")),
        ("byString.value", format!("the field \"byString\" {single}")),
        ("string.x", format!("the field \"string\" {single}")),
        ("struct.fields.a", format!("the field \"fields\" {single}")),
        (deep.as_str(), "the path has more than 32 names".to_owned()),
        ("byString", message.to_owned()),
        ("children", message.to_owned()),
        ("child", message.to_owned()),
        ("any", message.to_owned()),
        ("struct", message.to_owned()),
        ("empty", message.to_owned()),
    ];
    for (name, what) in table {
        let text = format!("The query parameter {name:?} is not valid: {what}.");
        ruled.refuses(&[], &format!("{name}=1"), "", name, &text);
    }
    let fits = format!("{}int32=1", "child.".repeat(31));
    assert!(ruled.bind(&[], &fits, "").is_ok());
}

#[test]
fn long_names_are_cut_in_texts() {
    let status = get().bind(&[], &"x".repeat(8000), "").unwrap_err();
    assert!(status.message().len() < 400, "{status}");
    assert!(status.details()[0].value.len() < 400);
}

#[test]
fn unknown_names_are_ignored_when_asked() {
    let options = || BindingOptions { ignore_unknown_query: true, ..BindingOptions::default() };
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "child", options());
    ruled.gives(&[], "x=1&int32=2&child.int32=3&child.y=4", "", r#"{"int32":2}"#);
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "*", options());
    ruled.gives(&[], "int32=2", "{}", "{}");
    // A known name with a value that does not fit is a mistake all the same.
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "", options());
    ruled.refuses(&[], "x=1&bool=x", "", "bool", NOT_BOOL);
}

#[test]
fn unknown_enum_names_are_ignored_with_unknown_fields() {
    let read = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let options = BindingOptions { read, ..BindingOptions::default() };
    let ruled = Ruled::with(echo(), EVERYTHING, &[], "", options);
    ruled.gives(&[], "colour=MAUVE&colours=MAUVE&colours=RED", "", r#"{"colours":["RED"]}"#);
}

#[test]
fn the_query_itself_is_bounded_and_decoded() {
    let ruled = get();
    assert!(ruled.bind(&[], &"bools=true&".repeat(1000), "").is_ok());
    let too_many = "bools=true&".repeat(1001);
    let escape = "the query part \"%zz\" has a % that two hexadecimal digits do not follow";
    let table = [
        (too_many.as_str(), "the query has more than 1000 parameters"),
        ("string=%zz", escape),
        ("string=%ff", "the query part \"%ff\" does not decode to UTF-8"),
    ];
    for (query, what) in table {
        let status = ruled.bind(&[], query, "").unwrap_err();
        assert_eq!(status.http(), 400);
        assert_eq!(status.message(), format!("The query is not valid: {what}."));
    }
}

#[test]
fn nothing_is_named_beside_a_body_that_names_it() {
    let whole = Ruled::new(echo(), EVERYTHING, &["string"], "*");
    let text = "The query parameter \"int32\" is not valid: the body is the whole request, so no parameter \
                names a field of it.";
    whole.refuses(&["a"], "int32=1", "{}", "int32", text);
    whole.refuses(&["a"], "int32=1", "", "int32", text);

    let field = Ruled::new(echo(), EVERYTHING, &[], "child");
    field.gives(&[], "int32=1", r#"{"int32":2}"#, r#"{"int32":1,"child":{"int32":2}}"#);
    for name in ["child", "child.int32"] {
        let text = format!(
            "The query parameter {name:?} is not valid: the field is the body of the request, so it cannot be \
             set here too."
        );
        field.refuses(&[], &format!("{name}=1"), "", name, &text);
    }
}

#[test]
fn groups_lie_on_the_way() {
    let ruled = Ruled::new(shop(), ORDER, &["id"], "");
    ruled.gives(&["7"], "box.size=3", "", r#"{"id":"7","box":{"size":3}}"#);
    let expected = r#"{"id":"7","box":{"size":3,"item":{"name":"x"}}}"#;
    ruled.gives(&["7"], "box.size=3&box.item.name=x", "", expected);
}
