//! From the configuration to a [`Snapshot`]: descriptors are loaded, services matched to upstreams, HTTP
//! rules turned into routes. Upstreams that stay as they are keep their connections. Everything that is wrong is reported at once, at its place in the file.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::config::problem::Problems;
use crate::config::service::Service as Settings;
use crate::document::comments::Comments;
use crate::schema::Schema;
use crate::snapshot::service::{Documents, Services};
use crate::snapshot::surface::Surface;
use crate::snapshot::{Limits, Snapshot, Sockets, Tls};

mod aggregate;
pub mod changes;
mod common;
mod condition;
mod descriptors;
mod identity;
mod limits;
pub mod live;
mod own;
mod policies;
pub mod reflections;
mod routes;
mod services;
mod store;
mod streams;
pub mod tls;
mod tokens;
mod upstreams;

#[cfg(test)]
mod tests;

use aggregate::Kitchen;
use changes::Generation;
use common::Commons;
use descriptors::Loading;
use live::Live;
use own::Own;
use policies::Policies;
pub use policies::networks;
use reflections::Reflections;

/// What compiling needs beside the configuration.
#[derive(Debug)]
pub struct Terms<'a> {
    /// How many runtimes the application has.
    pub cores: usize,
    /// The generation before this one.
    pub live: Option<&'a Live>,
    /// What upstreams told about themselves.
    pub reflections: Reflections,
    /// Whether an upstream that cannot be asked for its descriptors is left out with a warning, rather than an
    /// error.
    pub lenient: bool,
    /// Whether policies hold. An operator who calls from the terminal needs no credentials.
    pub guarded: bool,
}

/// What a configuration compiles to.
#[derive(Debug)]
pub struct Compiled {
    /// What is served.
    pub snapshot: Snapshot,
    /// What the next generation takes over.
    pub live: Live,
}

impl Compiled {
    /// What is compared with other generations.
    pub const fn generation(&self) -> Generation<'_> {
        Generation { snapshot: &self.snapshot, live: &self.live }
    }
}

/// Compiles a configuration.
///
/// What is found is added to `problems`, warnings too. There is nothing if it holds an error. The files that were
/// read beside those that the configuration names, such as imports of proto files, come along in any case.
pub fn compile(
    config: &Config,
    problems: &mut Problems,
    terms: Terms<'_>,
) -> (Option<Compiled>, Vec<PathBuf>) {
    let listeners = tls::listeners(config, problems);
    let lasting = terms.live.map(|live| live.policy.clone()).unwrap_or_default();
    let policies = match terms.guarded {
        true => policies::build(config, lasting, terms.cores, problems),
        false => Policies::default(),
    };
    let upstreams = upstreams::build(config, problems, terms.cores, terms.live);
    let mut loading = Loading {
        reflections: &terms.reflections,
        lenient: terms.lenient,
        keeps_files: config.grpc.reflection.enabled.value
            || config.routes.iter().any(|route| route.aggregate.is_some()),
        problems,
        files: Vec::new(),
        missing: Vec::new(),
    };
    let mut catalogue = descriptors::load(config, &mut loading);
    let (files, missing) = (loading.files, loading.missing);
    if problems.errors() > 0 {
        return (None, files);
    }
    let is_complete = missing.is_empty();
    let composed = aggregate::composed(config, problems);
    let offered =
        services::Offered { upstreams: &upstreams, catalogue: &catalogue, composed: &composed, is_complete };
    let mut exposed = services::expose(config, &offered, &policies, problems);
    let plain = Settings::everything();
    let kitchen = Kitchen { config, plain: &plain, policies: &policies, is_complete };
    kitchen.expose(&composed, &mut catalogue, &mut exposed, problems);
    let board = terms.live.map(|live| live.board.clone()).unwrap_or_default();
    let own = Own::new(config);
    own.expose(config, &catalogue, &policies, &board, &mut exposed, problems);
    let (methods, routes) = routes::build(config, &exposed, &catalogue, is_complete, problems);
    if problems.errors() > 0 {
        return (None, files);
    }
    // In the order in which they are declared.
    let declared = exposed.iter().filter_map(|exposed| methods.get(&exposed.endpoint.full_name));
    let services = Services::of(declared.cloned());
    let schema = catalogue.first_schema().cloned().unwrap_or_else(built_in);
    let http = &config.http;
    let limits = Limits {
        body: http.body.as_usize(),
        body_pause: http.body_timeout.value,
        request: http.request_timeout.value,
        message: config.codec.message.as_usize(),
    };
    let sockets = sockets(config);
    let comments = if config.documents.comments.value { Comments::Written } else { Comments::LeftOut };
    let documents = config.documents.enabled.value.then(|| Documents::new(comments));
    let tls = Tls {
        listeners,
        clients: upstreams
            .iter()
            .filter_map(|upstream| upstream.connector.clone())
            .chain(policies.lasting.shared.connector.clone())
            .collect(),
    };
    let snapshot = Snapshot {
        surface: Arc::new(Surface { methods, services, documents, routes }),
        public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
        schema,
        limits,
        access: policies.access,
        sockets,
        tls,
        missing,
    };
    if terms.guarded {
        policies::review(config, &own.all(), &exposed, &snapshot, problems);
        Commons::of(config).review_claims(&exposed, problems);
    }
    if problems.errors() > 0 {
        return (None, files);
    }
    let served = own::served(config, &snapshot);
    let guards = policies.guards.take();
    let live =
        Live::new(&upstreams, &catalogue, terms.reflections, (board, served), policies.lasting, guards);
    (Some(Compiled { snapshot, live }), files)
}

fn sockets(config: &Config) -> Sockets {
    let (settings, http) = (&config.websocket, &config.http);
    Sockets {
        message: settings.message.as_usize(),
        rate: settings.messages_per_second.as_ref().map(|rate| rate.value),
        ping: settings.ping_interval.value,
        idle: settings.idle_timeout.value,
        duration: settings.duration.as_ref().map(|duration| duration.value),
        count: settings.sockets.value as usize,
        per_address: settings.sockets_per_address.value as usize,
        write: http.write_timeout.value,
        drain: http.drain_timeout.value,
    }
}

/// The schema of what is built in, for errors when no upstream could be asked.
fn built_in() -> Arc<Schema> {
    Arc::new(Schema::load(&[]).expect("what is built in is valid"))
}
