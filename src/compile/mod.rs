//! From the configuration to a [`Snapshot`]: descriptors are loaded, services matched to upstreams, HTTP
//! rules turned into routes. Upstreams that stay as they are keep their connections. Everything that is wrong is reported at once, at its place in the file.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::config::problem::Problems;
use crate::config::service::Service as Settings;
use crate::route::prefix::Prefix;
use crate::schema::Schema;
use crate::snapshot::version::Versions;
use crate::snapshot::{Limits, Snapshot, Sockets, Tls};

mod aggregate;
pub mod changes;
mod common;
mod condition;
mod descriptors;
mod fixed;
mod identity;
mod limits;
pub mod live;
mod loops;
mod own;
mod policies;
pub mod reflections;
mod rewrites;
mod routes;
mod services;
mod split;
mod store;
mod streams;
pub mod supplies;
pub mod tls;
mod tokens;
mod translate;
mod upstreams;
mod versions;

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
use supplies::Supplies;
use translate::Interpreter;
use versions::{Assignment, Making};

/// What compiling needs beside the configuration.
#[derive(Debug)]
pub struct Terms<'a> {
    /// How many runtimes the application has.
    pub cores: usize,
    /// The generation before this one.
    pub live: Option<&'a Live>,
    /// What upstreams told about themselves.
    pub reflections: Reflections,
    /// Where the targets of the upstreams come from.
    pub supplies: Supplies,
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
    let upstreams = upstreams::build(config, problems, terms.cores, terms.live, &terms.supplies);
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
    let assignment = Assignment::of_config(config);
    let translated = &*config.translations;
    let offered = services::Offered {
        upstreams: &upstreams,
        catalogue: &catalogue,
        composed: &composed,
        versions: &assignment,
        translated,
        is_complete,
    };
    let mut exposed = services::expose(config, &offered, &policies, problems);
    let interpreter = Interpreter {
        config,
        policies: &policies,
        upstreams: &upstreams,
        catalogue: &catalogue,
        versions: &assignment,
        is_complete,
    };
    interpreter.expose(&mut exposed, problems);
    let plain = Settings::everything();
    let kitchen = Kitchen { config, plain: &plain, policies: &policies, is_complete };
    kitchen.expose(&composed, &mut catalogue, &mut exposed, problems);
    let board = terms.live.map(|live| live.board.clone()).unwrap_or_default();
    let own = Own::new(config);
    own.expose(config, &catalogue, &policies, &board, &mut exposed, problems);
    let answered = fixed::all(config, problems);
    let rewrites = rewrites::build(config, problems);
    let maintenance = fixed::maintenance(&config.maintenance, problems);
    let making = Making {
        config,
        exposed: &exposed,
        fixed: &answered,
        catalogue: &catalogue,
        is_complete,
        live: terms.live,
    };
    let (surface, versions, sent) = making.surfaces(problems);
    let map = loops::Map {
        table: &surface.routes,
        rewrites: &rewrites,
        stripped: versions.as_deref().map(stripped).unwrap_or_default(),
        own: config.public_url.as_ref().map(|url| origin(url.as_str())),
    };
    loops::refuse(&map, &sent, problems);
    if problems.errors() > 0 {
        return (None, files);
    }
    let schema = catalogue.first_schema().cloned().unwrap_or_else(built_in);
    let http = &config.http;
    let limits = Limits {
        body: http.body.as_usize(),
        body_pause: http.body_timeout.value,
        request: http.request_timeout.value,
        message: config.codec.message.as_usize(),
    };
    let sockets = sockets(config);
    let tls = Tls {
        listeners,
        clients: upstreams
            .iter()
            .filter_map(|upstream| upstream.connector.clone())
            .chain(policies.lasting.shared.connector.clone())
            .collect(),
    };
    let snapshot = Snapshot {
        surface,
        versions,
        public_url: config.public_url.as_ref().map(|url| url.as_str().to_owned()),
        rewrites,
        maintenance,
        schema,
        limits,
        access: policies.access,
        sockets,
        tls,
        missing,
    };
    rewrites::review(config, &snapshot.rewrites, &snapshot.surface, problems);
    if terms.guarded {
        policies::review(config, &own.all(), &exposed, &snapshot, problems);
        split::review(config, &exposed, is_complete, problems);
        Commons::of(config).review_claims(&exposed, problems);
    }
    if problems.errors() > 0 {
        return (None, files);
    }
    let served = own::served(config, &snapshot);
    let guards = policies.guards.take();
    let usages = snapshot.versions.iter().flat_map(|versions| &versions.list);
    let usages = usages.map(|version| (Arc::clone(&version.name), Arc::clone(&version.usage))).collect();
    let live = Live::new(
        &upstreams,
        &catalogue,
        terms.reflections,
        (board, served),
        policies.lasting,
        guards,
        usages,
    );
    (Some(Compiled { snapshot, live }), files)
}

/// The beginnings of paths that name a version and nothing else, and behind which routes are looked for.
fn stripped(versions: &Versions) -> Vec<&str> {
    let alone = versions.ways.iter().filter(|way| way.condition.is_empty() && way.media_type.is_empty());
    alone.filter(|way| way.strips).filter_map(|way| way.prefix.as_ref().map(Prefix::as_str)).collect()
}

/// Scheme and host of a URL, without its path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |path| &url[..host + path])
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
