//! Each case is two bodies of a proto file and everything that is said about the change.

use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::*;

/// `a.proto` with this text.
struct Text(String);

impl FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "a.proto" => File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn schema(text: &str) -> Schema {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Text(text.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("a.proto").unwrap_or_else(|error| panic!("{error}: {text}"));
    Schema::load(&[&compiler.encode_file_descriptor_set()]).unwrap()
}

/// What changes when the fields of the message of a method change.
fn fields(old: &str, new: &str) -> Vec<String> {
    let with = |fields: &str| {
        schema(&format!(
            "syntax = \"proto3\"; package a;
             import \"google/protobuf/timestamp.proto\";
             service S {{ rpc Get(M) returns (M); }}
             message N {{ string id = 1; }}
             enum E {{ ZERO = 0; ONE = 1; }}
             message M {{ {fields} }}"
        ))
    };
    said(&with(old), &with(new))
}

fn said(old: &Schema, new: &Schema) -> Vec<String> {
    diff(old, new, ["a.S/Get"]).iter().map(ToString::to_string).collect()
}

#[test]
fn fields_that_break_callers() {
    const READ: &str = "Breaks wire: what is written as the one is not read as the other.";
    const FORM: &str = "Breaks json: values have another form in JSON.";
    const CUT: &str = "Breaks wire: values that do not fit are cut.";
    const LIST: &str = "Breaks wire: a list becomes one value, or one value a list.";
    let renamed = "Breaks json: requests with the old name are refused and answers have the new one.";
    for (old, new, expected) in [
        ("string x = 1;", "", "a.M.x: was 1: string, is gone. Breaks json: requests with it are refused and answers lack it.".into()),
        ("string x = 1;", "string x = 2;", "a.M.x: was 1: string, is 2: string. Breaks wire: its number is unknown to callers that speak protobuf.".into()),
        ("string x = 1;", "string y = 1;", format!("a.M.x: was \"x\" in JSON, is \"y\" in JSON. {renamed}")),
        ("string x = 1;", "string x = 1 [json_name = \"z\"];", format!("a.M.x: was \"x\" in JSON, is \"z\" in JSON. {renamed}")),
        ("string a_b = 1;", "string aB = 1;", "a.M.a_b: was named a_b, is named aB. Breaks json: queries, paths and bodies with the old name are refused.".into()),
        ("int32 x = 1;", "string x = 1;", format!("a.M.x: was 1: int32, is 1: string. {READ}")),
        ("int32 x = 1;", "sint32 x = 1;", format!("a.M.x: was 1: int32, is 1: sint32. {READ}")),
        ("fixed32 x = 1;", "fixed64 x = 1;", format!("a.M.x: was 1: fixed32, is 1: fixed64. {READ}")),
        ("float x = 1;", "double x = 1;", format!("a.M.x: was 1: float, is 1: double. {READ}")),
        ("N x = 1;", "string x = 1;", format!("a.M.x: was 1: a.N, is 1: string. {READ}")),
        ("int32 x = 1;", "int64 x = 1;", format!("a.M.x: was 1: int32, is 1: int64. {FORM}")),
        ("bool x = 1;", "int32 x = 1;", format!("a.M.x: was 1: bool, is 1: int32. {FORM}")),
        ("E x = 1;", "int32 x = 1;", format!("a.M.x: was 1: a.E, is 1: int32. {FORM}")),
        ("string x = 1;", "bytes x = 1;", format!("a.M.x: was 1: string, is 1: bytes. {FORM}")),
        ("int64 x = 1;", "int32 x = 1;", format!("a.M.x: was 1: int64, is 1: int32. {CUT}")),
        ("int32 x = 1;", "bool x = 1;", format!("a.M.x: was 1: int32, is 1: bool. {CUT}")),
        ("int32 x = 1;", "uint32 x = 1;", "a.M.x: was 1: int32, is 1: uint32. Breaks wire: negative values and very large ones change places.".into()),
        ("string x = 1;", "repeated string x = 1;", format!("a.M.x: was 1: string, is 1: repeated string. {LIST}")),
        ("repeated N x = 1;", "N x = 1;", format!("a.M.x: was 1: repeated a.N, is 1: a.N. {LIST}")),
        ("string x = 1; oneof o { string y = 2; string z = 3; }", "oneof o { string x = 1; string y = 2; string z = 3; }", "a.M.x: was 1: string, is 1: string in a oneof. Breaks wire: it clears the other members, and they clear it.".into()),
        ("oneof o { string x = 1; string y = 2; string z = 3; }", "string x = 1; oneof o { string y = 2; string z = 3; }", "a.M.x: was 1: string in a oneof, is 1: string. Breaks wire: it may be set beside what were the other members.".into()),
        ("google.protobuf.Timestamp x = 1;", "N x = 1;", String::new()),
    ] {
        let found = fields(old, new);
        if expected.is_empty() {
            assert!(!found.is_empty(), "{old} -> {new}");
        } else {
            assert_eq!(found, [expected], "{old} -> {new}");
        }
    }
}

#[test]
fn fields_that_break_nobody() {
    for (old, new) in [
        ("string x = 1;", "string x = 1; string y = 2; N z = 3;"),
        ("string x = 1;", "optional string x = 1;"),
        ("string x = 1;", "oneof o { string x = 1; }"),
        ("repeated int32 x = 1;", "repeated int32 x = 1 [packed = false];"),
        ("map<string, int32> x = 1;", "map<string, int32> x = 1;"),
        ("string x = 1; string y = 2;", "string y = 2; string x = 1;"),
    ] {
        assert_eq!(fields(old, new), [""; 0], "{old} -> {new}");
    }
}

#[test]
fn what_is_inside_of_fields_counts_too() {
    let with = |value: &str, names: &str| {
        schema(&format!(
            "syntax = \"proto3\"; package a;
             service S {{ rpc Get(M) returns (M); }}
             message M {{ map<string, N> by_name = 1; repeated E list = 2; M self = 3; }}
             message N {{ {value} x = 1; }}
             enum E {{ {names} }}
             message Unused {{ {value} x = 1; }}"
        ))
    };
    let old = with("string", "ZERO = 0; ONE = 1; TWO = 2;");
    assert_eq!(said(&old, &with("string", "ZERO = 0; ONE = 1; TWO = 2; THREE = 3;")), [""; 0]);
    assert_eq!(
        said(&old, &with("bool", "ZERO = 0; UNO = 1; TWO = 3; FOUR = 4;")),
        [
            "a.E.ONE: was 1, is named UNO. Breaks json: requests with the name are refused and answers lack it.",
            "a.E.TWO: was 2, is 3. Breaks wire: the number means another value.",
            "a.N.x: was 1: string, is 1: bool. Breaks wire: what is written as the one is not read as the other.",
        ]
    );
    assert_eq!(
        said(&old, &with("string", "ZERO = 0; ONE = 1;")),
        ["a.E.TWO: was 2, is gone. Breaks json: requests with the name are refused and answers lack it."]
    );
}

#[test]
fn methods_that_change() {
    let with = |service: &str| {
        schema(&format!(
            "syntax = \"proto3\"; package a; message M {{}} message N {{}} service S {{ {service} }}"
        ))
    };
    let old = with("rpc Get(M) returns (M);");
    for (new, expected) in [
        ("", &["a.S.Get: was a method, is gone. Breaks calls: its callers get UNIMPLEMENTED."][..]),
        (
            "rpc Get(M) returns (stream M);",
            &[
                "a.S.Get: was unary, is server streaming. Breaks calls: requests and answers are made of other parts.",
            ],
        ),
        (
            "rpc Get(N) returns (M);",
            &["a.S.Get: was a.M, is a.N. Breaks calls: requests are of another message."],
        ),
        (
            "rpc Get(M) returns (N);",
            &["a.S.Get: was a.M, is a.N. Breaks calls: answers are of another message."],
        ),
        ("rpc Get(M) returns (M); rpc More(N) returns (N);", &[]),
    ] {
        assert_eq!(said(&old, &with(new)), expected, "{new}");
    }
    // Nobody is reached by a method that is not in use.
    assert_eq!(diff(&old, &with(""), ["a.S/Other"]), []);
}

#[test]
fn required_fields() {
    let with = |fields: &str| {
        schema(&format!(
            "syntax = \"proto2\"; package a; service S {{ rpc Get(M) returns (M); }} message M {{ {fields} }}"
        ))
    };
    let effect = "Breaks wire: requests without it are refused.";
    for (old, new, expected) in [
        (
            "optional string x = 1;",
            "required string x = 1;",
            format!("a.M.x: was 1: string, is 1: required string. {effect}"),
        ),
        ("", "required string x = 1;", format!("a.M.x: was absent, is 1: required string. {effect}")),
    ] {
        assert_eq!(said(&with(old), &with(new)), [expected]);
    }
    assert_eq!(said(&with("required string x = 1;"), &with("optional string x = 1;")), [""; 0]);
}
