//! Lookup tables compiled once from a `FileDescriptorSet`: what the codec, the routes and the binding
//! must know of messages, enums, services and methods, by number and by name.
//!
//! A [`Schema`] is immutable. Editions, `proto2` and `proto3` are resolved while it is loaded: the
//! tables tell presence, packing, UTF-8 and group encoding directly, so nothing above this room knows
//! what a syntax is.

use std::fmt;

use names::{Arena, ServiceIndex, TypeIndex};

mod descriptor;
pub mod diff;
pub mod enumeration;
mod features;
pub mod files;
pub mod load;
pub mod message;
pub mod method;
mod names;
pub mod rule;

pub use features::Presence;
pub use names::Name;

use enumeration::Enum;
use message::Message;
use method::{Method, Service};

/// The place of a message in a [`Schema`]. It means nothing in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(u32);

/// The place of an enum in a [`Schema`]. It means nothing in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnumId(u32);

/// What a type name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeId {
    /// A message.
    Message(MessageId),
    /// An enum.
    Enum(EnumId),
}

/// All messages, enums and services of a descriptor set and what is built in: `google/protobuf`,
/// `google/rpc`, `google/api` and `google/type`.
pub struct Schema {
    names: Arena,
    messages: Box<[Message]>,
    enums: Box<[Enum]>,
    services: Box<[Service]>,
    types: TypeIndex,
    service_index: ServiceIndex,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [messages, enums, services] = [self.messages.len(), self.enums.len(), self.services.len()];
        write!(f, "Schema {{ {messages} messages, {enums} enums, {services} services }}")
    }
}

impl Schema {
    /// The text of a name.
    #[inline]
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The text of a name, in bytes.
    #[inline]
    pub fn bytes(&self, name: Name) -> &[u8] {
        self.names.bytes(name)
    }

    /// The text of a name of at most 32 bytes and what happens to lie behind it, as a copy of a fixed size
    /// that is cut to length is cheaper than one of an unknown size.
    #[inline]
    pub fn chunk(&self, name: Name) -> Option<&[u8; 32]> {
        self.names.chunk(name)
    }

    /// Whether a name stands in `text` at the place `at`.
    #[inline]
    pub fn stands_at(&self, text: &[u8], at: usize, name: Name) -> bool {
        self.names.stands_at(text, at, name)
    }

    /// The table of a message.
    #[inline]
    pub fn message(&self, id: MessageId) -> &Message {
        &self.messages[id.0 as usize]
    }

    /// The table of an enum.
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0 as usize]
    }

    /// The services, in order of declaration.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The method with this full name, `package.Service/Method`.
    pub fn method(&self, full_name: &str) -> Option<(&Service, &Method)> {
        let (service, method) = full_name.split_once('/')?;
        let name_of = |at: u32| self.text(self.services[at as usize].name());
        let service = &self.services[self.service_index.find(service, name_of)? as usize];
        Some((service, service.method(self, method)?))
    }

    /// The message or enum with this full name, without a leading dot.
    pub fn find(&self, full_name: &str) -> Option<TypeId> {
        self.types.find(full_name, |id| self.text(self.name_of(id)))
    }

    /// The message with this full name, without a leading dot.
    pub fn find_message(&self, full_name: &str) -> Option<MessageId> {
        match self.find(full_name)? {
            TypeId::Message(id) => Some(id),
            TypeId::Enum(_) => None,
        }
    }

    fn name_of(&self, id: TypeId) -> Name {
        match id {
            TypeId::Message(id) => self.message(id).name(),
            TypeId::Enum(id) => self.enumeration(id).name(),
        }
    }
}

#[cfg(test)]
mod tests;
