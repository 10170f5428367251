//! From the configuration to a [`Snapshot`]: descriptors are loaded, services matched to upstreams, HTTP
//! rules turned into routes. Everything that is wrong is reported at once, at its place in the file.

use std::sync::Arc;

use crate::config::Config;
use crate::config::problem::Problems;
use crate::snapshot::{Limits, Snapshot, Tls};

mod descriptors;
mod routes;
mod services;
mod tls;
mod upstreams;

#[cfg(test)]
mod tests;

/// Compiles a configuration for an application with `cores` runtimes. Asks upstreams by reflection where
/// the configuration says so.
///
/// What is found is added to `problems`, warnings too. There is no snapshot if it holds an error.
pub async fn compile(config: &Config, problems: &mut Problems, cores: usize) -> Option<Snapshot> {
    let listeners = tls::listeners(config, problems);
    let upstreams = upstreams::build(config, problems, cores);
    let catalogue = descriptors::load(config, &upstreams, problems).await;
    if problems.errors() > 0 {
        return None;
    }
    let exposed = services::expose(config, &upstreams, &catalogue, problems);
    let (methods, routes) = routes::build(config, &exposed, &catalogue, problems);
    let schema = Arc::clone(catalogue.first_schema()?);
    let http = &config.http;
    let limits = Limits {
        body: http.body.as_usize(),
        body_pause: http.body_timeout.value,
        request: http.request_timeout.value,
        message: config.codec.message.as_usize(),
    };
    let tls = Tls {
        listeners,
        upstreams: upstreams.into_iter().filter_map(|upstream| upstream.connector).collect(),
    };
    (problems.errors() == 0).then_some(Snapshot { methods, routes, schema, limits, tls })
}
