//! The log on standard error.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::output;
use crate::config::problem::{Problem, Problems, Severity};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log. What is logged is set by the environment variable TRANSOM_LOG, such as `debug` or
/// `transom::upstream=debug`; without it, `info`. Release builds have no `trace`.
pub(super) fn start(format: Format) {
    let wanted = std::env::var("TRANSOM_LOG").unwrap_or_else(|_| "info".into());
    let (filter, error) = match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Only the first log of a process counts; there is no second one.
    let _ = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Some(error) = error {
        tracing::warn!(TRANSOM_LOG = wanted, %error, "TRANSOM_LOG is not valid, so it counts as `info`");
    }
}

impl Format {
    /// Says what is wrong with a configuration: drawn for people, one record each for programs.
    pub(super) fn report(self, problems: &Problems) {
        match self {
            Self::Text => super::report(problems),
            Self::Json => problems.in_order().into_iter().for_each(|problem| record(problem, problems)),
        }
    }

    /// Says why the process ends.
    pub(super) fn fail(self, error: &impl std::fmt::Display) {
        match self {
            Self::Text => output::error(&error.to_string()),
            Self::Json => tracing::error!("{error}"),
        }
    }
}

fn record(problem: &Problem, problems: &Problems) {
    let place = problem.place.and_then(|place| problems.sources.position(place));
    let place = place.map(|(name, line, column)| format!("{name}:{line}:{column}"));
    let (place, hint, message) = (place.as_deref(), problem.hint.as_deref(), &problem.message);
    match problem.severity {
        Severity::Error => tracing::error!(place, hint, "{message}"),
        Severity::Warning => tracing::warn!(place, hint, "{message}"),
    }
}
