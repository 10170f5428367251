//! The outcome of a call: a canonical gRPC code, a message, typed details, and whose fault it was.
//!
//! This room is the ground: it imports nothing of the crate. Other rooms turn their own errors into a
//! [`Status`] where they are defined (`impl From<json::Error> for Status` lives with `json`).

use std::fmt;

use bytes::Bytes;

pub mod details;
pub mod exposure;
pub mod http;
pub mod rpc;

/// The canonical codes of `google.rpc.Code`, the same numbers as gRPC's status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Not an error.
    Ok = 0,
    /// The caller went away or took the call back.
    Cancelled = 1,
    /// An error without a better code, or one from a foreign error space.
    Unknown = 2,
    /// The request itself is wrong, whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed before the call completed.
    DeadlineExceeded = 4,
    /// Something that was asked for does not exist.
    NotFound = 5,
    /// Something that was to be created exists already.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A quota, a rate or a size is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// The call was aborted, usually by a conflict with another one.
    Aborted = 10,
    /// The call went past the valid range.
    OutOfRange = 11,
    /// The method does not exist or is not supported here.
    Unimplemented = 12,
    /// An invariant of the system is broken.
    Internal = 13,
    /// The service cannot be reached at the moment; trying again may help.
    Unavailable = 14,
    /// Data is lost or corrupted beyond repair.
    DataLoss = 15,
    /// The caller gave no valid credentials.
    Unauthenticated = 16,
}

impl Code {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "OK"),
        (Self::Cancelled, "CANCELLED"),
        (Self::Unknown, "UNKNOWN"),
        (Self::InvalidArgument, "INVALID_ARGUMENT"),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Self::NotFound, "NOT_FOUND"),
        (Self::AlreadyExists, "ALREADY_EXISTS"),
        (Self::PermissionDenied, "PERMISSION_DENIED"),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Self::FailedPrecondition, "FAILED_PRECONDITION"),
        (Self::Aborted, "ABORTED"),
        (Self::OutOfRange, "OUT_OF_RANGE"),
        (Self::Unimplemented, "UNIMPLEMENTED"),
        (Self::Internal, "INTERNAL"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::DataLoss, "DATA_LOSS"),
        (Self::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// The names of all codes, by their numbers.
    pub const NAMES: [&'static str; 17] = {
        let mut names = [""; 17];
        let mut number = 0;
        while number < names.len() {
            names[number] = Self::ALL[number].1;
            number += 1;
        }
        names
    };

    /// The code with this number; a number outside 0 to 16 is [`Code::Unknown`], as the gRPC
    /// specification asks of a receiver.
    pub fn from_number(number: u32) -> Self {
        Self::ALL.get(number as usize).map_or(Self::Unknown, |&(code, _)| code)
    }

    /// The number, 0 to 16.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name in `google.rpc.Code`, for example `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who caused a failure. It decides what is logged and what the caller may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's request.
    Caller,
    /// The backend: it answered with an error, or not as the protocol asks.
    Backend,
    /// Transom itself.
    Gateway,
}

/// One error detail: a `google.protobuf.Any` with its payload in wire form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The type URL, for example `type.googleapis.com/google.rpc.BadRequest`.
    pub type_url: String,
    /// The message's wire bytes.
    pub value: Bytes,
}

/// How a call ended.
///
/// The message and the details are meant for the caller. What must stay inside goes to the log, never
/// in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: Code,
    fault: Fault,
    retryable: bool,
    http: Option<u16>,
    message: String,
    details: Vec<Detail>,
}

impl Status {
    /// A failure that the caller caused.
    pub fn caller(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Fault::Caller, message)
    }

    /// A failure that the backend reported or caused.
    pub fn backend(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Fault::Backend, message)
    }

    /// A failure of Transom itself.
    pub fn gateway(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Fault::Gateway, message)
    }

    /// Success.
    pub fn ok() -> Self {
        Self::new(Code::Ok, Fault::Gateway, "")
    }

    fn new(code: Code, fault: Fault, message: impl Into<String>) -> Self {
        Self { code, fault, retryable: false, http: None, message: message.into(), details: Vec::new() }
    }

    /// Adds a typed detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    /// The same with each detail replaced by what `map` makes of it.
    #[must_use]
    pub fn map_details(mut self, map: impl FnMut(Detail) -> Detail) -> Self {
        self.details = self.details.into_iter().map(map).collect();
        self
    }

    /// Fixes the HTTP status where the code alone does not tell it (405, 413, 415, 431, 502, ...).
    #[must_use]
    pub const fn with_http(mut self, status: u16) -> Self {
        self.http = Some(status);
        self
    }

    /// Marks the call as never seen by the backend's code: it may be sent again whatever the method.
    #[must_use]
    pub const fn with_retry(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The canonical code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whether the call succeeded.
    pub const fn is_ok(&self) -> bool {
        matches!(self.code, Code::Ok)
    }

    /// Who caused the failure.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Whether the backend surely did not start the call, so that any method may be sent again.
    pub const fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The text for the caller; may be empty.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The typed details.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// The HTTP status that belongs to this outcome.
    pub fn http(&self) -> u16 {
        self.http.unwrap_or_else(|| http::status_of(self.code))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree_with_google_rpc_code() {
        for (index, &(code, name)) in Code::ALL.iter().enumerate() {
            assert_eq!(usize::from(code.number()), index);
            assert_eq!(Code::from_number(index as u32), code);
            assert_eq!(code.name(), name);
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u32::MAX), Code::Unknown);
    }
}
