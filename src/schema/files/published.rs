//! What others may know of files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::find::{self, Kind, joined};
use super::{Files, without};
use crate::schema::descriptor::File;

/// `FileDescriptorProto.service`.
const SERVICE: u32 = 6;

/// A file of a [`Published`]. It means nothing in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// The files that declare some services, and all that they import, directly or not. Other files are not there, and
/// neither are other services in these files.
pub struct Published {
    files: Vec<Entry>,
    by_name: HashMap<Box<str>, u32>,
    /// The hash of every name at the top level of a file, with the file.
    symbols: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
    /// By the extended type: the numbers, with the file of each.
    extensions: HashMap<String, BTreeMap<i32, u32>>,
    /// The full names of the services.
    services: HashSet<String>,
}

struct Entry {
    wire: Bytes,
    dependencies: Box<[FileId]>,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, services) = (self.files.len(), self.services.len());
        write!(f, "Published {{ {files} files, {services} services }}")
    }
}

impl Published {
    /// What may be known of `files` where only these services may be. What is built in and imported comes along
    /// where `files` has no file of that name.
    pub fn new(files: &Files, services: HashSet<String>) -> Self {
        let declares = |file: &File<'_>| {
            let mut names = file.services.iter().map(|wire| joined(file.package, find::service_name(wire)));
            names.any(|name| services.contains(&name))
        };
        let all = by_name(files);
        let roots = all.iter().filter(|(_, wire)| declares(&read(wire))).map(|(name, _)| name.clone());
        let roots: BTreeSet<_> = roots.collect();
        Self::of(&all, roots, services)
    }

    /// All files, with these services.
    pub fn whole(files: &Files, services: HashSet<String>) -> Self {
        let all = by_name(files);
        let roots = all.keys().cloned().collect();
        Self::of(&all, roots, services)
    }

    fn of(all: &HashMap<String, Bytes>, roots: BTreeSet<String>, services: HashSet<String>) -> Self {
        let mut published = Self {
            files: Vec::new(),
            by_name: HashMap::new(),
            symbols: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            extensions: HashMap::new(),
            services,
        };
        let built_in = by_name(&Files::built_in());
        let mut open: Vec<_> = roots.into_iter().rev().collect();
        while let Some(name) = open.pop() {
            // What a set does not hold was not needed to load it.
            let Some(wire) = all.get(&name).or_else(|| built_in.get(&name)) else { continue };
            if published.by_name.contains_key(&*name) {
                continue;
            }
            let file = read(wire);
            open.extend(file.imports().map(str::to_owned));
            published.add(wire.clone(), &file);
        }
        published.link();
        published
    }

    fn add(&mut self, wire: Bytes, file: &File<'_>) {
        let Ok(id) = u32::try_from(self.files.len()) else { return };
        self.by_name.insert(file.name.into(), id);
        let (symbols, hasher) = (&mut self.symbols, &self.hasher);
        let mut declare = |name: &str| {
            let hash = hasher.hash_one(name);
            symbols.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        };
        find::top_level(file, |name| declare(&joined(file.package, name)));
        for wire in &file.services {
            let name = joined(file.package, find::service_name(wire));
            if self.services.contains(&name) {
                declare(&name);
            }
        }
        find::extensions(file, &mut |extendee, number| {
            let numbers = match self.extensions.get_mut(extendee) {
                Some(numbers) => numbers,
                None => self.extensions.entry(extendee.to_owned()).or_default(),
            };
            numbers.entry(number).or_insert(id);
        });
        self.files.push(Entry { wire, dependencies: Box::default() });
    }

    fn link(&mut self) {
        for entry in &mut self.files {
            let imports = read(&entry.wire);
            let known = imports.imports().filter_map(|name| self.by_name.get(name).copied());
            entry.dependencies = known.map(FileId).collect();
        }
    }

    /// All of its files.
    pub fn all(&self) -> impl Iterator<Item = FileId> {
        (0..self.files.len()).filter_map(|id| u32::try_from(id).ok()).map(FileId)
    }

    /// The name of a file.
    pub fn name(&self, id: FileId) -> String {
        self.files.get(id.0 as usize).map_or_else(String::new, |entry| read(&entry.wire).name.to_owned())
    }

    /// The file of a name.
    pub fn by_name(&self, name: &str) -> Option<FileId> {
        self.by_name.get(name).copied().map(FileId)
    }

    /// The file that declares what has this full name: a service, a method, a message, a field, a oneof, an enum, a
    /// value or an extension.
    pub fn by_symbol(&self, symbol: &str) -> Option<FileId> {
        self.lookup(symbol).map(|(id, _)| id)
    }

    /// Whether there is a message of this full name.
    pub fn has_message(&self, name: &str) -> bool {
        self.lookup(name).is_some_and(|(_, kind)| kind == Kind::Message)
    }

    fn lookup<'s>(&self, symbol: &'s str) -> Option<(FileId, Kind<'s>)> {
        // What stands at the top level of a file is the name itself or the start of it.
        let mut start = symbol;
        loop {
            let hash = self.hasher.hash_one(start);
            for &(_, id) in self.symbols.iter_hash(hash).filter(|(other, _)| *other == hash) {
                match find::declared(&read(&self.files[id as usize].wire), symbol) {
                    Some(Kind::Service(name)) if !self.services.contains(name) => {}
                    Some(kind) => return Some((FileId(id), kind)),
                    None => {}
                }
            }
            (start, _) = start.rsplit_once('.')?;
        }
    }

    /// The file that declares an extension of the message of this full name.
    pub fn by_extension(&self, extendee: &str, number: i32) -> Option<FileId> {
        self.extensions.get(extendee)?.get(&number).copied().map(FileId)
    }

    /// The numbers of all extensions of the message of this full name, in order.
    pub fn extension_numbers(&self, extendee: &str) -> impl Iterator<Item = i32> {
        self.extensions.get(extendee).into_iter().flat_map(BTreeMap::keys).copied()
    }

    /// The files that a file imports.
    pub fn imports(&self, id: FileId) -> &[FileId] {
        self.files.get(id.0 as usize).map_or(&[], |entry| &entry.dependencies)
    }

    /// A file, a `FileDescriptorProto`, with all that is in it, also what nobody may know.
    pub fn whole_bytes(&self, id: FileId) -> Bytes {
        self.files.get(id.0 as usize).map(|entry| entry.wire.clone()).unwrap_or_default()
    }

    /// A file, a `FileDescriptorProto`: in its own bytes, or without the services that nobody may know.
    pub fn bytes(&self, id: FileId) -> Bytes {
        let Some(Entry { wire, .. }) = self.files.get(id.0 as usize) else { return Bytes::new() };
        let file = read(wire);
        let is_hidden =
            |service: &[u8]| !self.services.contains(&joined(file.package, find::service_name(service)));
        if file.services.iter().any(|service| is_hidden(service)) {
            without(wire, |number, value| number == SERVICE && is_hidden(value)).into()
        } else {
            wire.clone()
        }
    }
}

/// A schema was loaded from it, so it can be read.
fn read(wire: &[u8]) -> File<'_> {
    File::read(wire).unwrap_or_default()
}

/// Each file once; of two that have one name, which are equal then, either.
fn by_name(files: &Files) -> HashMap<String, Bytes> {
    files.all().map(|wire| (read(&wire).name.to_owned(), wire)).collect()
}
