//! Errors with the typed details of `google/rpc/error_details.proto`.

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

/// `google.rpc.Status`, the content of `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RichStatus {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.rpc.ResourceInfo`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ResourceInfo {
    #[prost(string, tag = "1")]
    pub(super) resource_type: String,
    #[prost(string, tag = "2")]
    pub(super) resource_name: String,
    #[prost(string, tag = "4")]
    pub(super) description: String,
}

/// `google.rpc.BadRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FieldViolation {
    #[prost(string, tag = "1")]
    pub(super) field: String,
    #[prost(string, tag = "2")]
    pub(super) description: String,
}

/// `google.rpc.PreconditionFailure`.
#[derive(Clone, PartialEq, Eq, Message)]
struct PreconditionFailure {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<PreconditionViolation>,
}

/// `google.rpc.PreconditionFailure.Violation`.
#[derive(Clone, PartialEq, Eq, Message)]
struct PreconditionViolation {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(string, tag = "2")]
    subject: String,
    #[prost(string, tag = "3")]
    description: String,
}

/// Collects what is wrong with a request, so that one answer names all of it.
#[derive(Default)]
pub(super) struct Violations(Vec<FieldViolation>);

impl Violations {
    /// Notes that a field is wrong.
    pub(super) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation { field: field.into(), description: description.into() });
    }

    /// Notes that a field is wrong unless a condition holds.
    pub(super) fn require(&mut self, condition: bool, field: &str, description: &str) {
        if !condition {
            self.add(field, description);
        }
    }

    /// INVALID_ARGUMENT with a BadRequest if anything is wrong.
    pub(super) fn finish(self) -> Result<(), Status> {
        let Some(first) = self.0.first() else { return Ok(()) };
        let message = match self.0.len() {
            1 => format!("The field {} {}.", first.field, first.description),
            count => format!("{count} fields are wrong; the first: {} {}.", first.field, first.description),
        };
        let detail = pack("BadRequest", &BadRequest { field_violations: self.0 });
        Err(status(Code::InvalidArgument, message, detail))
    }
}

/// NOT_FOUND with a ResourceInfo.
pub(super) fn not_found(kind: &str, name: &str) -> Status {
    let message = format!("There is no {kind} {name}.");
    status(Code::NotFound, message.clone(), resource(kind, name, message))
}

/// ALREADY_EXISTS with a ResourceInfo.
pub(super) fn already_exists(kind: &str, name: &str) -> Status {
    let message = format!("There is a {kind} {name} already.");
    status(Code::AlreadyExists, message.clone(), resource(kind, name, message))
}

/// FAILED_PRECONDITION with a PreconditionFailure: a shelf has books.
pub(super) fn not_empty(shelf: &str, books: usize) -> Status {
    let description = format!("{shelf} holds {books} books. Remove them first, or set force.");
    let violation = PreconditionViolation {
        r#type: "NOT_EMPTY".into(),
        subject: shelf.into(),
        description: description.clone(),
    };
    let detail = pack("PreconditionFailure", &PreconditionFailure { violations: vec![violation] });
    status(Code::FailedPrecondition, description, detail)
}

/// RESOURCE_EXHAUSTED: the store takes no more.
pub(super) fn full(what: &str, limit: usize) -> Status {
    Status::resource_exhausted(format!("The store holds {limit} {what}, which is all it takes."))
}

/// RESOURCE_EXHAUSTED: a stream has too many messages.
pub(super) fn too_many(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "One stream may have {limit} messages. Send the others in another call."
    ))
}

fn resource(kind: &str, name: &str, description: String) -> Any {
    let resource_type = format!("bookstore.example/{kind}");
    pack("ResourceInfo", &ResourceInfo { resource_type, resource_name: name.into(), description })
}

fn pack(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}

fn status(code: Code, message: String, detail: Any) -> Status {
    let rich = RichStatus { code: code.into(), message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, rich.encode_to_vec().into())
}
