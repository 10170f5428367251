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
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let output = arguments.source.log;
    output.start();
    let (source, address) = (arguments.source.clone(), arguments.address);
    let origin = app::Origin {
        file: source.upstream.is_empty().then(|| source.file()),
        load: Box::new(move || {
            let (mut config, problems) = source.load()?;
            if let Some(address) = address {
                config.listeners =
                    NonEmpty::new(Listener { address: address.into(), ..Listener::default() }, []);
            }
            log::configure(&config);
            Ok((config, problems))
        }),
        report: Box::new(move |problems| output.format.report(problems)),
    };
    match app::run(origin, |_| ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(app::RunError::Refused) => ExitCode::from(failure_code(&app::RunError::Refused)),
        Err(error) => output.format.fail(&error, failure_code(&error)),
    }
}
