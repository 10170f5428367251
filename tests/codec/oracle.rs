//! Random messages, with the reference implementation in Python as the judge.
//!
//! The interpreter is `TRANSOM_PYTHON`, else that of `.venv`, which `./test` installs; it needs the
//! package `protobuf`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::generate::{self, Choices, Shape};
use crate::properties::spell;
use crate::support::{BOTH, Random, TYPES, test_messages, to_json, to_wire, value};

const MESSAGES: usize = 3_000;

/// What the judge is asked about one message.
struct Case {
    name: &'static str,
    wire: Vec<u8>,
    json: String,
    /// The same JSON in another spelling, and the wire that it makes.
    spelled: String,
    read: Vec<u8>,
}

#[test]
fn the_reference_implementation_agrees() {
    let mut random = Random::new(7);
    let cases: Vec<_> = (0..MESSAGES).filter_map(|at| case(TYPES[at % TYPES.len()], &mut random)).collect();
    assert!(cases.len() > MESSAGES / 2, "too few messages have a JSON form: {}", cases.len());
    let mut questions = String::new();
    for Case { name, wire, spelled, read, .. } in &cases {
        for (kind, content) in [("wire", &**wire), ("json", spelled.as_bytes()), ("wire", &**read)] {
            questions.push_str(&format!("{kind}\t{name}\t{}\n", STANDARD.encode(content)));
        }
    }
    let answers = ask(&questions);
    assert_eq!(answers.len(), cases.len() * 3, "the judge did not answer each question");
    for (case, answers) in cases.iter().zip(answers.chunks(3)) {
        let [of_wire, of_json, of_read] = answers else { panic!("three answers") };
        let Case { name, wire, json, spelled, .. } = case;
        let (text, _) = of_wire.as_ref().unwrap_or_else(|e| panic!("{e}: {name} {wire:02x?}"));
        assert_eq!(coarse(value(json)), coarse(value(text)), "{name} {wire:02x?}");
        // It takes the shortest text of the largest float for one that is too large.
        if of_json.as_ref().is_err_and(|error| error.contains("Float value too large")) {
            assert!(spelled.contains("3.4028235e"), "{name} {spelled}");
            continue;
        }
        let (_, expected) = of_json.as_ref().unwrap_or_else(|e| panic!("{e}: {name} {spelled}"));
        let (_, found) = of_read.as_ref().unwrap_or_else(|e| panic!("{e}: {name} {spelled}"));
        assert_eq!(found, expected, "{name} {spelled}");
    }
}

/// With numbers as floats, as the judge does not always write the shortest text of a small one. That no
/// digit is lost is seen where it reads the text.
fn coarse(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, |number| Value::from(number as f32)),
        Value::Array(items) => items.into_iter().map(coarse).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, coarse(value))).collect(),
        other => other,
    }
}

/// A random message, if it has a JSON form.
fn case(name: &'static str, random: &mut Random) -> Option<Case> {
    let id = BOTH.id(name);
    let [choices, style] = [300, 300].map(|count| random.bytes(count));
    let shape = Shape { is_tidy: false, has_pure_entries: true };
    let wire = generate::message(&BOTH.schema, id, &mut Choices::new(&choices), shape);
    let json = to_json(&BOTH.schema, id, &wire).ok()?;
    let mut spelled = String::new();
    spell(&serde_json::from_str(&json).unwrap(), &mut Choices::new(&style), &mut spelled);
    let read = to_wire(&BOTH.schema, id, &spelled).unwrap();
    Some(Case { name, wire, json, spelled, read })
}

type Answer = Result<(String, Vec<u8>), String>;

fn ask(questions: &str) -> Vec<Answer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python =
        std::env::var_os("TRANSOM_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let mut child = Command::new(&python)
        .arg(root.join("tests/codec/oracle.py"))
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
    assert!(output.status.success(), "the judge failed: {}", output.status);
    let text = |part: &str| String::from_utf8(STANDARD.decode(part).unwrap()).unwrap();
    let answer = |line: &str| match line.split_once('\t').unwrap() {
        ("error", reason) => Err(text(reason)),
        (json, wire) => Ok((text(json), STANDARD.decode(wire).unwrap())),
    };
    String::from_utf8(output.stdout).unwrap().lines().map(answer).collect()
}
