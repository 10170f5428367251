//! `transom init`

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{FAILED, INTERNAL, log, output};
use crate::app;
use crate::config::Config;
use crate::config::descriptors::Descriptors;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::Scalar;
use crate::config::value::path::FilePath;

mod starter;

use starter::{Origin, Starter};

/// Where a backend is taken to listen when only its descriptors are known.
const BACKEND: &str = "http://127.0.0.1:50051";
/// The file beside the configuration that its first line names.
const SCHEMA: &str = "transom.schema.json";

/// The arguments of `transom init`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The gRPC backend, such as http://127.0.0.1:50051. Without --descriptors it is asked by reflection what it
    /// has.
    #[arg(long, value_name = "URL", required_unless_present = "descriptors")]
    upstream: Option<String>,
    /// The descriptor set of its services, as `protoc --include_imports -o` or `buf build -o` write it. Then
    /// the backend need not run.
    #[arg(long, value_name = "FILE")]
    descriptors: Option<PathBuf>,
    /// The file to write. Its JSON Schema is written beside it, as transom.schema.json, so that an editor can
    /// complete and explain every key.
    #[arg(short, long, value_name = "FILE", default_value = "transom.yaml")]
    output: PathBuf,
    /// Replace the files if they exist.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    log: log::Log,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let log = arguments.log;
    log.start_quiet();
    let schema = arguments.output.with_file_name(SCHEMA);
    if !arguments.force {
        // Before the backend is asked, which can take long.
        if let Some(file) = [&arguments.output, &schema].into_iter().find(|file| file.exists()) {
            return log.format.fail(&exists(file), FAILED);
        }
    }
    let starter = match starter(arguments) {
        Ok(starter) => starter,
        Err(code) => return code,
    };
    let files =
        [(&arguments.output, starter.to_string()), (&schema, format!("{:#}\n", Config::json_schema()))];
    for (path, text) in files {
        if let Err(error) = write(path, &text, arguments.force) {
            let text = match error.kind() {
                ErrorKind::AlreadyExists => exists(path),
                _ => format!(
                    "The file {} cannot be written: {error}. Name another one with --output.",
                    path.display()
                ),
            };
            return log.format.fail(&text, FAILED);
        }
    }
    let file = arguments.output.display();
    output::line(&format!(
        "{file} exposes {}; {} explains its keys to editors.\n\
         Next: `transom routes -c {file}` lists what is reachable, `transom serve -c {file}` runs it.",
        starter.summary(),
        schema.display()
    ));
    ExitCode::SUCCESS
}

fn exists(file: &Path) -> String {
    format!(
        "The file {} exists already. Name another one with --output, or replace it with --force.",
        file.display()
    )
}

/// What is to be written, from the services that the descriptors show.
fn starter(arguments: &Arguments) -> Result<Starter, ExitCode> {
    let format = arguments.log.format;
    let url = arguments.upstream.as_deref().unwrap_or(BACKEND);
    let mut config = Config::for_upstreams(&[url]).map_err(|problems| format.refuse(&problems))?;
    let mut problems = Problems::default();
    let mut origin = Origin::Reflection;
    if let Some(file) = &arguments.descriptors {
        let set = FilePath::parse(&file.to_string_lossy(), Path::new(""));
        let set = set.map_err(|flaw| {
            problems.push(Problem::error(flaw.message).hint(flaw.hint));
            format.refuse(&problems)
        })?;
        config.descriptors = vec![Descriptors::Set(set.into())];
        let reached = from_folder_of(&arguments.output, file);
        origin = Origin::Set(reached.map_err(|error| format.fail(&error, INTERNAL))?);
    }
    match app::prepare(&config, &mut problems, true) {
        Ok(Some(compiled)) => {
            format.report(&problems);
            Ok(Starter::new(url, origin, &compiled.snapshot))
        }
        Ok(None) => {
            let refused = format.refuse(&problems);
            if matches!(origin, Origin::Reflection) {
                let advice = "`transom init --descriptors FILE` works without reflection.";
                format.fail(&advice, FAILED);
            }
            Err(refused)
        }
        Err(error) => Err(format.fail(&error, INTERNAL)),
    }
}

/// The path of a file as a configuration in the folder of `output` names it: relative below that folder,
/// otherwise absolute.
fn from_folder_of(output: &Path, file: &Path) -> io::Result<String> {
    let (output, file) = (std::path::absolute(output)?, std::path::absolute(file)?);
    let relative = output.parent().and_then(|folder| file.strip_prefix(folder).ok());
    Ok(relative.unwrap_or(&file).to_string_lossy().into_owned())
}

/// Writes a file whole or not at all: one that is replaced stays as it is until the new one is complete.
fn write(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    let fill = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
    if !replace {
        return create(path).and_then(fill);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    let written = create(&new).and_then(fill).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The failure is reported; what is left of the attempt is nobody's.
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_where_that_works() {
        let here = std::env::current_dir().unwrap();
        let absolute = here.join("shop.binpb").to_str().unwrap().to_owned();
        let table = [
            ("transom.yaml", "shop.binpb", "shop.binpb"),
            ("transom.yaml", "sets/shop.binpb", "sets/shop.binpb"),
            ("/etc/transom/transom.yaml", "/etc/transom/shop.binpb", "shop.binpb"),
            ("/etc/transom/transom.yaml", "/srv/shop.binpb", "/srv/shop.binpb"),
            ("conf/transom.yaml", "shop.binpb", &absolute),
        ];
        for (output, file, expected) in table {
            assert_eq!(from_folder_of(Path::new(output), Path::new(file)).unwrap(), expected);
        }
    }

    #[test]
    fn files_are_replaced_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        write(&file, "one", false).unwrap();
        assert_eq!(write(&file, "two", false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        write(&file, "two", true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.yaml"]);
    }
}
