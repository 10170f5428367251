//! Fuzzing on the stable toolchain: every input of `fuzz/corpus` is replayed, and mutations of them are
//! tried, the same ones in every run.
//!
//! `TRANSOM_FUZZ_ROUNDS` sets how many mutations each target gets, `TRANSOM_FUZZ_SEED` which ones. An input
//! that fails is written to `fuzz/artifacts`; move it into the corpus together with the fix.

#![allow(clippy::unwrap_used, reason = "here a panic is how a test fails")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "../fuzz/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own as well")]
mod fuzz;

/// How many mutations a target gets by default: a few seconds for all in a debug build.
const ROUNDS: u64 = 20_000;

/// The longest input that is tried, in bytes.
const MAX_INPUT: usize = 32 << 10;

#[test]
fn template() {
    run("template", ROUNDS);
}

#[test]
fn path() {
    run("path", ROUNDS);
}

#[test]
fn query() {
    run("query", ROUNDS);
}

#[test]
fn form() {
    run("form", ROUNDS);
}

#[test]
fn json_to_wire() {
    run("json_to_wire", ROUNDS);
}

#[test]
fn wire_to_json() {
    run("wire_to_json", ROUNDS);
}

#[test]
fn xml_to_wire() {
    run("xml_to_wire", ROUNDS);
}

#[test]
fn descriptor_load() {
    // What is built in is loaded with each input.
    run("descriptor_load", ROUNDS / 10);
}

#[test]
fn websocket() {
    run("websocket", ROUNDS);
}

#[cfg(feature = "gateway")]
#[test]
fn http2() {
    // Each input is read twice, on two connections.
    run("http2", ROUNDS / 4);
}

#[cfg(feature = "gateway")]
#[test]
fn redis() {
    run("redis", ROUNDS);
}

#[cfg(feature = "gateway")]
#[test]
fn soap() {
    run("soap", ROUNDS / 4);
}

#[cfg(feature = "gateway")]
#[test]
fn translate() {
    run("translate", ROUNDS);
}

fn run(name: &str, rounds: u64) {
    let target = fuzz::TARGETS.iter().find(|(other, _)| *other == name).unwrap().1;
    let corpus = corpus(name);
    for (file, input) in &corpus {
        assert!(catch_unwind(|| target(input)).is_ok(), "{} fails", file.display());
    }
    let mut random = Random(setting("TRANSOM_FUZZ_SEED", 1));
    for round in 0..setting("TRANSOM_FUZZ_ROUNDS", rounds) {
        let input = mutated(&corpus, &mut random);
        if catch_unwind(|| target(&input)).is_err() {
            let file = root().join(format!("fuzz/artifacts/{name}/round-{round}"));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, input).unwrap();
            panic!("an input fails; it is in {}", file.display());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// The inputs of a target, in the order of their names so that every run is the same.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder: &Path = &root().join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

/// An input of the corpus, changed in one to eight places.
fn mutated(corpus: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].1.clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let end = (at + 1 + random.below(16)).min(input.len());
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = BYTES[random.below(BYTES.len())],
            2 => input.insert(at, BYTES[random.below(BYTES.len())]),
            3 => {
                input.drain(at..end.max(at));
            }
            4 => {
                let part = input[at..end.max(at)].to_vec();
                let repeats = 1 + random.below(4);
                input.splice(at..at, part.repeat(repeats));
            }
            5 => {
                let other = &corpus[random.below(corpus.len())].1;
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => input.truncate(at),
        }
        input.truncate(MAX_INPUT);
    }
    input
}

/// Bytes that mean something to one of the grammars, and the ends of ranges.
const BYTES: &[u8] =
    b"\x00\x01\x08\x0a\x0b\x0c\x12\x1f\x7f\x80\xc3\xed\xf4\xff \"\\/{}[]:,.*%=&+-_09aAeEuT<>!?;'x";

/// SplitMix64.
struct Random(u64);

impl Random {
    /// A number below `limit`, which is above zero.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}
