//! Who may call: policies become rules around the services of methods.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use super::identity::{Known, claims, texts};
use super::limits::{self, Plans, weight};
use super::services::{Exposed, spoken};
use super::store::Shared;
use super::streams;
use super::tokens::Tokens;
use crate::call::Dialect;
use crate::call::network::{Network, Networks};
use crate::call::service::CallService;
use crate::config::place::Located;
use crate::config::policy::{Require, Use};
use crate::config::problem::{Problem, Problems};
use crate::config::service::Service as Settings;
use crate::config::value::network;
use crate::config::{self, Config, policy as settings};
use crate::policy::guard::Guard;
use crate::policy::limit::asking::{Counters, Counts};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{self, Allow, Deny, Policy, Rule, Scope};
use crate::policy::streams::current::{Current, Guards};
use crate::snapshot::{Access, Endpoint, Proxies, ProxyHeader, Route, Snapshot};

/// The policies of a configuration, ready to be laid around services.
#[derive(Default)]
pub(super) struct Policies {
    named: HashMap<String, Arc<Policy>>,
    /// The names of metadata that no caller may send.
    reserved: Arc<[HeaderName]>,
    /// Who counts what is called.
    counters: Arc<Counters>,
    /// The same for what is not to be refused for the calls of others.
    apart: Arc<Counters>,
    /// The guards that are made here.
    pub(super) guards: RefCell<Guards>,
    /// What callers may tell of themselves.
    pub(super) access: Access,
    /// What the next generation takes over.
    pub(super) lasting: Lasting,
}

/// What policy knows beyond a generation.
#[derive(Clone, Debug, Default)]
pub(super) struct Lasting {
    /// How much was called.
    counts: Counts,
    /// The store that others share.
    pub(super) shared: Shared,
    /// The guards that hold now.
    pub(super) current: Current,
    /// Those who know tokens.
    pub(super) tokens: Tokens,
}

/// Reads the files of keys and users, and makes policies of what is written. What was known `before` stays, as far as it
/// means the same still.
pub(super) fn build(config: &Config, before: Lasting, cores: usize, problems: &mut Problems) -> Policies {
    for listener in config.listeners.iter().filter(|listener| listener.proxy_protocol.value) {
        if config.trusted_proxies.is_empty() {
            let text = "The listener is for proxies that speak the PROXY protocol, but none is trusted.";
            let hint = "Name their addresses at the top of the file: `trusted_proxies: [10.0.0.0/8]`.";
            problems.push(Problem::error(text).at(listener.proxy_protocol.place).hint(hint));
        }
    }
    let identity = &config.identity;
    let Lasting { counts, shared, current, tokens } = before;
    let shared = Shared::build(config, &shared, &counts.memory, cores, problems);
    let tokens = Tokens::build(config, &tokens, problems);
    let known = Known::of(config, &tokens, problems);
    let plans = Plans::of(config);
    let named: HashMap<_, _> = (config.policies.iter().flat_map(|policies| policies.iter()))
        .map(|(name, policy)| {
            let limits = plans.limits(name, policy, problems);
            let streams = streams::streams(name, policy);
            (name.value.clone(), Arc::new(Policy { limits, streams, ..make(&known, policy, problems) }))
        })
        .collect();
    for settings in config.services.iter() {
        limits::check_weights(settings, &named, problems);
    }
    limits::review(config, &known, problems);
    let counters = limits::counters(config, (&counts, &shared));
    let key_header = identity.api_keys.iter().filter_map(|keys| header(&keys.header));
    let asserted =
        named.values().flat_map(|policy| policy.claims.iter().map(|(_, name)| name).chain(&policy.address));
    let mut reserved: Vec<_> = asserted.cloned().chain(key_header).collect();
    reserved.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    reserved.dedup();
    Policies {
        named,
        reserved: reserved.into(),
        apart: Arc::new(Counters { ceiling: None, ..counters.clone() }),
        counters: Arc::new(counters),
        guards: RefCell::default(),
        access: Access {
            key_query: identity
                .api_keys
                .as_ref()
                .and_then(|keys| Some(keys.query.as_ref()?.value.as_str().into())),
            proxies: Proxies {
                networks: networks(&config.trusted_proxies),
                header: match config.proxy_header.value {
                    config::ProxyHeader::XForwardedFor => ProxyHeader::XForwardedFor,
                    config::ProxyHeader::Forwarded => ProxyHeader::Forwarded,
                },
            },
        },
        lasting: Lasting { counts, shared, current, tokens },
    }
}

impl Policies {
    /// Lays what a service's settings name for a method around it.
    pub(super) fn around(&self, settings: &Settings, method: &str, endpoint: Endpoint) -> Endpoint {
        let holding: Vec<_> = settings.policy.iter().filter(|used| is_for(used, method)).collect();
        let rules = self.rules(&holding);
        // The gateway says that it is well also when it has a lot to do.
        let is_own = endpoint.upstream().is_none() && endpoint.parts.is_empty();
        let counters = if is_own { &self.apart } else { &self.counters };
        if rules.is_empty() && self.reserved.is_empty() && counters.ceiling.is_none() {
            return endpoint;
        }
        let mut policies: Vec<_> = holding.iter().map(|used| used.name.value.clone()).collect();
        policies.dedup();
        let (reserved, current) = (Arc::clone(&self.reserved), self.lasting.current.clone());
        let guard = Guard::following(current, rules, reserved, Arc::clone(counters), endpoint.service);
        self.guards.borrow_mut().add(endpoint.method.path.as_str(), &guard);
        let service: Arc<dyn CallService> = Arc::new(guard);
        Endpoint { service, policies, ..endpoint }
    }

    /// The rules for these. A policy that holds twice in the same place is one, with the larger weight.
    fn rules(&self, holding: &[&Use]) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for used in holding {
            let Some(policy) = self.named.get(&used.name.value) else { continue };
            let (scope, weight) = (scope(used), weight(used));
            let same = |rule: &&mut Rule| Arc::ptr_eq(&rule.policy, policy) && rule.scope == scope;
            match rules.iter_mut().find(same) {
                Some(rule) => rule.weight = rule.weight.max(weight),
                None => rules.push(Rule { policy: Arc::clone(policy), scope, weight }),
            }
        }
        rules
    }
}

/// Where a policy holds for a method.
fn scope(used: &Use) -> Scope {
    let dialects = used.dialects.iter().map(|dialect| spoken(dialect.value)).collect();
    Scope { routes: texts(&used.routes), dialects }
}

/// Whether a policy holds for a method of its service, by its name.
fn is_for(used: &Use, method: &str) -> bool {
    used.methods.is_empty() || used.methods.iter().any(|pattern| Pattern::new(pattern, &[]).fits(method))
}

fn make(known: &Known<'_>, policy: &settings::Policy, problems: &mut Problems) -> Policy {
    let require = policy.require.as_ref().map(|require| {
        let (all, proofs) = match require {
            Require::Any(proofs) => (false, proofs),
            Require::All(proofs) => (true, proofs),
        };
        rule::Require {
            all,
            proofs: proofs.iter().filter_map(|proof| known.proof(proof, problems)).collect(),
        }
    });
    let allow = policy.allow.as_ref().map(|allow| Allow {
        roles: texts(&allow.roles),
        scopes: texts(&allow.scopes),
        claims: claims(&allow.claims).collect(),
        networks: networks(&allow.ips),
    });
    let deny = policy.deny.as_ref().map(|deny| Deny {
        roles: texts(&deny.roles),
        owners: texts(&deny.owners),
        networks: networks(&deny.ips),
    });
    let asserted = policy.claims_to_metadata.iter().flat_map(|claims| claims.iter());
    Policy {
        require,
        allow: allow.unwrap_or_default(),
        deny: deny.unwrap_or_default(),
        claims: asserted.filter_map(|(claim, name)| Some((claim.as_str().into(), header(name)?))).collect(),
        address: policy.address_to_metadata.as_ref().and_then(header),
        limits: None,
        streams: None,
    }
}

/// The ways on which a method can be called: a dialect, and the template of a route.
fn ways<'s>(snapshot: &'s Snapshot, endpoint: &'s Arc<Endpoint>) -> Vec<(Dialect, &'s str)> {
    let own = endpoint.method.path.as_str();
    let routes = || {
        let routes = snapshot.surface.routes.routes().iter().map(|route| route.target());
        routes.filter(|route| Arc::ptr_eq(&route.endpoint, endpoint)).map(|route| &*route.template)
    };
    let mut ways = Vec::new();
    for &dialect in &endpoint.dialects {
        match dialect {
            Dialect::Rest | Dialect::Xml => ways.extend(routes().map(|template| (dialect, template))),
            Dialect::WebSocket => {
                ways.extend(routes().chain([own]).map(|template| (dialect, template)));
            }
            Dialect::Grpc | Dialect::GrpcWeb | Dialect::Connect | Dialect::Soap => ways.push((dialect, own)),
        }
    }
    ways
}

/// Holds what services say of policies against the methods and routes that there are; `own` are the settings of the
/// services that Transom answers itself, by their keys. A name that fits nothing would leave open what it was to guard.
pub(super) fn review(
    config: &Config,
    own: &[(&str, &Settings)],
    exposed: &[Exposed<'_>],
    snapshot: &Snapshot,
    problems: &mut Problems,
) {
    let is_complete = snapshot.missing.is_empty();
    let find = |name: &str| config.policies.as_ref().and_then(|policies| policies.find(name));
    let services = config.services.iter();
    let services = services.map(|settings| (format!("the service of {}", settings.service.value), settings));
    let owned = own.iter().map(|(key, settings)| (format!("`{key}`"), *settings));
    for (name, settings) in services.chain(owned) {
        let methods = || exposed.iter().filter(|method| std::ptr::eq(method.settings, settings));
        let knows = settings
            .policy
            .iter()
            .any(|used| find(&used.name).is_some_and(|policy| policy.require.is_some()));
        for used in &settings.policy {
            if let Some(place) =
                find(&used.name).and_then(settings::Policy::needs_identity).filter(|_| !knows)
            {
                let text = format!(
                    "The policy {:?} asks what the caller is, but nothing asks who it is.",
                    used.name.value
                );
                let hint = format!("Add `require` to it, or to {name} a policy that has one.");
                problems.push(Problem::error(text).at(place).hint(hint));
            }
            if !is_complete {
                continue;
            }
            for pattern in &used.methods {
                let fits = |method: &Exposed<'_>| Pattern::new(pattern, &[]).fits(name_of(&method.endpoint));
                if !methods().any(fits) {
                    let text = format!("No method of these services has the name {:?}.", pattern.value);
                    let hint = "Write the name alone, such as GetOrder, or with `*`: Get*.";
                    problems.push(Problem::error(text).at(pattern.place).hint(hint));
                }
            }
            for route in &used.routes {
                let has = |method: &Exposed<'_>| {
                    ways(snapshot, &method.endpoint).iter().any(|(_, template)| *template == route.value)
                };
                if !methods().any(|method| is_for(used, name_of(&method.endpoint)) && has(method)) {
                    let text =
                        format!("No method that the policy holds for has the route {:?}.", route.value);
                    let hint = "Write the path template as `transom routes` shows it.";
                    problems.push(Problem::error(text).at(route.place).hint(hint));
                }
            }
        }
        methods().for_each(|method| warn_of_gaps(settings, method, snapshot, problems));
    }
    refuse_idle(own, exposed, problems);
    warn_of_unused(config, problems);
    if snapshot.open().next().is_none() {
        warn_of_open_schemas(config, snapshot, problems);
    }
}

/// A policy for what Transom does not answer itself would guard nothing.
fn refuse_idle(own: &[(&str, &Settings)], exposed: &[Exposed<'_>], problems: &mut Problems) {
    for (key, settings) in own {
        let is_answered = exposed.iter().any(|method| std::ptr::eq(method.settings, *settings));
        if let Some(used) = settings.policy.first().filter(|_| !is_answered) {
            let text = format!(
                "The policies of `{key}` hold for nothing: it is switched off, or an upstream's is exposed in its place."
            );
            let hint = "Leave them out, or write them with the service under `services`.";
            problems.push(Problem::error(text).at(used.name.place).hint(hint));
        }
    }
}

/// Who has thought of policies for every method may not have thought of what tells about them. Where that is written,
/// somebody has.
fn warn_of_open_schemas(config: &Config, snapshot: &Snapshot, problems: &mut Problems) {
    let reflection = &config.grpc.reflection;
    if reflection.enabled.value && reflection.enabled.place.is_none() && reflection.policy.is_empty() {
        let text =
            "Every method has a policy, but whoever can connect may ask for the schema by gRPC reflection.";
        let hint = "Write `grpc: {reflection: {policy: [NAME]}}` or `reflection: false`, or `reflection: true` if that is \
                    meant.";
        problems.push(Problem::warning(text).hint(hint));
    }
    let documents = &config.documents;
    let has_documents =
        |own: &Arc<Route>| own.endpoint.speaks(Dialect::Xml) || own.endpoint.speaks(Dialect::Soap);
    if documents.enabled.value && documents.enabled.place.is_none() && snapshot.exposed().any(has_documents) {
        let text = format!(
            "Every method has a policy, but whoever can connect may fetch WSDL and XML Schema{}.",
            if documents.comments.value { ", with what the proto files say in comments" } else { "" }
        );
        let hint = "Write `documents: false`, or `documents: true` if that is meant.";
        problems.push(Problem::warning(text).hint(hint));
    }
}

/// A method that needs credentials on one way and none on another is most often a mistake.
fn warn_of_gaps(settings: &Settings, method: &Exposed<'_>, snapshot: &Snapshot, problems: &mut Problems) {
    let name = name_of(&method.endpoint);
    let holding: Vec<_> = settings.policy.iter().filter(|used| is_for(used, name)).collect();
    let Some(first) = holding.first() else { return };
    let scopes: Vec<_> = holding.iter().map(|used| scope(used)).collect();
    let ways = ways(snapshot, &method.endpoint);
    let open =
        ways.iter().filter(|(dialect, route)| !scopes.iter().any(|scope| scope.holds(route, *dialect)));
    let open: Vec<_> = open.map(|(dialect, route)| format!("{dialect} on {route}")).collect();
    if open.is_empty() {
        return;
    }
    let text = format!(
        "The method {} has policies, but none of them holds in {}.",
        method.endpoint.full_name,
        open.join(", ")
    );
    let mut hint = "Everybody may call it so. Add a policy without `routes` and `dialects`".to_owned();
    hint.push_str(match method.endpoint.upstream() {
        Some(_) => ", or take the dialects from the service.",
        // The dialects of what Transom answers itself are no setting.
        None => ".",
    });
    problems.push(Problem::warning(text).at(first.name.place).hint(hint));
}

fn warn_of_unused(config: &Config, problems: &mut Problems) {
    let owned = [&config.grpc.health, &config.grpc.reflection].into_iter().flat_map(|own| &own.policy);
    let uses: Vec<_> = config.services.iter().flat_map(|settings| &settings.policy).chain(owned).collect();
    for (name, _) in config.policies.iter().flat_map(|policies| policies.iter()) {
        if !uses.iter().any(|used| used.name.value == name.value) {
            let text = format!("No service names the policy {:?}.", name.value);
            let hint = format!("Write `policy: [{}]` with the services that it is for.", name.value);
            problems.push(Problem::warning(text).at(name.place).hint(hint));
        }
    }
}

fn name_of(endpoint: &Endpoint) -> &str {
    endpoint.full_name.rsplit('/').next().unwrap_or_default()
}

/// Ranges of addresses.
pub fn networks(networks: &[Located<network::Network>]) -> Networks {
    // The configuration has checked that the prefixes fit.
    Networks(networks.iter().filter_map(|network| Network::new(network.address, network.prefix)).collect())
}

/// A name of a header, as the configuration has checked that it is one.
pub(super) fn header<T: std::ops::Deref<Target = str>>(name: &Located<T>) -> Option<HeaderName> {
    HeaderName::try_from(&*name.value).ok()
}
