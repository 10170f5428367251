//! Reading from the file system.

use std::env::VarError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::SMALLEST;
use crate::config::Config;
use crate::config::descriptors::{Descriptors, Protos};
use crate::config::files::{proto_files, read_named};
use crate::config::load::{MAX_FILE, load, load_with};
use crate::config::problem::Problems;

/// A directory that is removed at the end of a test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("transom-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = Self(std::env::temp_dir().join(name));
        for (name, text) in files {
            directory.write(name, text);
        }
        directory
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn load(&self, name: &str) -> Result<(Config, Problems), Problems> {
        load_with(&self.0.join(name), &|_: &str| Err(VarError::NotPresent))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_is_loaded() {
    let directory = Directory::new(&[("transom.yaml", SMALLEST)]);
    directory.write("bom.yaml", format!("\u{feff}{SMALLEST}"));
    let (config, problems) = load(&directory.0.join("transom.yaml")).unwrap();
    assert!(problems.is_empty());
    assert_eq!(directory.load("bom.yaml").unwrap().0, config);
}

#[test]
fn a_file_that_cannot_be_read() {
    let directory = Directory::new(&[("sub/x", "")]);
    directory.write("latin1.yaml", b"a: 1\nb: \xe4\n");
    directory.write("large.yaml", vec![b'#'; usize::try_from(MAX_FILE).unwrap() + 1]);
    let hint = "Check the path. A relative path in the configuration begins at the directory of its file.";
    for (name, reason, hint) in [
        ("none.yaml", "it does not exist", hint),
        ("sub", "it is a directory", "Name a file in it."),
        ("latin1.yaml", "line 2 is not valid UTF-8", "Save the file in UTF-8."),
        (
            "large.yaml",
            "it is larger than 4194304 bytes",
            "Check that it is the right file, or make it smaller.",
        ),
    ] {
        let problems = directory.load(name).unwrap_err();
        let [problem] = problems.in_order()[..] else { panic!("{problems}") };
        let path = directory.0.join(name);
        let message = format!("The configuration file {} cannot be read: {reason}.", path.display());
        assert_eq!((&problem.message, problem.hint.as_deref()), (&message, Some(hint)));
    }
}

fn protos(directory: &Directory, include: &str, files: &str) -> (Protos, Problems) {
    directory.write(
        "transom.yaml",
        format!("{SMALLEST}descriptors: [{{protos: {{include: {include}, files: {files}}}}}, {{set: none.binpb}}]\n"),
    );
    let (config, problems) = directory.load("transom.yaml").unwrap();
    let Descriptors::Protos(protos) = &config.descriptors[0] else { panic!("{config:?}") };
    (protos.clone(), problems)
}

#[test]
fn proto_files_are_found_by_pattern() {
    let directory = Directory::new(&[
        ("a/shop/v1/orders.proto", ""),
        ("a/shop/v1/users.proto", ""),
        ("a/shop/v1/notes.txt", ""),
        ("a/shop/v10/x.proto", ""),
        ("a/shop/dir.proto/y.proto", ""),
        ("a/.hidden/z.proto", ""),
        ("b/shop/v1/orders.proto", ""),
        ("b/top.proto", ""),
    ]);
    std::os::unix::fs::symlink(directory.0.join("a"), directory.0.join("a/shop/loop")).unwrap();
    for (files, expected) in [
        ("[shop/v1/orders.proto]", vec!["a/shop/v1/orders.proto"]),
        ("[\"shop/v1/*.proto\"]", vec!["a/shop/v1/orders.proto", "a/shop/v1/users.proto"]),
        ("[\"shop/v?/o*s.proto\", \"*.proto\"]", vec!["a/shop/v1/orders.proto", "b/top.proto"]),
        ("[\"shop/**/x.proto\"]", vec!["a/shop/v10/x.proto"]),
        (
            "[\"**/*.proto\", top.proto]",
            vec![
                "a/shop/dir.proto/y.proto",
                "a/shop/v1/orders.proto",
                "a/shop/v1/users.proto",
                "a/shop/v10/x.proto",
                "b/top.proto",
            ],
        ),
    ] {
        let (protos, mut problems) = protos(&directory, "[a, b]", files);
        let found = proto_files(&protos, &mut problems);
        assert!(problems.is_empty(), "{files}: {problems}");
        let paths: Vec<_> = found.iter().map(|file| file.path.strip_prefix(&directory.0).unwrap()).collect();
        assert_eq!(paths, expected.iter().map(Path::new).collect::<Vec<_>>(), "{files}");
        assert!(found.iter().all(|file| file.path.ends_with(&file.name)), "{found:?}");
    }
}

#[test]
fn files_that_are_named_and_missing() {
    let directory = Directory::new(&[("a/x.proto", "")]);
    let (protos, mut problems) = protos(&directory, "[a, b]", "[\"*.proto\", \"y/*.proto\"]");
    let found = proto_files(&protos, &mut problems);
    assert_eq!(found.len(), 1);
    let (config, _) = directory.load("transom.yaml").unwrap();
    let Descriptors::Set(set) = &config.descriptors[1] else { panic!("{config:?}") };
    assert_eq!(read_named(set, 100, &mut problems), None);
    let messages: Vec<_> = problems.in_order().iter().map(|problem| problem.message.clone()).collect();
    assert_eq!(
        messages,
        [
            "`y/*.proto` finds no file.".to_owned(),
            format!(
                "The file {} cannot be read: it does not exist.",
                directory.0.join("none.binpb").display()
            ),
        ]
    );
    let places: Vec<_> = problems
        .in_order()
        .iter()
        .map(|problem| problems.sources.text(problem.place.unwrap()).unwrap())
        .collect();
    assert_eq!(places, ["\"y/*.proto\"", "none.binpb"]);
}
