//! The log on standard error.

use std::fmt::Display;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::{FAILED, output};
use crate::config::Config;
use crate::config::problem::{Problem, Problems, Severity, Style};
use crate::telemetry::log as levels;

/// The argument of all commands that log or report problems.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Log {
    /// How log lines and problems look.
    #[arg(long = "log-format", value_name = "FORMAT", value_enum, default_value_t)]
    pub(super) format: Format,
}

impl Log {
    /// Starts the log of a server.
    pub(super) fn start(self) {
        start(self.format, LevelFilter::INFO);
    }

    /// Starts the log of a command that does one thing and says itself what comes of it.
    pub(super) fn start_quiet(self) {
        start(self.format, if self.format == Format::Json { LevelFilter::WARN } else { LevelFilter::OFF });
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The environment variable that comes before the configuration.
const VARIABLE: &str = "TRANSOM_LOG";

/// Starts the log. What is logged is set by the environment variable TRANSOM_LOG, such as `debug` or
/// `info,transom::upstream=debug`; without it, by `level` until [`configure`] says something else. Release builds have
/// no `trace`.
fn start(format: Format, level: LevelFilter) {
    let wanted = std::env::var(VARIABLE).ok();
    let (filter, error) = match wanted.as_deref().map(levels::parse).transpose() {
        Ok(filter) => (filter, None),
        Err(error) => (None, Some(error)),
    };
    let level = if error.is_some() { LevelFilter::INFO } else { level };
    let filter = filter.unwrap_or_else(|| EnvFilter::new(level.to_string()));
    let shown = EnvFilter::new(filter.to_string());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Only the first log of a process counts; there is no second one.
    let _ = match format {
        Format::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            levels::install(&shown, move |filter| handle.reload(filter).map_err(|error| error.to_string()));
            builder.try_init()
        }
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            levels::install(&shown, move |filter| handle.reload(filter).map_err(|error| error.to_string()));
            builder.try_init()
        }
    };
    if let Some(error) = error {
        tracing::warn!(TRANSOM_LOG = wanted, error, "TRANSOM_LOG is not valid, so it counts as `info`");
    }
}

/// Shows what the configuration asks for, unless the environment says something.
pub(super) fn configure(config: &Config) {
    if let Some(filter) = &config.telemetry.log
        && std::env::var_os(VARIABLE).is_none()
        && let Err(error) = levels::set(filter)
    {
        tracing::warn!(error, "the level of the log stays as it is");
    }
}

impl Format {
    /// Says what is wrong with a configuration: drawn for people, one record each for programs.
    pub(super) fn report(self, problems: &Problems) {
        match self {
            Self::Text if problems.is_empty() => {}
            Self::Text => output::error(problems.render(Style::for_stderr()).trim_end()),
            Self::Json => problems.in_order().into_iter().for_each(|problem| record(problem, problems)),
        }
    }

    /// Reports what makes the configuration useless.
    pub(super) fn refuse(self, problems: &Problems) -> ExitCode {
        self.report(problems);
        ExitCode::from(FAILED)
    }

    /// Says why the process ends.
    pub(super) fn fail(self, error: &impl Display, code: u8) -> ExitCode {
        match self {
            Self::Text => output::error(&error.to_string()),
            Self::Json => tracing::error!("{error}"),
        }
        ExitCode::from(code)
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
