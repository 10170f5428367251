//! Services and methods.

use super::names::NameIndex;
use super::rule::HttpRule;
use super::{MessageId, Name, Schema};

/// A service.
#[derive(Debug)]
pub struct Service {
    pub(super) name: Name,
    pub(super) methods: Box<[Method]>,
    pub(super) by_name: NameIndex,
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

    /// The method with this name.
    pub fn method(&self, schema: &Schema, name: &str) -> Option<&Method> {
        let is_match = |at: u16| schema.text(self.methods[at as usize].name) == name;
        self.by_name.find(name.as_bytes(), is_match).map(|at| &self.methods[at as usize])
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
    pub(super) safe: bool,
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

    /// Whether the method is declared `NO_SIDE_EFFECTS`.
    pub const fn is_safe(&self) -> bool {
        self.safe
    }

    /// The `google.api.http` annotation.
    pub fn rule(&self) -> Option<&HttpRule> {
        self.rule.as_deref()
    }
}
