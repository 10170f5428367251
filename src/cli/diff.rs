//! `transom diff`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value as Json;

use super::{FAILED, INTERNAL, USAGE, log, output};
use crate::app;
use crate::compile::Compiled;
use crate::compile::changes::breaking;
use crate::config::load::{load, parse};
use crate::config::problem::Problems;

/// Exit codes: 0 when nothing breaks, 1 when something does, 2 when the two cannot be compared.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// What callers know: a descriptor set, or a configuration (a file that ends in .yaml or .yml).
    old: PathBuf,
    /// What would take its place.
    new: PathBuf,
    #[command(flatten)]
    log: log::Log,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.log.start_quiet();
    let format = arguments.log.format;
    let (old, new) = match (compiled(&arguments.old, format), compiled(&arguments.new, format)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let changes = breaking(old.generation(), new.generation());
    for change in &changes {
        output::line(&change.to_string());
    }
    match changes.len() {
        0 => {
            output::line("Nothing breaks for callers.");
            ExitCode::SUCCESS
        }
        1 => {
            output::line("1 change breaks callers.");
            ExitCode::from(FAILED)
        }
        count => {
            output::line(&format!("{count} changes break callers."));
            ExitCode::from(FAILED)
        }
    }
}

/// What a file stands for. What is wrong with it was said.
fn compiled(file: &Path, format: log::Format) -> Result<Compiled, ExitCode> {
    let is_config = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let refuse = |problems: &Problems| {
        format.report(problems);
        ExitCode::from(USAGE)
    };
    let loaded = if is_config {
        load(file)
    } else {
        parse("transom diff", &around(file), Path::new(""), &no_variables)
    };
    let (config, mut problems) = loaded.map_err(|problems| refuse(&problems))?;
    match app::prepare(&config, &mut problems, true) {
        Ok(Some(compiled)) => Ok(compiled),
        Ok(None) => Err(refuse(&problems)),
        Err(error) => Err(format.fail(&error, INTERNAL)),
    }
}

fn no_variables(_: &str) -> Result<String, std::env::VarError> {
    Err(std::env::VarError::NotPresent)
}

/// A configuration that exposes all of a set. Nothing is called, so that the upstream need not be there.
fn around(set: &Path) -> String {
    let path = set.to_string_lossy().replace("${", "$${");
    // JSON is YAML, whatever the path holds.
    let path = Json::from(path);
    format!(
        "descriptors: [{{set: {path}}}]\nupstreams: {{backend: \"http://127.0.0.1:1\"}}\nservices: [\"**\"]\n"
    )
}
