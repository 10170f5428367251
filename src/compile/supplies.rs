//! Where the targets of upstreams come from: those that are written, name servers, and files, which are read here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::live::Live;
use super::tls;
use crate::config::Config;
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, Problems};
use crate::config::targets;
use crate::config::upstream::{Backend, Upstream};
use crate::config::value::address;
use crate::tls::client::Connector;
use crate::upstream::resolver::{Query, Resolver};
use crate::upstream::source::{Feed, Origin, Source, Supply};
use crate::upstream::target::{Endpoint, Target};

/// How many names are looked up at a time before anything is served.
const AT_A_TIME: usize = 32;

/// What is watched where the system says which name servers are asked.
const SYSTEM: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The targets of all upstreams of a configuration, and what opens TLS to them.
#[derive(Debug, Default)]
pub struct Supplies {
    entries: Vec<Entry>,
    resolver: Option<Arc<Resolver>>,
}

#[derive(Debug)]
struct Entry {
    upstream: String,
    connector: Option<Arc<Connector>>,
    feed: Feed,
    /// Where sources are written.
    places: Vec<(Arc<Source>, Option<Place>)>,
}

/// The files that say where targets are: those that list them, for which nothing else is to be loaded again.
pub fn lists(config: &Config) -> Vec<PathBuf> {
    let targets = config.upstreams.iter().flat_map(|(_, upstream)| upstream.targets.iter());
    let files = targets.filter_map(|target| match &target.url.value {
        address::Target::File(path) => Some(path.clone()),
        _ => None,
    });
    files.collect()
}

/// The files by which the system looks up names, if some are looked up so.
pub fn of_the_system(config: &Config) -> Vec<PathBuf> {
    let mut targets = config.upstreams.iter().flat_map(|(_, upstream)| upstream.targets.iter());
    let is_asked = config.resolver.servers.is_empty() && targets.any(|target| target.url.is_looked_up());
    if is_asked { SYSTEM.map(PathBuf::from).into() } else { Vec::new() }
}

impl Supplies {
    /// Reads what is written, and the files. Sources that the last generation has, too, know what they knew; names are not
    /// looked up yet.
    pub fn new(config: &Config, live: Option<&Live>, problems: &mut Problems) -> Self {
        let resolver = resolver(config, problems);
        let entry = |(name, upstream): &(Located<String>, Upstream)| {
            let connector = tls::connector(upstream, problems).map(|loaded| kept(name, loaded, live));
            let mut entry = Entry {
                upstream: name.value.clone(),
                connector,
                feed: Feed { supplies: Vec::new(), resolver: resolver.clone() },
                places: Vec::new(),
            };
            upstream.targets.iter().for_each(|backend| entry.add(backend, upstream, live, problems));
            entry
        };
        let entries = config.upstreams.iter().map(entry).collect();
        Self { entries, resolver }
    }

    /// Looks up the names of which nothing is known, for as long as `time`.
    pub async fn look_up(&self, time: Duration) {
        let Some(resolver) = &self.resolver else { return };
        let unknown = self.sources().filter(|(source, _)| source.file().is_none() && !source.is_known());
        let asked = stream::iter(unknown.map(|(source, _)| source.ask(resolver, time)));
        asked.buffer_unordered(AT_A_TIME).collect::<()>().await;
    }

    /// Reports the names of which nothing is known.
    pub fn report(&self, problems: &mut Problems) {
        for (source, place) in self.sources() {
            if let Some(why) = source.failure().filter(|_| !source.is_known() && source.file().is_none()) {
                let text = format!("No target of {} is known: {why}.", source.name());
                let hint = "Calls fail until there is one; it is asked for again and again.";
                problems.push(Problem::warning(text).at(*place).hint(hint));
            }
        }
    }

    /// The targets of an upstream of now.
    pub fn targets(&self, upstream: &str) -> Vec<Target> {
        let endpoints = self.entry(upstream).map(|entry| entry.feed.endpoints()).unwrap_or_default();
        endpoints.into_iter().map(|endpoint| endpoint.target).collect()
    }

    /// Where the targets of an upstream come from, and what opens TLS to them.
    pub(super) fn of(&self, upstream: &str) -> (Feed, Option<Arc<Connector>>) {
        let entry = self.entry(upstream);
        entry.map(|entry| (entry.feed.clone(), entry.connector.clone())).unwrap_or_default()
    }

    fn entry(&self, upstream: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.upstream == upstream)
    }

    fn sources(&self) -> impl Iterator<Item = &(Arc<Source>, Option<Place>)> {
        self.entries.iter().flat_map(|entry| &entry.places)
    }
}

impl Entry {
    /// Adds what is written, as far as it is valid. Targets with TLS need a connector.
    fn add(&mut self, backend: &Backend, upstream: &Upstream, live: Option<&Live>, problems: &mut Problems) {
        let target = &backend.url;
        if target.is_secure() && self.connector.is_none() {
            return;
        }
        let server_name = upstream.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        let server_name = server_name.map(|name| name.as_str());
        let text = target.value.to_string();
        let (origin, connector) = match &target.value {
            address::Target::Dns { name, port, secure } => {
                let query = Query::Addresses { name: name.clone(), port: *port };
                (Origin::Names(query), self.connector.clone().filter(|_| *secure))
            }
            address::Target::Srv { name, secure } => {
                (Origin::Names(Query::Services(name.clone())), self.connector.clone().filter(|_| *secure))
            }
            address::Target::File(path) => (Origin::File(path.clone()), self.connector.clone()),
            written => {
                let place = target.place;
                let target = match (written, &self.connector) {
                    (address::Target::Tls { .. }, Some(connector)) => {
                        Target::secure(&text, Arc::clone(connector), server_name)
                    }
                    _ => Target::parse(&text),
                };
                match target {
                    Ok(target) => {
                        let weight = backend.weight.value;
                        self.feed.supplies.push(Supply::Fixed(Endpoint { target, weight }));
                    }
                    Err(error) => problems.push(Problem::error(format!("{error}.")).at(place)),
                }
                return;
            }
        };
        match Source::new(&self.upstream, text, origin, connector, server_name) {
            Ok(source) => self.enter(source, target.place, live, problems),
            Err(error) => problems.push(Problem::error(format!("{error}.")).at(target.place)),
        }
    }

    fn enter(&mut self, source: Source, place: Option<Place>, live: Option<&Live>, problems: &mut Problems) {
        let known = live.and_then(|live| live.channel(&self.upstream)?.like(&source)).map(Arc::clone);
        let source = known.unwrap_or_else(|| Arc::new(source));
        if source.file().is_some() {
            take(&source, place, problems);
        }
        self.places.push((Arc::clone(&source), place));
        self.feed.supplies.push(Supply::Found(source));
    }
}

/// Who looks names up, if there are some.
fn resolver(config: &Config, problems: &mut Problems) -> Option<Arc<Resolver>> {
    let mut targets = config.upstreams.iter().flat_map(|(_, upstream)| upstream.targets.iter());
    let first = &targets.find(|target| target.url.is_looked_up())?.url;
    let settings = &config.resolver;
    let servers: Vec<SocketAddr> = settings.servers.iter().map(|server| server.value.0).collect();
    match Resolver::new(&servers, settings.timeout.value) {
        Ok(resolver) => Some(Arc::new(resolver)),
        Err(text) => {
            let hint = "Name the servers that are to be asked: `resolver: {servers: [10.0.0.2]}`.";
            problems.push(Problem::error(text).at(first.place).hint(hint));
            None
        }
    }
}

/// Reads the file of a source. A bad one is an error, but for one that was good before: then what it said goes on.
fn take(source: &Source, place: Option<Place>, problems: &mut Problems) {
    let mut found = Problems::default();
    found.sources = problems.sources.clone();
    let endpoints = read(source, place, &mut found);
    problems.sources = found.sources.clone();
    if let Some(endpoints) = endpoints {
        return source.give(endpoints);
    }
    source.fail(&reason(&found));
    for problem in found.in_order() {
        let mut problem = problem.clone();
        if source.is_known() {
            let text = format!("{} The targets that it listed before go on.", problem.message);
            problem = Problem { message: text, ..Problem::warning("") }.at(problem.place);
        }
        problems.push(problem);
    }
}

/// The targets in the file of a source. There are none if an error was added to `problems`.
fn read(source: &Source, place: Option<Place>, problems: &mut Problems) -> Option<Vec<Endpoint>> {
    let listed = targets::load(source.file()?, place, problems)?;
    let mut endpoints = Vec::with_capacity(listed.len());
    for one in listed {
        match source.target(&one.url.to_string()) {
            Ok(target) => endpoints.push(Endpoint { target, weight: one.weight.value }),
            Err(error) => {
                let hint = "For https:// in a file, write `tls: {}` for the upstream, or with what is to be trusted.";
                problems.push(Problem::error(format!("{error}.")).at(one.url.place).hint(hint));
            }
        }
    }
    (problems.errors() == 0).then_some(endpoints)
}

/// What is wrong with a file, in words that follow a colon.
fn reason(problems: &Problems) -> String {
    let Some(first) = problems.in_order().first().copied() else { return "it cannot be read".to_owned() };
    let text = first.message.trim_end_matches('.');
    match first.place.and_then(|place| problems.sources.position(place)) {
        Some((name, line, column)) => format!("{name}:{line}:{column}: {text}"),
        None => text.to_owned(),
    }
}

/// Reads the files of these sources again. What a bad one said before goes on.
pub(super) fn read_again<'a>(sources: impl Iterator<Item = &'a Arc<Source>>) {
    for source in sources {
        let mut problems = Problems::default();
        match read(source, None, &mut problems) {
            Some(endpoints) => source.give(endpoints),
            None => source.fail(&reason(&problems)),
        }
    }
}

/// What opens TLS to an upstream: what did so before if its settings are the same, so that the channel stays too. It
/// takes over what the files hold now.
fn kept(name: &str, loaded: Arc<Connector>, live: Option<&Live>) -> Arc<Connector> {
    same(live.and_then(|live| live.connector(name)), loaded)
}

/// What opened TLS before, with what the files hold now, if its settings are the same.
pub(super) fn same(kept: Option<&Arc<Connector>>, loaded: Arc<Connector>) -> Arc<Connector> {
    match kept {
        Some(kept) if kept.settings() == loaded.settings() => {
            kept.replace(&loaded);
            Arc::clone(kept)
        }
        _ => loaded,
    }
}
