//! `transom demo`

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use super::{FAILED, INTERNAL, failure_code, log, output};
use crate::app;
use crate::config::load::parse;
use crate::config::value::address::parse_listen;
use crate::demo::{Backend, Kind, World};
use setting::Setting;

mod introduction;
mod keys;
mod setting;

/// The arguments of `transom demo`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    address: SocketAddr,
    /// Where operators are answered: health, upstreams, metrics [default: nowhere].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    admin: Option<SocketAddr>,
    /// How many backends the bookstore has, up to 9. They share their books, and calls go to whichever is well.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=9), default_value_t = 1)]
    backends: u16,
    /// Where the first backend listens, and the others on the ports behind it [default: ports of this machine that are
    /// free].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    backend: Option<SocketAddr>,
    /// Where the users of the shop are served, and its orders, offers and pages on the three ports behind that [default:
    /// ports of this machine that are free].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    shop: Option<SocketAddr>,
    #[command(flatten)]
    log: log::Log,
}

/// The services of the shop, in the order of their ports.
const SHOP: [(&str, Kind); 4] =
    [("users", Kind::Users), ("orders", Kind::Orders), ("offers", Kind::Offers), ("pages", Kind::Pages)];

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.log.start();
    let format = arguments.log.format;
    let backends = match start(arguments) {
        Ok(backends) => backends,
        Err(text) => return format.fail(&text, INTERNAL),
    };
    let setting = Setting::new(arguments.address, arguments.admin, &backends);
    let text = setting.configuration();
    let origin = app::Origin {
        file: None,
        load: Box::new(move || {
            let no_variables = |_: &str| Err(std::env::VarError::NotPresent);
            parse("the demo's configuration", &text, Path::new(""), &no_variables)
        }),
        report: Box::new(move |problems| format.report(problems)),
    };
    let result = app::run(origin, move |addresses| {
        if let Some(address) = addresses.first() {
            output::line(&introduction::text(*address, &setting));
        }
        if let Err(error) = keys::listen(backends) {
            tracing::warn!(%error, "no keys are read");
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(app::RunError::Refused) => ExitCode::from(FAILED),
        Err(error) => {
            let advice = match error {
                app::RunError::Listen(_) => {
                    "\nName another address, for example `transom demo --address 127.0.0.1:8090`."
                }
                app::RunError::Refused | app::RunError::System(_) => "",
            };
            format.fail(&format!("{error}{advice}"), failure_code(&error))
        }
    }
}

/// Starts all backends: those of the bookstore, which are numbered, and those of the shop.
fn start(arguments: &Arguments) -> Result<Vec<keys::Known>, String> {
    let world = World::default();
    let numbered = (0..arguments.backends)
        .map(|place| ((place + 1).to_string(), Kind::Bookstore, behind(arguments.backend, place)));
    let named = SHOP.iter().zip(0..);
    let named = named.map(|(&(name, kind), place)| (name.to_owned(), kind, behind(arguments.shop, place)));
    let started = numbered.chain(named).map(|(name, kind, address)| {
        let address =
            address.ok_or_else(|| format!("Backend {name} of the demo would need a port above 65535."))?;
        let refused =
            |error: io::Error| format!("Backend {name} of the demo cannot listen on {address}: {error}.");
        let backend = Backend::start(kind, address, &world).map_err(refused)?;
        Ok((name, backend))
    });
    started.collect()
}

/// The address so many ports behind the first one; any that is free where none is asked for.
fn behind(first: Option<SocketAddr>, place: u16) -> Option<SocketAddr> {
    let first = first.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let port = if first.port() == 0 { 0 } else { first.port().checked_add(place)? };
    Some(SocketAddr::new(first.ip(), port))
}
