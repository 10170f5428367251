//! Comments, which `SourceCodeInfo` keeps apart from what they stand at.

use std::collections::HashMap;

use super::Loader;
use super::declare::MAX_NESTING;
use crate::schema::comments::Comments;
use crate::schema::descriptor::{self, Fields};
use crate::wire::writer;

/// The numbers of fields in descriptors, of which paths to elements are made.
mod at {
    pub(super) const FILE_MESSAGES: u32 = 4;
    pub(super) const FILE_ENUMS: u32 = 5;
    pub(super) const FILE_SERVICES: u32 = 6;
    /// Fields of a message, values of an enum, methods of a service.
    pub(super) const MEMBERS: u32 = 2;
    pub(super) const NESTED_MESSAGES: u32 = 3;
    pub(super) const NESTED_ENUMS: u32 = 4;
}

impl Loader {
    /// Keeps the comments of a file, if its descriptor has any.
    pub(super) fn read_comments(&mut self, wire: &[u8]) {
        let Ok(file) = descriptor::File::read(wire) else { return };
        let located = located(file.source_info);
        if located.is_empty() {
            return;
        }
        let mut walk = Walk { located, path: Vec::new(), comments: &mut self.comments };
        for (index, message) in file.messages.into_iter().enumerate() {
            walk.inside(at::FILE_MESSAGES, index, |walk| walk.message(file.package, message, 0));
        }
        for (index, each) in file.enums.into_iter().enumerate() {
            walk.inside(at::FILE_ENUMS, index, |walk| walk.enumeration(file.package, each));
        }
        for (index, service) in file.services.into_iter().enumerate() {
            walk.inside(at::FILE_SERVICES, index, |walk| walk.service(file.package, service));
        }
    }
}

/// The comments of a `SourceCodeInfo` by their paths, which stay as they lie on the wire.
fn located(source_info: &[u8]) -> HashMap<&[u8], &str> {
    const LOCATION: u32 = 1;
    let mut located = HashMap::new();
    for field in Fields::new(source_info).map_while(Result::ok).filter(|field| field.number == LOCATION) {
        let Ok(location) = descriptor::Location::read(field.bytes()) else { continue };
        let comment = if location.leading.is_empty() { location.trailing } else { location.leading };
        if !comment.is_empty() {
            located.insert(location.path, comment);
        }
    }
    located
}

/// A walk over the elements of a file, each of which has a path.
struct Walk<'a> {
    located: HashMap<&'a [u8], &'a str>,
    /// The path of the element that is looked at, as packed numbers.
    path: Vec<u8>,
    comments: &'a mut Comments,
}

impl Walk<'_> {
    fn inside(&mut self, field: u32, index: usize, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        for number in [u64::from(field), index as u64] {
            writer::varint(&mut self.path, number);
        }
        visit(self);
        self.path.truncate(length);
    }

    fn keep(&mut self, full_name: &str) {
        if let Some(comment) = self.located.get(&*self.path) {
            self.comments.add(full_name, comment);
        }
    }

    fn message(&mut self, around: &str, wire: &[u8], depth: usize) {
        let Ok(message) = descriptor::Message::read(wire) else { return };
        if depth >= MAX_NESTING {
            return;
        }
        let full_name = join(around, message.name);
        self.keep(&full_name);
        for (index, field) in message.fields.into_iter().enumerate() {
            let Ok(field) = descriptor::Field::read(field) else { continue };
            self.inside(at::MEMBERS, index, |walk| walk.keep(&join(&full_name, field.name)));
        }
        for (index, nested) in message.nested.into_iter().enumerate() {
            self.inside(at::NESTED_MESSAGES, index, |walk| walk.message(&full_name, nested, depth + 1));
        }
        for (index, nested) in message.enums.into_iter().enumerate() {
            self.inside(at::NESTED_ENUMS, index, |walk| walk.enumeration(&full_name, nested));
        }
    }

    fn enumeration(&mut self, around: &str, wire: &[u8]) {
        let Ok(each) = descriptor::Enum::read(wire) else { return };
        let full_name = join(around, each.name);
        self.keep(&full_name);
        for (index, value) in each.values.into_iter().enumerate() {
            let Ok(value) = descriptor::EnumValue::read(value) else { continue };
            self.inside(at::MEMBERS, index, |walk| walk.keep(&join(&full_name, value.name)));
        }
    }

    fn service(&mut self, around: &str, wire: &[u8]) {
        let Ok(service) = descriptor::Service::read(wire) else { return };
        let full_name = join(around, service.name);
        self.keep(&full_name);
        for (index, method) in service.methods.into_iter().enumerate() {
            let Ok(method) = descriptor::Method::read(method) else { continue };
            self.inside(at::MEMBERS, index, |walk| walk.keep(&join(&full_name, method.name)));
        }
    }
}

fn join(around: &str, name: &str) -> String {
    if around.is_empty() { name.into() } else { format!("{around}.{name}") }
}
