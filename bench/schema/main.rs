//! How long a schema takes to load and how much memory at most: a made-up API collection of the size of
//! the largest published one (7,000 files, 13,000 annotated methods, 20 MB).
//!
//! `cargo bench --profile dist --bench schema`

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use transom::schema::Schema;

mod collection;

/// Loads are repeated, as the first one pays for fresh memory.
const ROUNDS: usize = 5;

#[expect(clippy::disallowed_types, reason = "real time is what is measured")]
fn main() {
    use std::time::Instant;

    let before = peak();
    let set = collection::build(7_000, 13_000);
    let with_set = peak();
    println!("set of {:.1} MB; peak memory with it {:.1} MB", mega(set.len()), mega(with_set - before));
    for round in 0..ROUNDS {
        let start = Instant::now();
        let schema = Schema::load(&[&set]).unwrap();
        let elapsed = start.elapsed();
        let methods: usize = schema.services().iter().map(|service| service.methods().len()).sum();
        let annotated = schema.services().iter().flat_map(|service| service.methods());
        let annotated = annotated.filter(|method| method.rule().is_some()).count();
        let now = mega(peak() - before);
        println!(
            "load {round}: {:.3} s; {methods} methods, {annotated} annotated; peak {now:.1} MB = {:.2} x the set",
            elapsed.as_secs_f64(),
            now / mega(set.len()),
        );
        if round == 0 {
            println!("{schema:?}");
        }
    }
}

fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// The most memory that this process ever had resident, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
