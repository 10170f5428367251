//! `transom serve`

use std::net::SocketAddr;
use std::process::ExitCode;

use super::{Source, failure_code};
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
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let log = arguments.source.log;
    log.start();
    let (mut config, snapshot, problems) = match arguments.source.prepare() {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    log.format.report(&problems);
    if let Some(address) = arguments.address {
        config.listeners = NonEmpty::new(Listener { address: address.into(), tls: None }, []);
    }
    let routes = snapshot.routes.routes().len();
    let methods = snapshot.methods.len();
    tracing::info!(methods, routes, "the methods are open to everybody who can connect");
    match app::run(&config, snapshot, |_| ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log.format.fail(&error, failure_code(&error)),
    }
}
