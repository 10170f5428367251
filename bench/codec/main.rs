//! The JSON codec against `prost-reflect` with `serde_json`, and against `serde_json` that merely skips
//! the text, on the messages of `corpus/`.
//!
//! `cargo bench --no-default-features --profile dist --bench codec [-- NAME...]`
//!
//! With `--profile=read` or `--profile=write` only this codec runs, for two seconds a message, to be looked at
//! with `perf`. With `--times=N` it runs N times: the instructions of one run are the difference between what
//! `valgrind --tool=callgrind` counts for two N, by their distance. A name that is a message's whole name
//! stands for that message only.
//!
//! The columns XML say how long the XML codec takes for a byte of its text, as a multiple of JSON.
//!
//! All contenders run one after the other in each round, so that what else the machine does touches all
//! alike; a ratio is the median over the rounds.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::de::IgnoredAny;
use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::codec::xml;
use transom::schema::{MessageId, Schema};

mod count;

#[global_allocator]
static ALLOCATOR: count::Counting = count::Counting;

const ROUNDS: usize = 31;
/// How long one contender runs in one round.
const BATCH: Duration = Duration::from_millis(2);

/// One message of the corpus.
struct Case {
    name: String,
    json: Vec<u8>,
    wire: Vec<u8>,
    id: MessageId,
    descriptor: MessageDescriptor,
}

/// What was measured of one message.
struct Row {
    /// Times in microseconds: JSON to wire and wire to JSON.
    micros: [f64; 2],
    /// How many times as long `prost-reflect` takes.
    faster: [f64; 2],
    /// The time of XML for a byte of text as a multiple of that of JSON: to wire, and from wire.
    xml: [f64; 2],
    /// The time of JSON to wire as a multiple of that of skipping the text.
    to_skip: f64,
    allocations: [usize; 2],
}

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let option = |name: &str| std::env::args().find_map(|arg| arg.strip_prefix(name).map(str::to_owned));
    let profiled = option("--profile=");
    let times = option("--times=").map(|times| times.parse().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/codec/corpus");
    let set = std::fs::read(folder.join("corpus.binpb")).unwrap();
    let schema = Schema::load(&[&set]).unwrap();
    let pool = DescriptorPool::decode(&*set).unwrap();
    println!(
        "{:<20} {:>7} {:>7} | {:>9} {:>7} {:>7} {:>6} {:>6} | {:>9} {:>7} {:>6} {:>6}",
        "message",
        "JSON",
        "wire",
        "read us",
        "faster",
        "/skip",
        "alloc",
        "XML",
        "write us",
        "faster",
        "alloc",
        "XML"
    );
    let mut rows = Vec::new();
    let cases = cases(&folder, &schema, &pool);
    let is_whole = |name: &String| cases.iter().any(|case| case.name == *name);
    let matches =
        |case: &Case, name: &String| case.name == *name || !is_whole(name) && case.name.contains(name);
    for case in &cases {
        if wanted.is_empty() || wanted.iter().any(|name| matches(case, name)) {
            if let Some(direction) = &profiled {
                profile(&schema, case, direction, times);
                continue;
            }
            let row = measure(&schema, case);
            print(case, &row);
            rows.push((&*case.name, row));
        }
    }
    summary(&rows);
}

fn cases(folder: &Path, schema: &Schema, pool: &DescriptorPool) -> Vec<Case> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|of| of == "json")).collect();
    files.sort_by_key(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (
            !name.starts_with("mixed"),
            std::fs::metadata(path).unwrap().len() * u64::from(name.starts_with("mixed")),
            name,
        )
    });
    let case = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let of = if name.starts_with("mixed") { "bench.Order" } else { "bench.Kinds" };
        Case {
            json: std::fs::read(&path).unwrap(),
            wire: std::fs::read(path.with_extension("wire")).unwrap(),
            id: schema.find_message(of).unwrap(),
            descriptor: pool.get_message_by_name(of).unwrap(),
            name,
        }
    };
    files.into_iter().map(case).collect()
}

fn measure(schema: &Schema, case: &Case) -> Row {
    let ours_read = || {
        let mut wire = Vec::new();
        read(schema, case.id, &case.json, &ReadOptions::default(), &mut wire).unwrap();
        wire
    };
    let ours_write = || {
        let mut json = Vec::new();
        write(schema, case.id, &case.wire, &WriteOptions::default(), &mut json).unwrap();
        json
    };
    let mut xml = Vec::new();
    xml::write::write(schema, case.id, &case.wire, &WriteOptions::default(), &mut xml).unwrap();
    let limits = xml::lexer::Limits { elements: usize::MAX, ..xml::lexer::Limits::default() };
    let options = xml::read::ReadOptions { limits, ..xml::read::ReadOptions::default() };
    let xml_read = || {
        let mut wire = Vec::new();
        xml::read::read(schema, case.id, &xml, &options, &mut wire).unwrap();
        wire
    };
    let xml_write = || {
        let mut text = Vec::new();
        xml::write::write(schema, case.id, &case.wire, &WriteOptions::default(), &mut text).unwrap();
        text
    };
    let theirs_read = || {
        let mut reader = serde_json::Deserializer::from_slice(&case.json);
        let message = DynamicMessage::deserialize(case.descriptor.clone(), &mut reader).unwrap();
        message.encode_to_vec()
    };
    let theirs_write = || {
        let message = DynamicMessage::decode(case.descriptor.clone(), &*case.wire).unwrap();
        serde_json::to_vec(&message).unwrap()
    };
    let skip = || serde_json::from_slice::<IgnoredAny>(&case.json).unwrap();

    // The same message comes out before anything is measured.
    assert_eq!(decoded(case, &ours_read()), decoded(case, &case.wire), "{}", case.name);
    let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap().to_string().len();
    assert_eq!(value(&ours_write()), value(&theirs_write()), "{}", case.name);

    let allocations =
        [count::of(|| drop(black_box(ours_read()))), count::of(|| drop(black_box(ours_write())))];
    assert_eq!(decoded(case, &xml_read()), decoded(case, &case.wire), "{}", case.name);
    let mut contenders: [Contender<'_>; 7] = [
        Contender::new(|| drop(black_box(ours_read()))),
        Contender::new(|| drop(black_box(theirs_read()))),
        Contender::new(|| _ = black_box(skip())),
        Contender::new(|| drop(black_box(ours_write()))),
        Contender::new(|| drop(black_box(theirs_write()))),
        Contender::new(|| drop(black_box(xml_read()))),
        Contender::new(|| drop(black_box(xml_write()))),
    ];
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.round();
        }
    }
    let [ours_read, theirs_read, skip, ours_write, theirs_write, xml_read, xml_write] = &contenders;
    let for_a_byte = case.json.len() as f64 / xml.len() as f64;
    Row {
        micros: [ours_read.micros(), ours_write.micros()],
        faster: [theirs_read.ratio(ours_read), theirs_write.ratio(ours_write)],
        xml: [xml_read.ratio(ours_read) * for_a_byte, xml_write.ratio(ours_write) * for_a_byte],
        to_skip: ours_read.ratio(skip),
        allocations,
    }
}

fn profile(schema: &Schema, case: &Case, direction: &str, times: Option<u32>) {
    let run = || {
        let mut out = Vec::new();
        if direction == "read" {
            read(schema, case.id, &case.json, &ReadOptions::default(), &mut out).unwrap();
        } else {
            write(schema, case.id, &case.wire, &WriteOptions::default(), &mut out).unwrap();
        }
        black_box(out);
    };
    let times = times.unwrap_or_else(|| (2.0 / elapsed(&run, 10)) as u32);
    println!("{}: {:.2} us", case.name, elapsed(&run, times) * 1e6);
}

fn decoded(case: &Case, wire: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(case.descriptor.clone(), wire).unwrap()
}

/// One way to do the work, and how long it took once in each round.
struct Contender<'a> {
    run: Box<dyn Fn() + 'a>,
    batch: u32,
    seconds: Vec<f64>,
}

impl<'a> Contender<'a> {
    fn new(run: impl Fn() + 'a) -> Self {
        let run = Box::new(run);
        let once = elapsed(&*run, 3).max(1e-9);
        let batch = (BATCH.as_secs_f64() / once).clamp(1.0, 100_000.0) as u32;
        Self { run, batch, seconds: Vec::new() }
    }

    fn round(&mut self) {
        self.seconds.push(elapsed(&*self.run, self.batch));
    }

    fn micros(&self) -> f64 {
        median(self.seconds.clone()) * 1e6
    }

    /// How many times the time of another this one takes.
    fn ratio(&self, other: &Self) -> f64 {
        median(self.seconds.iter().zip(&other.seconds).map(|(mine, other)| mine / other).collect())
    }
}

#[expect(clippy::disallowed_types, reason = "real time is what is measured")]
fn elapsed(run: &dyn Fn(), times: u32) -> f64 {
    let start = std::time::Instant::now();
    for _ in 0..times {
        run();
    }
    start.elapsed().as_secs_f64() / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(case: &Case, row: &Row) {
    let Row { micros, faster, xml, to_skip, allocations } = row;
    println!(
        "{:<20} {:>7} {:>7} | {:>9.2} {:>6.1}x {:>6.2}x {:>6} {:>5.2}x | {:>9.2} {:>6.1}x {:>6} {:>5.2}x",
        case.name,
        case.json.len(),
        case.wire.len(),
        micros[0],
        faster[0],
        to_skip,
        allocations[0],
        xml[0],
        micros[1],
        faster[1],
        allocations[1],
        xml[1],
    );
}

fn summary(rows: &[(&str, Row)]) {
    for (direction, what) in ["JSON to wire", "wire to JSON"].into_iter().enumerate() {
        let Some((name, worst)) =
            rows.iter().min_by(|a, b| a.1.faster[direction].total_cmp(&b.1.faster[direction]))
        else {
            return;
        };
        let mixed: Vec<_> = rows.iter().filter(|(name, _)| name.starts_with("mixed")).collect();
        let product: f64 = mixed.iter().map(|(_, row)| row.faster[direction].ln()).sum();
        println!(
            "{what}: {:.1}x on mixed messages (geometric mean), {:.1}x at worst ({name})",
            (product / mixed.len().max(1) as f64).exp(),
            worst.faster[direction],
        );
    }
}
