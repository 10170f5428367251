//! Services and methods.

use super::rule::HttpRule;
use super::{MessageId, Name};

/// A service.
#[derive(Debug)]
pub struct Service {
    pub(super) name: Name,
    pub(super) methods: Box<[Method]>,
}

impl Service {
    /// The full name, without a leading dot.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The methods in order of declaration.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }
}

/// A method of a service.
#[derive(Debug)]
pub struct Method {
    pub(super) name: Name,
    pub(super) input: MessageId,
    pub(super) output: MessageId,
    pub(super) client_streaming: bool,
    pub(super) server_streaming: bool,
    pub(super) idempotent: bool,
    pub(super) rule: Option<Box<HttpRule>>,
}

impl Method {
    /// The name without its service.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The request message.
    pub const fn input(&self) -> MessageId {
        self.input
    }

    /// The response message.
    pub const fn output(&self) -> MessageId {
        self.output
    }

    /// Whether the client sends a stream.
    pub const fn client_streaming(&self) -> bool {
        self.client_streaming
    }

    /// Whether the server sends a stream.
    pub const fn server_streaming(&self) -> bool {
        self.server_streaming
    }

    /// Whether the method is declared `NO_SIDE_EFFECTS` or `IDEMPOTENT`.
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// The `google.api.http` annotation.
    pub fn rule(&self) -> Option<&HttpRule> {
        self.rule.as_deref()
    }
}
