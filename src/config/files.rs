//! The files that a configuration names: read whole, within a bound, and found by pattern.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::descriptors::Protos;
use super::place::Located;
use super::problem::{Problem, Problems, quote};
use super::value::glob::{Part, matches};
use super::value::path::FilePath;
use super::value::secret::Secret;

/// The most directory entries that one pattern looks at.
const MAX_VISITED: usize = 100_000;
/// The most directories that a file may lie below the include directory.
const MAX_DEPTH: usize = 64;

/// Reads a file that the configuration names. When there is nothing, an error at the path was added.
pub fn read_named(path: &Located<FilePath>, max: u64, problems: &mut Problems) -> Option<Vec<u8>> {
    reported(path, read(path, max), problems)
}

/// Like [`read_named`], for a file that is text in UTF-8. A byte order mark is kept.
pub fn read_named_text(path: &Located<FilePath>, max: u64, problems: &mut Problems) -> Option<String> {
    reported(path, read(path, max).and_then(utf8), problems)
}

/// The largest file of a secret, in bytes.
const MAX_SECRET: u64 = 4_096;

/// Reads a secret, without a line break at its end. When there is nothing, an error was added.
pub fn read_secret(secret: &Located<Secret>, problems: &mut Problems) -> Option<Vec<u8>> {
    let mut text = match &secret.value {
        Secret::File(path) => {
            read_named(&Located { value: path.clone(), place: secret.place }, MAX_SECRET, problems)?
        }
        Secret::Variable(name) => match std::env::var(name) {
            Ok(text) => text.into_bytes(),
            Err(_) => {
                let text = format!("The environment variable `{name}` is not set, or not in UTF-8.");
                let hint = "Set it, or name a file: file:PATH.";
                problems.push(Problem::error(text).at(secret.place).hint(hint));
                return None;
            }
        },
    };
    let line =
        text.strip_suffix(b"\n").map_or(text.len(), |text| text.strip_suffix(b"\r").unwrap_or(text).len());
    text.truncate(line);
    Some(text)
}

/// The same for one that is text.
pub fn read_secret_text(secret: &Located<Secret>, problems: &mut Problems) -> Option<String> {
    let text = String::from_utf8(read_secret(secret, problems)?).ok().filter(|text| !text.is_empty());
    if text.is_none() {
        let message = "The secret is empty, or not text in UTF-8.";
        let hint = "Write the password alone into the file or the variable.";
        problems.push(Problem::error(message).at(secret.place).hint(hint));
    }
    text
}

fn reported<T>(path: &Located<FilePath>, read: Result<T, Reason>, problems: &mut Problems) -> Option<T> {
    match read {
        Ok(content) => Some(content),
        Err(reason) => {
            let message = format!("The file {} cannot be read: {}.", path.display(), reason.message);
            problems.push(Problem::error(message).at(path.place).hint(reason.hint));
            None
        }
    }
}

/// Why a file cannot be read, as the end of a sentence, and what to do.
pub(super) struct Reason {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Reason {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// Reads a whole file of at most `max` bytes.
pub(super) fn read(path: &Path, max: u64) -> Result<Vec<u8>, Reason> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Reason::new(
            "it does not exist",
            "Check the path. A relative path in the configuration begins at the directory of its file.",
        ),
        ErrorKind::PermissionDenied => {
            Reason::new("permission was denied", "Let the user that Transom runs as read it.")
        }
        ErrorKind::IsADirectory => Reason::new("it is a directory", "Name a file in it."),
        _ => Reason::new(error.to_string(), "Check the path and the disk."),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more than is allowed tells a full file from one that is too large.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        let hint = "Check that it is the right file, or make it smaller.";
        return Err(Reason::new(format!("it is larger than {max} bytes"), hint));
    }
    Ok(bytes)
}

/// The text of a file.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Reason> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Reason::new(format!("line {line} is not valid UTF-8"), "Save the file in UTF-8.")
    })
}

/// A proto file that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtoFile {
    /// Its name as imports write it: relative to the include directory, with `/`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Finds the proto files of a section, sorted by name; of two with the same name, the one in the
/// include directory that is named first. Patterns that find nothing are reported.
pub fn proto_files(protos: &Protos, problems: &mut Problems) -> Vec<ProtoFile> {
    let mut found: BTreeSet<ProtoFile> = BTreeSet::new();
    let mut names = BTreeSet::new();
    for glob in protos.files.iter() {
        let mut walk = Walk { visited: 0, found: Vec::new() };
        for include in protos.include.iter() {
            walk.directory(include, &glob.parts, "", 0);
        }
        if walk.visited > MAX_VISITED {
            let message =
                format!("{} has more than {MAX_VISITED} files to look at.", quote(&glob.to_string()));
            let hint = "Name a narrower include directory or pattern.";
            problems.push(Problem::error(message).at(glob.place).hint(hint));
        } else if walk.found.is_empty() {
            let directories: Vec<_> = protos.include.iter().map(|path| path.display().to_string()).collect();
            let message = format!("{} finds no file.", quote(&glob.to_string()));
            let hint = format!(
                "It was looked for in: {}. Relative paths begin at the directory of this file.",
                directories.join(", ")
            );
            problems.push(Problem::error(message).at(glob.place).hint(hint));
        }
        found.extend(walk.found.into_iter().filter(|file| names.insert(file.name.clone())));
    }
    found.into_iter().collect()
}

struct Walk {
    visited: usize,
    found: Vec<ProtoFile>,
}

impl Walk {
    /// Follows the rest of a pattern below a directory.
    fn directory(&mut self, directory: &Path, parts: &[Part], name: &str, depth: usize) {
        let Some((part, rest)) = parts.split_first() else { return };
        if self.visited > MAX_VISITED || depth > MAX_DEPTH {
            return;
        }
        match part {
            Part::Name(part) if !part.contains(['*', '?']) => {
                self.visited += 1;
                self.step(directory.join(part), rest, &joined(name, part), depth);
            }
            Part::Name(part) => {
                for (path, entry) in self.entries(directory) {
                    if matches(part.as_bytes(), entry.as_bytes()) {
                        self.step(path, rest, &joined(name, &entry), depth);
                    }
                }
            }
            Part::Directories => {
                self.directory(directory, rest, name, depth);
                for (path, entry) in self.entries(directory) {
                    // A link to a directory above would never end.
                    if path.is_dir() && !path.is_symlink() {
                        self.directory(&path, parts, &joined(name, &entry), depth + 1);
                    }
                }
            }
        }
    }

    fn step(&mut self, path: PathBuf, rest: &[Part], name: &str, depth: usize) {
        if !rest.is_empty() {
            self.directory(&path, rest, name, depth + 1);
        } else if path.is_file() {
            self.found.push(ProtoFile { name: name.to_owned(), path });
        }
    }

    /// The entries of a directory in order of name, as far as they are to be looked at. Hidden ones and
    /// names that are not Unicode are passed over.
    fn entries(&mut self, directory: &Path) -> Vec<(PathBuf, String)> {
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut list = Vec::new();
        for entry in entries.flatten() {
            self.visited += 1;
            if self.visited > MAX_VISITED {
                break;
            }
            if let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
            {
                list.push((entry.path(), name));
            }
        }
        list.sort();
        list
    }
}

fn joined(name: &str, part: &str) -> String {
    if name.is_empty() { part.to_owned() } else { format!("{name}/{part}") }
}
