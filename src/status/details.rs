//! The details that Transom itself attaches to an error: the messages of
//! `google/rpc/error_details.proto` that it needs, in wire form.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::Detail;

/// One wrong field of a request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FieldViolation {
    /// The field's path in the request, by proto or JSON names, for example `book.authors[2].name`.
    #[prost(string, tag = "1")]
    pub field: String,
    /// What is wrong with it, as a sentence for a developer.
    #[prost(string, tag = "2")]
    pub description: String,
}

/// `google.rpc.BadRequest`: which fields of the request are wrong.
#[derive(Clone, PartialEq, Eq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// A `google.rpc.BadRequest` detail.
pub fn bad_request(field_violations: Vec<FieldViolation>) -> Detail {
    Detail {
        type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
        value: Bytes::from(BadRequest { field_violations }.encode_to_vec()),
    }
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Seconds {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `google.rpc.RetryInfo`: when to call again.
#[derive(Clone, PartialEq, Eq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Seconds>,
}

/// A `google.rpc.RetryInfo` detail.
pub fn retry_info(wait: Duration) -> Detail {
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    // Less than a billion fits.
    let delay = Seconds { seconds, nanos: wait.subsec_nanos() as i32 };
    Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: Bytes::from(RetryInfo { retry_delay: Some(delay) }.encode_to_vec()),
    }
}

/// A limit that was met.
#[derive(Clone, PartialEq, Eq, Message)]
struct QuotaViolation {
    /// Whose it is.
    #[prost(string, tag = "1")]
    subject: String,
    /// How much it allows.
    #[prost(string, tag = "2")]
    description: String,
}

/// `google.rpc.QuotaFailure`: which limits were met.
#[derive(Clone, PartialEq, Eq, Message)]
struct QuotaFailure {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<QuotaViolation>,
}

/// A `google.rpc.QuotaFailure` detail of the caller, for a limit in words.
pub fn quota_failure(description: &str) -> Detail {
    let violation = QuotaViolation { subject: "caller".into(), description: description.into() };
    Detail {
        type_url: "type.googleapis.com/google.rpc.QuotaFailure".into(),
        value: Bytes::from(QuotaFailure { violations: vec![violation] }.encode_to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes by hand, from `google/rpc/error_details.proto` and `google/protobuf/duration.proto`.
    #[test]
    fn details_in_wire_form() {
        let retry = retry_info(Duration::from_millis(2500));
        assert_eq!(retry.type_url, "type.googleapis.com/google.rpc.RetryInfo");
        assert_eq!(&retry.value[..], b"\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01");
        assert_eq!(&retry_info(Duration::ZERO).value[..], b"\x0a\x00");
        let quota = quota_failure("1/s");
        assert_eq!(quota.type_url, "type.googleapis.com/google.rpc.QuotaFailure");
        assert_eq!(&quota.value[..], b"\x0a\x0d\x0a\x06caller\x12\x031/s");
    }
}
