//! What one generation of the configuration hands to the next: the upstreams with their connections, what upstreams
//! told about themselves, how much was called, and the keys of those who sign tokens.

use std::sync::Arc;

use super::descriptors::Catalogue;
use super::policies::Lasting;
use super::reflections::Reflections;
use super::upstreams::Upstream;
use crate::own::health::{Board, Served};
use crate::policy::introspection;
use crate::policy::jwt::source;
use crate::policy::streams::current::Guards;
use crate::schema::Schema;
use crate::tls::client::Connector;
use crate::upstream::channel::Channel;
use crate::upstream::report::Report;
use crate::upstream::target::Target;

/// Everything that lives longer than a snapshot. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Live {
    upstreams: Vec<Kept>,
    pub(super) reflections: Reflections,
    pub(super) board: Board,
    /// What policy knows, and the guards of this generation.
    pub(super) policy: Lasting,
    guards: Arc<Guards>,
    served: Arc<Served>,
}

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    targets: Vec<Target>,
    channel: Channel,
    connector: Option<Arc<Connector>>,
    /// Absent where its descriptors cannot be had.
    schema: Option<Arc<Schema>>,
}

impl Live {
    pub(super) fn new(
        upstreams: &[Upstream],
        catalogue: &Catalogue,
        reflections: Reflections,
        (board, served): (Board, Served),
        policy: Lasting,
        guards: Guards,
    ) -> Self {
        let upstreams = upstreams.iter().enumerate().map(|(position, upstream)| Kept {
            schema: catalogue.schema_of(position).cloned(),
            name: upstream.name.clone(),
            targets: upstream.targets.clone(),
            channel: upstream.channel.clone(),
            connector: upstream.connector.clone(),
        });
        Self {
            upstreams: upstreams.collect(),
            reflections,
            board,
            policy,
            guards: Arc::new(guards),
            served: Arc::new(served),
        }
    }

    /// The channel of an upstream.
    pub(super) fn channel(&self, name: &str) -> Option<&Channel> {
        self.upstreams.iter().find(|kept| kept.name == name).map(|kept| &kept.channel)
    }

    /// The targets of an upstream.
    pub(super) fn targets(&self, name: &str) -> Option<&[Target]> {
        self.upstreams.iter().find(|kept| kept.name == name).map(|kept| &*kept.targets)
    }

    /// What opens TLS to an upstream.
    pub(super) fn connector(&self, name: &str) -> Option<&Arc<Connector>> {
        self.upstreams.iter().find(|kept| kept.name == name)?.connector.as_ref()
    }

    /// The schema of an upstream, if there is such an upstream and its descriptors are known.
    pub(super) fn schema(&self, upstream: &str) -> Option<&Arc<Schema>> {
        self.upstreams.iter().find(|kept| kept.name == upstream)?.schema.as_ref()
    }

    /// What each upstream tells about its connections, by its name, in the order of the configuration.
    pub fn reports(&self) -> impl Iterator<Item = (&str, Report)> {
        self.upstreams.iter().map(|kept| (kept.name.as_str(), kept.channel.report()))
    }

    /// Holds the calls that go on against the policies of this generation, which is about to be served. To be called
    /// before it is: a call that comes to it is not to be held against those of the one before.
    pub fn govern(&self) {
        self.policy.current.replace(Arc::clone(&self.guards));
    }

    /// Makes this generation the one that health tells of, and whose settings hold for connections and targets.
    pub fn announce(&self) {
        self.upstreams.iter().for_each(|kept| kept.channel.take_up());
        self.look();
        self.board.serve(Arc::clone(&self.served));
    }

    /// Tells health which upstreams cannot be reached now.
    pub fn look(&self) {
        let away = self.upstreams.iter().filter(|kept| kept.channel.report().is_away());
        self.board.away(away.map(|kept| kept.name.as_str().into()).collect());
    }

    /// Asks issuers for their keys where it is time for that, in tasks of the present runtime.
    pub fn tend(&self) {
        self.policy.tokens.tend();
    }

    /// What is told of issuers of tokens, and of those who are asked about tokens.
    pub fn identities(&self) -> (Vec<source::Report>, Vec<introspection::Report>) {
        self.policy.tokens.reports()
    }

    /// What health tells.
    pub const fn health(&self) -> &Board {
        &self.board
    }

    /// What upstreams told about themselves.
    pub const fn reflections(&self) -> &Reflections {
        &self.reflections
    }
}
