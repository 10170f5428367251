//! `descriptors`

use super::place::Located;
use super::settings::collection::NonEmpty;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::glob::Glob;
use super::value::path::FilePath;

settings! {
    /// One source of descriptors or of HTTP rules.
    pub enum Descriptors {
        /// A FileDescriptorSet, as `protoc --descriptor_set_out` or `buf build` write it.
        set: Set(Located<FilePath>),
        /// Proto source files, compiled at start.
        protos: Protos(Protos),
        /// The upstream that is asked by gRPC reflection.
        reflection: Reflection(Located<String>),
        /// A google.api.Service in YAML whose `http` section adds to or overrides the annotations.
        http_rules: HttpRules(Located<FilePath>),
    }
    check check
}

settings! {
    /// Proto source files.
    pub struct Protos {
        /// The directories that imports start from.
        include: NonEmpty<Located<FilePath>>,
        /// The files, relative to the include directories. `*` and `?` stand for parts of a name, `**`
        /// for any directories.
        files: NonEmpty<Located<Glob>>,
    }
    example "Write `protos: {include: [protos], files: [\"**/*.proto\"]}`: the directories that imports start \
             from, and the files in them."
}

impl Descriptors {
    /// The upstream that is named, for reflection.
    pub fn upstream(&self) -> Option<&Located<String>> {
        match self {
            Self::Reflection(name) => Some(name),
            _ => None,
        }
    }

    fn check(&self, reader: &mut Reader<'_>) {
        if let Some(name) = self.upstream() {
            reader.refers_to_upstream(name);
        }
    }
}
