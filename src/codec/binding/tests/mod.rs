//! What a request becomes, shown as the canonical JSON of the message that the backend gets.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, OneofDescriptorProto,
};

use super::*;

mod forms;
mod paths;
mod queries;
mod rules;
mod uploads;

const ECHO: &[u8] = include_bytes!("../../../../fuzz/echo.binpb");
const EVERYTHING: &str = "echo.v1.Everything";
const ORDER: &str = "shop.Order";

fn echo() -> Schema {
    Schema::load(&[ECHO]).unwrap()
}

/// ```proto
/// syntax = "proto2";
/// message Order {
///   required string id = 1;
///   optional Item item = 2;
///   repeated Item items = 3;
///   optional group Box = 4 { optional int32 size = 1; optional Item item = 2; }
///   oneof gift { Item one = 5; string none = 6; }
/// }
/// message Item { required string name = 1; optional int32 count = 2 [default = 1]; }
/// ```
fn shop() -> Schema {
    let field = |name: &str, number, label: Label, kind: Type| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        ..Default::default()
    };
    let of = |field: FieldDescriptorProto, name: &str| FieldDescriptorProto {
        type_name: Some(name.into()),
        ..field
    };
    let gift = |field: FieldDescriptorProto| FieldDescriptorProto { oneof_index: Some(0), ..field };
    let (required, optional, repeated) = (Label::Required, Label::Optional, Label::Repeated);
    let box_group = DescriptorProto {
        name: Some("Box".into()),
        field: vec![
            field("size", 1, optional, Type::Int32),
            of(field("item", 2, optional, Type::Message), ".shop.Item"),
        ],
        ..Default::default()
    };
    let order = DescriptorProto {
        name: Some("Order".into()),
        field: vec![
            field("id", 1, required, Type::String),
            of(field("item", 2, optional, Type::Message), ".shop.Item"),
            of(field("items", 3, repeated, Type::Message), ".shop.Item"),
            of(field("box", 4, optional, Type::Group), ".shop.Order.Box"),
            gift(of(field("one", 5, optional, Type::Message), ".shop.Item")),
            gift(field("none", 6, optional, Type::String)),
        ],
        nested_type: vec![box_group],
        oneof_decl: vec![OneofDescriptorProto { name: Some("gift".into()), ..Default::default() }],
        ..Default::default()
    };
    let item = DescriptorProto {
        name: Some("Item".into()),
        field: vec![field("name", 1, required, Type::String), field("count", 2, optional, Type::Int32)],
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".into()),
        package: Some("shop".into()),
        message_type: vec![order, item],
        syntax: Some("proto2".into()),
        ..Default::default()
    };
    Schema::load(&[&FileDescriptorSet { file: vec![file] }.encode_to_vec()]).unwrap()
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// A rule for a method whose request and response are one type.
struct Ruled {
    schema: Schema,
    message: MessageId,
    binding: Binding,
}

impl Ruled {
    fn new(schema: Schema, message: &str, variables: &[&str], body: &str) -> Self {
        Self::with(schema, message, variables, body, BindingOptions::default())
    }

    fn with(schema: Schema, name: &str, variables: &[&str], body: &str, options: BindingOptions) -> Self {
        let message = schema.find_message(name).unwrap();
        let variables: Vec<_> = variables.iter().map(ToString::to_string).collect();
        let rule = Rule { variables: &variables, body, response_body: "" };
        let binding = Binding::new(&schema, [message; 2], rule, options).unwrap();
        Self { schema, message, binding }
    }

    fn bind(&self, values: &[&str], query: &str, body: &str) -> Result<Vec<u8>, Status> {
        self.binding.request(&self.schema, values.iter().copied(), query, body.as_bytes())
    }

    #[track_caller]
    fn gives(&self, values: &[&str], query: &str, body: &str, expected: &str) {
        let context = format!("{values:?} ? {query} {body}");
        let wire = self.bind(values, query, body).unwrap_or_else(|error| panic!("{context}: {error}"));
        let mut text = Vec::new();
        write::write(&self.schema, self.message, &wire, &WriteOptions::default(), &mut text).unwrap();
        let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&text), json(expected.as_bytes()), "{context}");
    }

    /// The request is wrong, with this text, and the detail names this field.
    #[track_caller]
    fn refuses(&self, values: &[&str], query: &str, body: &str, field: &str, text: &str) {
        let context = format!("{values:?} ? {query} {body}");
        let status = self.bind(values, query, body).expect_err(&context);
        assert_eq!((status.http(), status.code()), (400, Code::InvalidArgument), "{context}");
        assert_eq!(status.message(), text, "{context}");
        let detail = &status.details()[0];
        assert_eq!(detail.type_url, "type.googleapis.com/google.rpc.BadRequest");
        let violations = BadRequest::decode(&*detail.value).unwrap().field_violations;
        let found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(found, [field], "{context}");
    }
}
