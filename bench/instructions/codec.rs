//! Reads or writes one message of the codec's corpus as often as told, and does nothing else.
//!
//! `codec read|write NAME TIMES`

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;

use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::schema::Schema;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [direction, name, times] = &*arguments else {
        panic!("read or write, a name and a number are needed")
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../codec/corpus");
    let schema = Schema::load(&[&std::fs::read(folder.join("corpus.binpb")).unwrap()]).unwrap();
    let message = if name.starts_with("mixed") { "bench.Order" } else { "bench.Kinds" };
    let id = schema.find_message(message).unwrap();
    let reads = direction == "read";
    let input = std::fs::read(folder.join(name).with_extension(if reads { "json" } else { "wire" })).unwrap();
    for _ in 0..times.parse().unwrap() {
        let mut out = Vec::new();
        if reads {
            read(&schema, id, &input, &ReadOptions::default(), &mut out).unwrap();
        } else {
            write(&schema, id, &input, &WriteOptions::default(), &mut out).unwrap();
        }
        black_box(out);
    }
}
