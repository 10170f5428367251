//! The fuzz targets on their committed corpus and on a fixed number of mutations of it.

use std::path::Path;

use crate::support::Random;

#[path = "../../fuzz/entry.rs"]
mod entry;

/// Inputs do not grow above this many bytes.
const MAX_INPUT: usize = 4096;

#[test]
fn json_to_wire() {
    run("json_to_wire", entry::json_to_wire, 20_000);
}

#[test]
fn wire_to_json() {
    run("wire_to_json", entry::wire_to_json, 20_000);
}

#[test]
fn descriptor_load() {
    // What is built in is loaded with each input.
    run("descriptor_load", entry::descriptor_load, 2_000);
}

fn run(target: &str, entry: fn(&[u8]), mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<_> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(corpus.len() >= 10, "the corpus of {target} is too small: {}", corpus.len());
    for (path, input) in files.iter().zip(&corpus) {
        shown(&path.display().to_string(), input, entry);
    }
    let mut random = Random::new(20_261_124);
    for at in 0..mutations {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &corpus, &mut random);
        }
        input.truncate(MAX_INPUT);
        shown(&format!("mutation {at}"), &input, entry);
    }
}

/// Runs one input; where it panics the input is shown, to be added to the corpus.
fn shown(what: &str, input: &[u8], entry: fn(&[u8])) {
    let outcome = std::panic::catch_unwind(|| entry(input));
    assert!(
        outcome.is_ok(),
        "{what} fails: {:?}",
        String::from_utf8_lossy(input).into_owned() + &format!(" = {input:02x?}")
    );
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    const INTERESTING: [&[u8]; 14] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"\\u0000",
        b"null",
        b"-0.0",
        b"1e400",
        b"\"@type\":",
        &[0xff],
        &[0x80],
        &[0],
        &[0x0b],
    ];
    let at = random.below(input.len() + 1);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.next() as u8,
        2 => drop(input.splice(at..at, INTERESTING[random.below(INTERESTING.len())].iter().copied())),
        3 => {
            let end = (at + random.below(16)).min(input.len());
            input.drain(at..end);
        }
        4 => {
            let end = (at + random.below(64)).min(input.len());
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input.truncate(at),
    }
}
