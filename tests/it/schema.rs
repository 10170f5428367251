//! `transom schema`, with an independent validator: what Transom accepts fits it, and what it does not accept
//! does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::deploy::kubernetes_configuration;
use crate::support::gateway::transom;
use crate::support::process::{python, run};
use crate::support::root;

/// Validates files by the schema of this version.
fn validate(folder: &Path, files: &[PathBuf]) -> Output {
    let schema = folder.join("schema.json");
    fs::write(&schema, run(&mut transom(&["schema"])).stdout).unwrap();
    python("tests/python/schema.py").arg(schema).args(files).output().unwrap()
}

/// The configurations in a text: blocks of YAML that name upstreams.
fn blocks(name: &str, text: &str, folder: &Path) -> Vec<PathBuf> {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let whole = blocks.filter(|block| block.contains("upstreams:"));
    let write = |(number, block): (usize, &str)| {
        let file = folder.join(format!("{name}-{number}.yaml"));
        fs::write(&file, block).unwrap();
        file
    };
    whole.enumerate().map(write).collect()
}

/// The files with this extension in a folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

#[test]
fn every_configuration_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![root().join("src/config/tests/full.yaml")];
    for example in fs::read_dir(root().join("examples")).unwrap() {
        all.extend(files(&example.unwrap().path(), "yaml"));
    }
    assert!(all.len() > 2, "the examples were not found: {all:?}");
    let documents = [vec![root().join("README.md")], files(&root().join("docs"), "md")].concat();
    let before = all.len();
    for document in documents {
        let name = document.file_stem().unwrap().to_str().unwrap();
        all.extend(blocks(name, &fs::read_to_string(&document).unwrap(), folder.path()));
    }
    assert!(all.len() >= before + 2, "the blocks of the README were not found");
    let starter = folder.path().join("starter.yaml");
    let set = root().join("examples/bookstore/bookstore.binpb");
    run(transom(&["init", "--descriptors"]).arg(set).arg("--output").arg(&starter));
    all.push(starter);
    let kubernetes = folder.path().join("kubernetes.yaml");
    fs::write(&kubernetes, kubernetes_configuration()).unwrap();
    all.push(kubernetes);

    let output = validate(folder.path(), &all);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn mistakes_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let start = "upstreams: {shop: http://127.0.0.1:1}\n";
    let table = [
        ("services: [\"**\"]\n", "'upstreams' is a required property"),
        (&format!("{start}services: []\n"), "$.services: "),
        (&format!("{start}services: [\"**\"]\nservice: 1\n"), "'service' was unexpected"),
        (&format!("{start}services: [{{service: a.B, json: {{names: snake}}}}]\n"), "$.services[0]: "),
        (&format!("{start}services: [\"**\"]\nhttp: {{header_count: 5}}\n"), "$.http.header_count: "),
        (
            &format!("{start}services: [\"**\"]\ndescriptors: [{{set: a, reflection: b}}]\n"),
            "$.descriptors[0]: ",
        ),
        (
            &format!("{start}services: [\"**\"]\nlisteners: [{{address: nowhere}}]\n"),
            "$.listeners[0].address: ",
        ),
    ];
    for (text, expected) in table {
        let file = folder.path().join("wrong.yaml");
        fs::write(&file, text).unwrap();
        let output = validate(folder.path(), &[file]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{text}\n{said}");
    }
}
