//! Failures as SOAP Faults, with `google.rpc.Status` as their detail.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::super::answer::{Answer, AnswerBody};
use super::version::Version;
use super::write::{Envelope, element};
use crate::codec::xml::status::write_status;
use crate::codec::xml::write::WriteOptions;
use crate::schema::Schema;
use crate::status::{self, Code, Status};

/// A failure.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: Status,
    pub(super) kind: Kind,
}

/// What SOAP has a code of its own for.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing: it is the sender's or the receiver's fault.
    Plain,
    /// The envelope is of no version that is spoken.
    VersionMismatch,
    /// Headers that must be understood and are not: their namespaces and names.
    MustUnderstand(Vec<(String, String)>),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self { status, kind: Kind::Plain }
    }
}

impl Fault {
    /// What is wrong is the sender's to mend.
    fn is_senders(&self) -> bool {
        self.status.fault() == status::Fault::Caller
            || matches!(
                self.status.code(),
                Code::InvalidArgument
                    | Code::NotFound
                    | Code::AlreadyExists
                    | Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
                    | Code::OutOfRange
            )
    }

    /// SOAP 1.1 has 500 for every fault, SOAP 1.2 has 400 for those of the sender. What is wrong with the request as HTTP
    /// keeps its status.
    fn http(&self, version: Version) -> StatusCode {
        match self.status.http() {
            http @ (404..=406 | 413 | 415) if self.status.code() != Code::NotFound => {
                StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            _ if version == Version::Two && matches!(self.kind, Kind::Plain) && self.is_senders() => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The local name of its code.
    fn code(&self, version: Version) -> &'static str {
        match (&self.kind, version) {
            (Kind::VersionMismatch, _) => "VersionMismatch",
            (Kind::MustUnderstand(_), _) => "MustUnderstand",
            (Kind::Plain, Version::One) => {
                if self.is_senders() {
                    "Client"
                } else {
                    "Server"
                }
            }
            (Kind::Plain, Version::Two) => {
                if self.is_senders() {
                    "Sender"
                } else {
                    "Receiver"
                }
            }
        }
    }

    /// The text for people. SOAP wants one.
    fn reason(&self) -> &str {
        match self.status.message() {
            "" => self.status.code().name(),
            message => message,
        }
    }

    /// The answer. `related` is the message that it answers, if the sender named it.
    pub(super) fn answer(&self, schema: &Schema, version: Version, related: Option<&str>) -> Answer {
        let mut envelope = Envelope::begin(version, related, Some(self));
        match version {
            Version::One => self.write_one(schema, envelope.text()),
            Version::Two => self.write_two(schema, envelope.text()),
        }
        let mut answer = Answer::new(AnswerBody::from(envelope.end()).with_code(self.status.code()));
        *answer.status_mut() = self.http(version);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(version.content_type()));
        answer
    }

    fn write_one(&self, schema: &Schema, text: &mut Vec<u8>) {
        text.extend_from_slice(b"<soap:Fault><faultcode>soap:");
        text.extend_from_slice(self.code(Version::One).as_bytes());
        text.extend_from_slice(b"</faultcode>");
        element(text, "faultstring", self.reason());
        // The detail is for what went wrong with the body (section 4.4).
        if matches!(self.kind, Kind::Plain) {
            text.extend_from_slice(b"<detail>");
            write_status(schema, &self.status, &WriteOptions::default(), text);
            text.extend_from_slice(b"</detail>");
        }
        text.extend_from_slice(b"</soap:Fault>");
    }

    fn write_two(&self, schema: &Schema, text: &mut Vec<u8>) {
        text.extend_from_slice(b"<soap:Fault><soap:Code><soap:Value>soap:");
        text.extend_from_slice(self.code(Version::Two).as_bytes());
        text.extend_from_slice(b"</soap:Value>");
        if matches!(self.kind, Kind::Plain) {
            text.extend_from_slice(b"<soap:Subcode><soap:Value xmlns:rpc=\"urn:google.rpc\">rpc:");
            text.extend_from_slice(self.status.code().name().as_bytes());
            text.extend_from_slice(b"</soap:Value></soap:Subcode>");
        }
        text.extend_from_slice(b"</soap:Code><soap:Reason>");
        element(text, "soap:Text xml:lang=\"en\"", self.reason());
        text.extend_from_slice(b"</soap:Reason>");
        if matches!(self.kind, Kind::Plain) {
            text.extend_from_slice(b"<soap:Detail>");
            write_status(schema, &self.status, &WriteOptions::default(), text);
            text.extend_from_slice(b"</soap:Detail>");
        }
        text.extend_from_slice(b"</soap:Fault>");
    }
}
