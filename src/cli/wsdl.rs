//! `transom wsdl`

use std::process::ExitCode;

use super::{FAILED, Source, output};
use crate::call::Dialect;
use crate::config::Config;
use crate::document::comments::Comments;
use crate::document::{wsdl, xsd};
use crate::snapshot::Snapshot;
use crate::snapshot::service::Service;

/// The arguments of `transom wsdl`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The service, such as bookstore.v1.Bookstore.
    service: String,
    /// In place of the WSDL, the XML Schema of a package that the service uses, or of the service itself by its name.
    #[arg(long, value_name = "PACKAGE")]
    xsd: Option<String>,
    #[command(flatten)]
    source: Source,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let log = arguments.source.log;
    log.start_quiet();
    let (config, snapshot, _) = match arguments.source.prepare() {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    match document(arguments, &config, &snapshot) {
        Ok(text) => {
            output::line(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(text) => log.format.fail(&text, FAILED),
    }
}

fn document(arguments: &Arguments, config: &Config, snapshot: &Snapshot) -> Result<String, String> {
    let name = &arguments.service;
    let service = snapshot.surface.services.find(name).ok_or_else(|| {
        let hint = meant(name, snapshot).unwrap_or_else(|| "`transom routes` lists what is.".into());
        format!("The service {name} is not exposed. {hint}")
    })?;
    if !service.speaks(Dialect::Soap) {
        return Err(format!("The service {name} is not served in SOAP. Add soap to its `dialects`."));
    }
    let table = service.table().ok_or_else(|| format!("The service {name} is not in the descriptors."))?;
    let schema = &service.schema;
    let comments = if config.documents.comments.value { Comments::Written } else { Comments::LeftOut };
    let Some(package) = &arguments.xsd else {
        return Ok(wsdl::of_service(schema, table, &format!("{}/soap/{name}", address(config)), comments));
    };
    let location = |package: &str| format!("{name}?xsd={package}");
    if package == name {
        return Ok(xsd::of_service(schema, table, &location, comments));
    }
    let types = xsd::types_of(schema, xsd::operations(table));
    xsd::of_package(schema, &types, package, &location, comments).ok_or_else(|| {
        let packages: Vec<_> = types.keys().map(String::as_str).collect();
        format!("The service {name} uses no package {package}. It uses {}.", packages.join(", "))
    })
}

/// The service that somebody may have meant who left out the package, or wrote another case.
fn meant(name: &str, snapshot: &Snapshot) -> Option<String> {
    let wanted = name.to_ascii_lowercase();
    let fits = |service: &&std::sync::Arc<Service>| {
        let known = service.name.to_ascii_lowercase();
        known == wanted || known.ends_with(&format!(".{wanted}"))
    };
    snapshot.surface.services.iter().find(fits).map(|service| format!("Did you mean {}?", service.name))
}

/// Where callers reach Transom: what the configuration says, or else its first listener.
fn address(config: &Config) -> String {
    if let Some(url) = &config.public_url {
        return url.to_string();
    }
    let first = config.listeners.iter().next();
    let address = first.map(|listener| listener.address.value);
    let scheme = if first.is_some_and(|listener| listener.tls.is_some()) { "https" } else { "http" };
    match address {
        Some(address) if !address.ip().is_unspecified() => format!("{scheme}://{address}"),
        address => format!("{scheme}://localhost:{}", address.map_or(8080, |address| address.port())),
    }
}
