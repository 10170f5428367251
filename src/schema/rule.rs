//! `google.api.HttpRule`: how a method is reached over HTTP.

use prost::{Message, Oneof};

/// A rule from an annotation or from a service configuration file. The field numbers are those of
/// `google/api/http.proto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HttpRule {
    /// The method's full name, `package.Service.Method`; empty in an annotation.
    #[prost(string, tag = "1")]
    pub selector: String,
    /// The verb and the path template.
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub pattern: Option<Pattern>,
    /// The request field that the body is, `*` for the whole request, empty for no body.
    #[prost(string, tag = "7")]
    pub body: String,
    /// The response field that the answer is, empty for the whole response.
    #[prost(string, tag = "12")]
    pub response_body: String,
    /// Further rules for the same method; they have none of their own.
    #[prost(message, repeated, tag = "11")]
    pub additional_bindings: Vec<Self>,
}

/// The verb of a rule with its path template.
#[derive(Clone, PartialEq, Eq, Oneof)]
#[expect(missing_docs, reason = "the names are those of HTTP")]
pub enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomPattern),
}

/// A verb that `google.api.HttpRule` has no field for.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CustomPattern {
    /// The HTTP method, or `*` for any.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The path template.
    #[prost(string, tag = "2")]
    pub path: String,
}

impl HttpRule {
    /// The HTTP method (`*` for any) and the path template.
    pub fn verb_and_template(&self) -> Option<(&str, &str)> {
        Some(match self.pattern.as_ref()? {
            Pattern::Get(path) => ("GET", path),
            Pattern::Put(path) => ("PUT", path),
            Pattern::Post(path) => ("POST", path),
            Pattern::Delete(path) => ("DELETE", path),
            Pattern::Patch(path) => ("PATCH", path),
            Pattern::Custom(custom) => (&custom.kind, &custom.path),
        })
    }
}
