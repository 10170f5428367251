//! Counts the instructions that the codec takes for a message and the gateway for a request, and compares them
//! with `figures.txt`. Started by `./bench/instructions/run`.
//!
//! What is counted is the difference of two runs, one with twice as many messages or requests as the other, so that
//! starting and stopping do not count. The gateway runs alone under callgrind; its client and its backend are
//! threads of this program. Requests come one after the other on one connection.

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

mod backend;
mod callgrind;
mod cases;
mod client;
mod figures;

use backend::Answer;
use callgrind::Counted;
use cases::{Case, MESSAGES};
use client::Client;
use figures::Figures;

const USAGE: &str = "\
./bench/instructions/run [--update] [--keep FOLDER] [NAME...]

  NAME            only what has this in its name
  --update        write what was counted to figures.txt
  --keep FOLDER   keep the profiles there, with symbols; `callgrind_annotate FILE` shows one
";

/// How often something is counted at most.
const TRIES: usize = 3;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (mut update, mut keep, mut wanted) = (false, None, Vec::new());
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--update" => update = true,
            "--keep" => keep = arguments.next().map(PathBuf::from),
            name if !name.starts_with('-') => wanted.push(argument),
            _ => {
                print!("{USAGE}");
                return ExitCode::from(if argument == "--help" { 0 } else { 2 });
            }
        }
    }
    run(update, keep.as_deref(), &wanted).unwrap_or_else(|error| {
        eprintln!("The instructions cannot be counted: {error}.");
        ExitCode::FAILURE
    })
}

fn run(update: bool, keep: Option<&Path>, wanted: &[String]) -> Outcome<ExitCode> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = folder.join("figures.txt");
    let committed = Figures::parse(&fs::read_to_string(&file).unwrap_or_default())
        .ok_or("figures.txt is not as this program writes it; remove it and use `--update`")?;
    let temporary = env::temp_dir().join(format!("instructions-{}", process::id()));
    let profiles = keep.unwrap_or(&temporary);
    fs::create_dir_all(profiles)?;
    let counted = Counting::new(profiles, update)?.count(folder, &committed, wanted);
    if keep.is_none() {
        fs::remove_dir_all(profiles)?;
    }
    let counted = counted?;
    if update {
        fs::write(&file, committed.updated(&counted).text())?;
        println!("{} is written.", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    match counted.compare(&committed) {
        Ok(note) => print!("{note}"),
        Err(complaint) => {
            eprint!("{complaint}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The programs, and where their profiles go.
struct Counting<'a> {
    codec: PathBuf,
    gateway: PathBuf,
    profiles: &'a Path,
    /// Whether the least of all tries is wanted, not only to know that a figure is kept.
    thorough: bool,
}

impl<'a> Counting<'a> {
    fn new(profiles: &'a Path, thorough: bool) -> Outcome<Self> {
        // `run` builds them all into one folder.
        let here = env::current_exe()?;
        Ok(Self {
            codec: here.with_file_name("codec"),
            gateway: here.with_file_name("transom"),
            profiles,
            thorough,
        })
    }

    /// Counts what has one of the `wanted` in its name, and prints it beside what is committed.
    fn count(&self, folder: &Path, committed: &Figures, wanted: &[String]) -> Outcome<Figures> {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(&**part));
        let mut figures = Figures::here();
        println!("{:<24} {:>10} {:>10}", "instructions", "committed", "counted");
        let mut add = |name: String, count: u64| {
            println!("{}", committed.beside(&name, count));
            figures.set(name, count);
        };
        for (message, times) in MESSAGES {
            for direction in ["read", "write"] {
                let name = format!("codec {direction} {message}");
                if is_wanted(&name) {
                    let count = self.difference(committed.of(&name), times, |times| {
                        self.codec(direction, message, times)
                    })?;
                    add(name, count);
                }
            }
        }
        for case in cases::requests(&folder.join("../codec/corpus"))? {
            let name = format!("request {}", case.name);
            if is_wanted(&name) {
                let count = self.difference(committed.of(&name), case.times, |times| {
                    self.requests(folder, &case, times)
                })?;
                add(name, count);
            }
        }
        Ok(figures)
    }

    /// What one more of something takes. What is more than 1 % over its figure is counted again: the seeds of hash tables differ
    /// from run to run, and the least count is the one without bad luck.
    fn difference(
        &self,
        figure: Option<u64>,
        times: u64,
        total: impl Fn(u64) -> Outcome<u64>,
    ) -> Outcome<u64> {
        let mut least = u64::MAX;
        for _ in 0..TRIES {
            let (single, double) = (total(times)?, total(2 * times)?);
            least = least.min(double.checked_sub(single).ok_or("twice as much took less")? / times);
            if !self.thorough && figure.is_some_and(|figure| least <= figure + figure / 100) {
                break;
            }
        }
        Ok(least)
    }

    /// All instructions of the codec for a message so many times.
    fn codec(&self, direction: &str, message: &str, times: u64) -> Outcome<u64> {
        let out = self.profiles.join(format!("codec-{direction}-{message}-{times}"));
        Counted::start(&self.codec, &[direction, message, &times.to_string()], &[], out)?.count()
    }

    /// All instructions of the gateway for so many requests.
    fn requests(&self, folder: &Path, case: &Case, times: u64) -> Outcome<u64> {
        let out = self.profiles.join(format!("{}-{times}", case.name.replace([' ', ','], "-")));
        let backend = format!("http://{}", backend::start(case.answer.clone())?);
        // It answers whatever it is sent with an empty message, which is how a collector takes spans.
        let collector = format!("http://{}", backend::start(Answer::Message(Vec::new()))?);
        let config = folder.join(case.config);
        let arguments = ["serve", "--log-format", "json", "-c", &config.display().to_string()];
        let mut gateway = Counted::start(
            &self.gateway,
            &arguments,
            &[("BACKEND", &backend), ("COLLECTOR", &collector)],
            out,
        )?;
        let mut client = Client::connect(gateway.address()?)?;
        let first = client.ask(&case.request)?;
        case.check(&first)?;
        for _ in 1..times {
            if client.ask(&case.request)? != first {
                return Err(format!("the answers to {} differ", case.name).into());
            }
        }
        drop(client);
        gateway.terminate()?;
        gateway.count()
    }
}
