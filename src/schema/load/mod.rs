//! From `FileDescriptorSet` bytes to a [`Schema`].
//!
//! Two passes over the files, each reading the descriptors in place: the first gives every message and
//! enum its place, so that the second can resolve every type name while it builds the tables. A broken
//! set is reported as a list of problems that name file and element; nothing panics.

use std::collections::{HashMap, HashSet};

use super::comments::Comments;
use super::descriptor;
use super::enumeration::Enum;
use super::features::Features;
use super::message::{Field, Message};
use super::method::Service;
use super::names::{Interner, ServiceIndex, TypeIndex};
use super::{MessageId, Name, Schema, TypeId};
use crate::wire::reader;

mod comments;
mod declare;
mod define;
mod index;
mod problem;
mod service;

use problem::Problems;
pub use problem::{LoadError, Problem};

/// `google/protobuf`, `google/rpc`, `google/api` and `google/type`, made from `protos/`.
pub const BUILT_IN: &[u8] = include_bytes!("../../../descriptors/builtin.binpb");

/// The services that Transom answers itself: `grpc.health` and `grpc.reflection`, made from `protos/grpc`.
pub const OWN: &[u8] = include_bytes!("../../../descriptors/own.binpb");

/// Whether a file is one of those that everybody has.
pub fn is_built_in(name: &str) -> bool {
    let files = descriptor::FileSet::read(BUILT_IN).map(|set| set.files).unwrap_or_default();
    files.iter().any(|file| descriptor::File::read(file).is_ok_and(|file| file.name == name))
}

/// Positions of fields and values are kept in 16 bits.
const MAX_MEMBERS: usize = u16::MAX as usize - 1;

impl Schema {
    /// Loads `FileDescriptorSet`s, as `protoc --include_imports -o` and `buf build -o` write them.
    /// What is built in need not be in them; a file of the same name in a set wins.
    ///
    /// # Errors
    /// Every problem that makes the tables unsafe to use: bytes that are not a descriptor set, names
    /// that do not resolve, names or numbers that come twice, editions that are not supported.
    pub fn load(sets: &[&[u8]]) -> Result<Self, LoadError> {
        let mut problems = Problems::default();
        let mut files = Vec::new();
        for set in sets {
            match descriptor::FileSet::read(set) {
                Ok(set) => files.extend(set.files),
                Err(error) => problems.add("", "", format!("this is not a FileDescriptorSet: {error}")),
            }
        }
        problems.into_result()?;
        Self::load_files(&files)
    }

    /// Loads `FileDescriptorProto`s, as gRPC reflection gives them.
    ///
    /// # Errors
    /// As [`Schema::load`].
    pub fn load_files(files: &[&[u8]]) -> Result<Self, LoadError> {
        let mut loader = Loader::default();
        let files = loader.select(files);
        for &file in &files {
            loader.declare_file(file);
        }
        // What is missing now would only cause further problems.
        std::mem::take(&mut loader.problems).into_result()?;
        for &file in &files {
            loader.define_file(file);
            loader.read_comments(file);
        }
        loader.add_extensions();
        std::mem::take(&mut loader.problems).into_result()?;
        Ok(loader.finish())
    }
}

#[derive(Default)]
struct Loader {
    names: Interner,
    types: TypeIndex,
    messages: Vec<Message>,
    enums: Vec<Enum>,
    services: Vec<Service>,
    service_index: ServiceIndex,
    extensions: Vec<Extension>,
    comments: Comments,
    problems: Problems,
}

/// A field that joins a message which may stand in another file.
struct Extension {
    message: MessageId,
    file: Name,
    field: Field,
}

/// The element around the one that is read: for names, features and the place of a problem.
#[derive(Clone, Copy)]
struct Scope<'a> {
    file: &'a str,
    package: &'a str,
    /// The full name of the package, message or service.
    name: &'a str,
    features: Features,
    depth: usize,
}

impl Scope<'_> {
    fn join(&self, name: &str) -> String {
        if self.name.is_empty() { name.into() } else { format!("{}.{name}", self.name) }
    }
}

impl Loader {
    /// The files to load: each name once, and the built-in ones that nothing in the sets replaces.
    fn select<'a>(&mut self, files: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut selected: HashMap<&str, &[u8]> = HashMap::new();
        let mut symbols = HashSet::new();
        let mut order = Vec::new();
        for &wire in files {
            let file = match descriptor::File::read(wire) {
                Ok(file) => file,
                Err(error) => {
                    self.broken("", "", error);
                    continue;
                }
            };
            if file.name.is_empty() {
                self.problems.add("", "", "the file has no name");
            }
            match selected.insert(file.name, wire) {
                None => {
                    order.push(wire);
                    symbols.extend(if file.package.starts_with("google.") {
                        top_level(&file)
                    } else {
                        Vec::new()
                    });
                }
                Some(other) if other == wire => {}
                Some(_) => self.problems.add(
                    file.name,
                    "",
                    "this file comes twice with different contents; load only one version of it",
                ),
            }
        }
        let built_in = descriptor::FileSet::read(BUILT_IN).map(|set| set.files).unwrap_or_default();
        for wire in built_in {
            let Ok(file) = descriptor::File::read(wire) else { continue };
            let is_replaced = top_level(&file).iter().any(|name| symbols.contains(name));
            if !is_replaced && !selected.contains_key(file.name) {
                order.push(wire);
            }
        }
        order
    }

    fn broken(&mut self, file: &str, element: &str, error: reader::Error) {
        self.problems.add(file, element, format!("the descriptor is not valid protobuf: {error}"));
    }

    fn lookup(&self, full_name: &str) -> Option<TypeId> {
        self.types.find(full_name, |id| self.text_of(id))
    }

    fn text_of(&self, id: TypeId) -> &str {
        text_of(&self.names, &self.messages, &self.enums, id)
    }

    /// The type with this name: absolute with a leading dot, else searched for from the scope outwards,
    /// as in proto files.
    fn resolve(&mut self, scope: &Scope<'_>, element: &str, type_name: &str) -> Option<TypeId> {
        let found = match type_name.strip_prefix('.') {
            Some(absolute) => self.lookup(absolute),
            None => self.search(scope.name, type_name),
        };
        if found.is_none() {
            let name = type_name.trim_start_matches('.');
            let message = if name.is_empty() {
                "its type has no name".into()
            } else {
                format!(
                    "the type {name} is not in the descriptors; build the set with its imports \
                     (protoc --include_imports, buf build)"
                )
            };
            self.problems.add(scope.file, element, message);
        }
        found
    }

    fn search(&self, mut around: &str, type_name: &str) -> Option<TypeId> {
        loop {
            if around.is_empty() {
                return self.lookup(type_name);
            }
            if let Some(id) = self.lookup(&format!("{around}.{type_name}")) {
                return Some(id);
            }
            around = around.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    fn resolve_message(&mut self, scope: &Scope<'_>, element: &str, type_name: &str) -> Option<MessageId> {
        match self.resolve(scope, element, type_name)? {
            TypeId::Message(id) => Some(id),
            TypeId::Enum(_) => {
                let name = type_name.trim_start_matches('.');
                self.problems.add(
                    scope.file,
                    element,
                    format!("{name} is an enum; a message is needed here"),
                );
                None
            }
        }
    }
}

fn text_of<'a>(names: &'a Interner, messages: &[Message], enums: &[Enum], id: TypeId) -> &'a str {
    names.text(match id {
        TypeId::Message(id) => messages[id.0 as usize].name,
        TypeId::Enum(id) => enums[id.0 as usize].name,
    })
}

/// The names that come more than once, sorted.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

/// The full names of what a file defines at its top level.
fn top_level(file: &descriptor::File<'_>) -> Vec<String> {
    let messages = file.messages.iter().filter_map(|wire| Some(descriptor::Message::read(wire).ok()?.name));
    let enums = file.enums.iter().filter_map(|wire| Some(descriptor::Enum::read(wire).ok()?.name));
    messages.chain(enums).map(|name| format!("{}.{name}", file.package)).collect()
}

/// The JSON name that `protoc` gives a field.
pub(super) fn lower_camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
        } else {
            out.push(if upper { char.to_ascii_uppercase() } else { char });
            upper = false;
        }
    }
    out
}
