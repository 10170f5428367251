//! `transom serve`

use std::net::SocketAddr;
use std::process::ExitCode;

use super::{Source, failure_code, log};
use crate::app;
use crate::config::listen::Listener;
use crate::config::settings::collection::NonEmpty;
use crate::config::value::address::parse_listen;

/// The arguments of `transom serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Without a file: where to listen [default: 0.0.0.0:8080, which is every interface].
    #[arg(long, value_name = "ADDRESS", requires = "upstream", value_parser = parse_listen)]
    address: Option<SocketAddr>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: log::Format,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let format = arguments.log_format;
    log::start(format);
    let (mut config, snapshot, problems) = match arguments.source.prepare(|problems| format.report(problems))
    {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    format.report(&problems);
    log::configure(&config);
    if let Some(address) = arguments.address {
        config.listeners = NonEmpty::new(Listener { address: address.into() }, []);
    }
    let routes = snapshot.routes.routes().len();
    let methods = snapshot.endpoints.len();
    tracing::info!(methods, routes, "the methods are open to everybody who can connect");
    match app::run(&config, snapshot, |_| ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            format.fail(&error);
            ExitCode::from(failure_code(&error))
        }
    }
}
