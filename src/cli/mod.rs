//! The command line: one file per command. Answers go to standard output; errors and the log go to
//! standard error.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app;
use crate::config::problem::Problems;
use crate::config::{Config, load};
use crate::snapshot::Snapshot;

mod call;
mod check;
mod completions;
mod demo;
mod diff;
mod health;
mod init;
mod input;
mod keys;
mod log;
mod man;
mod metadata;
mod output;
mod routes;
mod schema;
mod serve;
mod wsdl;

/// The configuration is wrong, or a call failed.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// Something inside Transom or the operating system failed.
const INTERNAL: u8 = 70;

/// The end of the help and of the manual page.
const AFTER: &str = "\
Exit codes: 0 when all is done, 1 when the configuration is wrong or a call failed, 2 when the command line is wrong, \
70 when Transom or the operating system failed.

Answers go to standard output, errors and the log to standard error. The environment variable TRANSOM_LOG says what \
is logged, such as `debug` or `transom::upstream=debug`.";

/// Transom puts a REST/JSON API in front of gRPC services.
///
/// It reads protobuf descriptors, or asks the services for them by reflection, and maps HTTP requests onto
/// their methods as google.api.http annotations say.
#[derive(Debug, Parser)]
#[command(name = "transom", version, propagate_version = true, max_term_width = 100, after_long_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Arguments),
    /// Load everything a configuration names and report every error and warning.
    Check(check::Arguments),
    /// List every route.
    Routes(routes::Arguments),
    /// Call one method from the terminal.
    Call(call::Arguments),
    /// Run a backend and a gateway in front of it, and show requests to try.
    Demo(demo::Arguments),
    /// Compare two descriptor sets or configurations, and list what breaks for callers.
    Diff(diff::Arguments),
    /// Ask a running gateway whether it is ready.
    Health(health::Arguments),
    /// Write a commented configuration file to start with.
    Init(init::Arguments),
    /// Make, list and revoke API keys.
    Keys(keys::Arguments),
    /// Print the WSDL of a service, or an XML Schema that goes with it.
    Wsdl(wsdl::Arguments),
    /// Print the JSON Schema of configuration files.
    Schema,
    /// Print a script that lets a shell complete commands and options.
    Completions(completions::Arguments),
    /// Write the manual pages, one for each command.
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug)]
struct Source {
    /// The configuration file [default: transom.yaml, unless --upstream is given].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Without a file: a gRPC backend, such as http://127.0.0.1:50051, whose services are all exposed as its
    /// reflection describes them. May be given several times.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    upstream: Vec<String>,
    #[command(flatten)]
    log: log::Log,
}

impl Source {
    fn load(&self) -> Result<(Config, Problems), Problems> {
        if !self.upstream.is_empty() {
            return Config::for_upstreams(&self.upstream).map(|config| (config, Problems::default()));
        }
        load::load(&self.file())
    }

    /// The configuration file.
    fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| PathBuf::from("transom.yaml"))
    }

    /// The configuration, what it compiles to, and the warnings. Errors are reported.
    fn prepare(&self) -> Result<(Config, Snapshot, Problems), ExitCode> {
        self.compile(true)
    }

    /// The same without policies, for an operator who calls from the terminal and has no credentials.
    fn prepare_open(&self) -> Result<(Config, Snapshot, Problems), ExitCode> {
        self.compile(false)
    }

    fn compile(&self, guarded: bool) -> Result<(Config, Snapshot, Problems), ExitCode> {
        let format = self.log.format;
        let (config, mut problems) = self.load().map_err(|problems| format.refuse(&problems))?;
        match app::prepare(&config, &mut problems, guarded) {
            Ok(Some(compiled)) => Ok((config, compiled.snapshot, problems)),
            Ok(None) => Err(format.refuse(&problems)),
            Err(error) => Err(format.fail(&error, INTERNAL)),
        }
    }
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failures; clap knows where each is printed.
            let code = if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            return error.print().map_or(ExitCode::from(INTERNAL), |()| code);
        }
    };
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Routes(arguments) => routes::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Wsdl(arguments) => wsdl::run(&arguments),
        Command::Schema => schema::run(),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// The exit code for an application that cannot run: an address is a matter of the configuration.
const fn failure_code(error: &app::RunError) -> u8 {
    match error {
        app::RunError::Refused | app::RunError::Listen(_) => FAILED,
        app::RunError::System(_) => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_fit_together() {
        super::Arguments::command().debug_assert();
    }
}
