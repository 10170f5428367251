//! XML: whatever has a JSON form has an XML form that says the same.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use transom::codec::json;
use transom::codec::xml::lexer::Limits;
use transom::codec::xml::read::{ReadOptions, read};
use transom::codec::xml::write::{WriteOptions, write};
use transom::schema::{MessageId, Schema};

use crate::generate::{self, Choices, Shape};
use crate::support::{BOTH, Random, TYPES, test_messages, to_json, to_wire, value};

/// The vectors of the conformance suite and the descriptor sets of their messages.
const VECTORS: [(&str, &str); 4] = [
    ("vectors.jsonl", "test_messages.binpb"),
    ("vectors_extra.jsonl", "test_messages.binpb"),
    ("vectors_editions2023.jsonl", "conformance.binpb"),
    ("vectors_editions2023_extra.jsonl", "conformance.binpb"),
];

/// A list or map in JSON is one level, in XML a map of messages is three.
const DEEP: Limits = Limits { depth: 256, elements: 100_000 };

fn to_xml(schema: &Schema, id: MessageId, wire: &[u8]) -> Result<String, String> {
    let mut xml = b"before".to_vec();
    let written = write(schema, id, wire, &WriteOptions::default(), &mut xml);
    let xml = xml.split_off(6);
    assert!(written.is_ok() || xml.is_empty());
    written.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(xml).unwrap())
}

fn from_xml(schema: &Schema, id: MessageId, xml: &str) -> Result<Vec<u8>, String> {
    let options = ReadOptions { limits: DEEP, ..ReadOptions::default() };
    let mut wire = Vec::new();
    read(schema, id, xml.as_bytes(), &options, &mut wire).map_err(|error| error.to_string())?;
    Ok(wire)
}

/// JSON text of the message, by way of XML.
fn through_xml(schema: &Schema, id: MessageId, wire: &[u8]) -> Result<(String, String), String> {
    let xml = to_xml(schema, id, wire)?;
    let back = from_xml(schema, id, &xml).map_err(|error| format!("{error}: {xml}"))?;
    Ok((to_json(schema, id, &back)?, xml))
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn every_conformance_message_goes_through_xml_without_loss() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codec/conformance");
    let (mut passed, mut refused) = (0, 0);
    for (name, set) in VECTORS {
        let schema = Schema::load(&[&std::fs::read(folder.join(set)).unwrap()]).unwrap();
        for line in std::fs::read_to_string(folder.join(name)).unwrap().lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            let id = schema.find_message(vector["message_type"].as_str().unwrap()).unwrap();
            let input = STANDARD.decode(vector["input_b64"].as_str().unwrap()).unwrap();
            let wire = if vector["input_format"] == "json" {
                let ignore_unknown = vector["ignore_unknown"].as_bool().unwrap();
                let options = json::read::ReadOptions { ignore_unknown, ..Default::default() };
                let mut wire = Vec::new();
                if json::read::read(&schema, id, &input, &options, &mut wire).is_err() {
                    continue;
                }
                wire
            } else {
                input
            };
            match to_json(&schema, id, &wire) {
                Ok(json) => {
                    let (back, xml) = through_xml(&schema, id, &wire)
                        .unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
                    // The order of members may be another one: XML has that of the declaration.
                    assert_eq!(parsed(&back), parsed(&json), "{}: {xml}", vector["name"]);
                    passed += 1;
                }
                Err(error) => {
                    assert!(to_xml(&schema, id, &wire).is_err(), "{}: {error}", vector["name"]);
                    refused += 1;
                }
            }
        }
    }
    assert!(passed > 3_000 && refused > 10, "{passed} passed, {refused} have no form");
}

#[test]
fn random_messages_go_through_xml_without_loss() {
    let mut random = Random::new(11);
    let mut passed = 0;
    for at in 0..6_000 {
        let name = TYPES[at % TYPES.len()];
        let id = BOTH.id(name);
        let bytes = random.bytes(400);
        let shape = Shape { is_tidy: at % 3 == 0, has_pure_entries: false };
        let wire = generate::message(&BOTH.schema, id, &mut Choices::new(&bytes), shape);
        let Ok(json) = to_json(&BOTH.schema, id, &wire) else {
            assert!(to_xml(&BOTH.schema, id, &wire).is_err(), "{wire:02x?}");
            continue;
        };
        let (back, xml) =
            through_xml(&BOTH.schema, id, &wire).unwrap_or_else(|error| panic!("{error} {json} {wire:02x?}"));
        assert_eq!(parsed(&back), parsed(&json), "{xml}");
        // What is written of what was read is the same text: it is canonical.
        let again = from_xml(&BOTH.schema, id, &xml).unwrap();
        assert_eq!(to_xml(&BOTH.schema, id, &again).as_deref(), Ok(&*xml));
        assert_eq!(to_wire(&BOTH.schema, id, &json).map(drop), Ok(()));
        passed += 1;
    }
    assert!(passed > 2_000, "too few messages have a JSON form: {passed}");
}

/// What was written means to another reader, which knows lxml and the rules and nothing of this codec, what JSON says.
#[test]
fn another_reader_agrees() {
    let mut random = Random::new(13);
    let mut cases = Vec::new();
    for at in 0..3_000 {
        let (name, bytes) = (TYPES[at % TYPES.len()], random.bytes(300));
        let shape = Shape { is_tidy: false, has_pure_entries: true };
        let wire = generate::message(&BOTH.schema, BOTH.id(name), &mut Choices::new(&bytes), shape);
        if let Ok(json) = to_json(&BOTH.schema, BOTH.id(name), &wire) {
            cases.push((name, to_xml(&BOTH.schema, BOTH.id(name), &wire).unwrap(), json));
        }
    }
    assert!(cases.len() > 1_000, "too few messages have a JSON form: {}", cases.len());
    let questions: String =
        cases.iter().map(|(name, xml, _)| format!("{name}\t{}\n", STANDARD.encode(xml))).collect();
    let answers = ask(&questions);
    assert_eq!(answers.lines().count(), cases.len());
    for ((name, xml, json), answer) in cases.iter().zip(answers.lines()) {
        if let Some(error) = answer.strip_prefix("error\t") {
            panic!("{}: {xml}", String::from_utf8(STANDARD.decode(error).unwrap()).unwrap());
        }
        let wire = STANDARD.decode(answer).unwrap();
        let found = to_json(&BOTH.schema, BOTH.id(name), &wire).unwrap();
        assert_eq!(value(&found), value(json), "{xml}");
    }
}

fn ask(questions: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python =
        std::env::var_os("TRANSOM_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let mut child = Command::new(&python)
        .arg(root.join("tests/codec/xml_oracle.py"))
        .arg(test_messages())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{} does not run ({error}); ./test installs it, or set TRANSOM_PYTHON", python.display())
        });
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(questions.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "the other reader failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
