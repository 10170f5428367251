//! The configuration file: from its path to a [`Config`], or to everything that is wrong with it.

use std::path::Path;

use super::Config;
use super::files::{read, utf8};
use super::interpolate::Environment;
use super::node;
use super::place::{Place, SourceId};
use super::problem::{Problem, Problems};
use super::settings::Setting;
use super::settings::read::Reader;

/// The largest configuration file, in bytes.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Reads the configuration file at `path`, with the environment variables of the process.
///
/// The problems beside the configuration are warnings; the caller adds what it finds itself, at the
/// places of the configuration.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path) -> Result<(Config, Problems), Problems> {
    load_with(path, &|name: &str| std::env::var(name))
}

/// Like [`load`], with another environment.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load_with(path: &Path, environment: &Environment<'_>) -> Result<(Config, Problems), Problems> {
    let name = path.display().to_string();
    let mut problems = Problems::default();
    let text = match read(path, MAX_FILE).and_then(utf8) {
        Ok(text) => text,
        Err(reason) => {
            let message = format!("The configuration file {name} cannot be read: {}.", reason.message);
            problems.push(Problem::error(message).hint(reason.hint));
            return Err(problems);
        }
    };
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&name, &text, base, environment)
}

/// Reads a configuration from its text. `name` is what problems call it, `base` is where relative
/// paths start.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(
    name: &str,
    text: &str,
    base: &Path,
    environment: &Environment<'_>,
) -> Result<(Config, Problems), Problems> {
    let mut problems = Problems::default();
    let source = problems.sources.add(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    match read_config(source, base, environment, &mut problems) {
        Some(config) if problems.errors() == 0 => Ok((config, problems)),
        _ => Err(problems),
    }
}

fn read_config(
    source: SourceId,
    base: &Path,
    environment: &Environment<'_>,
    problems: &mut Problems,
) -> Option<Config> {
    let root = node::parse(source, problems)?;
    if root.value == node::Value::Null {
        let problem = Problem::error("The file is empty.").at(Place::new(source, 0, 0));
        problems.push(problem.hint(super::SMALLEST));
        return None;
    }
    let config = Config::read(&root, &mut Reader::new(problems, environment, base))?;
    config.check(problems);
    Some(config)
}
