//! Which services are exposed, with which settings, and which upstream answers them.

use std::collections::HashMap;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};

use super::aggregate::Composed;
use super::common::Commons;
use super::descriptors::Catalogue;
use super::own;
use super::policies::Policies;
use super::split::{self, Answering, Splitting};
use super::upstreams::Upstream;
use super::versions::Assignment;
use crate::call;
use crate::call::meters::CLIENT;
use crate::call::service::CallService;
use crate::codec::json::read::ReadOptions;
use crate::codec::json::write::WriteOptions;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems};
use crate::config::service::{
    Defaults, Dialect, Enums, ErrorForm, Expose, HttpMapping, Names, Service as Settings, StreamOutput,
    Unknown,
};
use crate::config::translation::Translation;
use crate::config::value::origin::Origin;
use crate::config::value::pattern::ServicePattern;
use crate::config::{self, Config};
use crate::schema::Schema;
use crate::schema::method::{Method, Service};
use crate::snapshot::split::Split;
use crate::snapshot::{Cors, Endpoint, EndpointOptions, StreamForm};

/// A method that is exposed.
#[derive(Clone)]
pub(super) struct Exposed<'c> {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) settings: &'c Settings,
    /// The position of the upstream; none of the configuration where the gateway answers itself.
    pub(super) upstream: usize,
    /// The positions of service and method in the schema.
    pub(super) place: (usize, usize),
    /// The position of the version of the API that has it; absent for what all versions share.
    pub(super) version: Option<usize>,
}

impl Exposed<'_> {
    pub(super) fn method(&self) -> &Method {
        &self.endpoint.schema.services()[self.place.0].methods()[self.place.1]
    }

    /// The full name of its service.
    pub(super) fn service(&self) -> &str {
        self.endpoint.service()
    }
}

/// What there is to be exposed.
pub(super) struct Offered<'o, 'c> {
    pub(super) upstreams: &'o [Upstream],
    pub(super) catalogue: &'o Catalogue,
    /// The methods that routes are, which get the settings of patterns as well.
    pub(super) composed: &'o [Composed<'c>],
    /// Which version of the API has which service.
    pub(super) versions: &'o Assignment<'c>,
    /// The services that others answer for, which no upstream is asked for, and which get these settings too.
    pub(super) translated: &'c [Translation],
    /// Whether the descriptors of all upstreams are there.
    pub(super) is_complete: bool,
}

/// The settings of a service and their position: those of the most specific pattern.
pub(super) fn settings_of<'c>(config: &'c Config, service: &str) -> Option<(usize, &'c Settings)> {
    config
        .services
        .iter()
        .enumerate()
        .filter(|(_, settings)| settings.service.matches(service))
        .max_by_key(|(_, settings)| settings.service.specificity())
}

/// Matches every service that an upstream defines with the most specific pattern.
pub(super) fn expose<'c>(
    config: &'c Config,
    offered: &Offered<'_, 'c>,
    policies: &Policies,
    problems: &mut Problems,
) -> Vec<Exposed<'c>> {
    let Offered { upstreams, catalogue, composed, versions, translated, is_complete } = *offered;
    split::check(config, problems);
    let mut offers = offers(upstreams, catalogue);
    offer_own(config, upstreams, catalogue, &mut offers);
    let is_translated = |name: &str| translated.iter().any(|translation| *translation.service.value == *name);
    offers.retain(|(name, _)| !is_translated(name));
    let mut exposed = Vec::new();
    let mut commons = Commons::of(config);
    let mut is_used = vec![false; config.services.iter().count()];
    for (name, candidates) in &offers {
        let Some((index, settings)) = settings_of(config, name) else { continue };
        let before = problems.errors();
        // One that could not be asked may define it, and then it must not be taken for what all versions share.
        let is_missing = |upstream: &str| is_missing(upstream, upstreams, catalogue);
        let defines = |upstream: &str| {
            is_missing(upstream) || candidates.iter().any(|offer| upstreams[offer.upstream].name == upstream)
        };
        for wanted in versions.of(name, settings, defines) {
            if wanted.upstream.is_some_and(|upstream| is_missing(upstream)) {
                continue;
            }
            let offer = choose(name, candidates, &wanted, upstreams, problems);
            is_used[index] |= offer.is_some() || problems.errors() > before;
            let Some(offer) = offer else { continue };
            let upstream = &upstreams[offer.upstream];
            let service = &offer.schema.services()[offer.service];
            let splitting = Splitting::new(config, (name, settings), offer, candidates, offered, problems);
            for (position, method) in service.methods().iter().enumerate() {
                let subject = Subject { schema: &offer.schema, service, method };
                let Answering { service: answers, told } = splitting.around(&subject, &mut commons, problems);
                let endpoint = endpoint(config, settings, Some(&upstream.name), answers, &subject, problems);
                let Some(endpoint) = endpoint else { continue };
                let version = versions.name(wanted.version);
                let endpoint = Endpoint { version, split: told, ..endpoint };
                let name = offer.schema.text(method.name());
                exposed.push(Exposed {
                    endpoint: Arc::new(policies.around(settings, name, endpoint)),
                    settings,
                    upstream: offer.upstream,
                    place: (offer.service, position),
                    version: wanted.version,
                });
            }
        }
    }
    let made = composed.iter().map(|method| &*method.name.service);
    let made = made.chain(translated.iter().map(|translation| &**translation.service));
    for (index, _) in made.filter_map(|name| settings_of(config, name)) {
        is_used[index] = true;
    }
    commons.review(problems);
    // What is not defined here may be defined by an upstream that could not be asked, about which there is a word.
    if is_complete {
        // Those that are translated are exposed behind these, or it is said why not.
        let translated = translated.iter().map(|translation| &**translation.service);
        let known: Vec<&str> = offers.iter().map(|(name, _)| name.as_str()).collect();
        versions.report_unused(&exposed, (&known, translated), problems);
        report_unused(config, &is_used, &offers, problems);
    }
    exposed
}

/// Whether an upstream is one whose descriptors could not be had.
fn is_missing(name: &str, upstreams: &[Upstream], catalogue: &Catalogue) -> bool {
    let position = upstreams.iter().position(|upstream| upstream.name == name);
    position.is_some_and(|position| catalogue.schema_of(position).is_none())
}

/// A service as an upstream defines it.
pub(super) struct Offer {
    pub(super) upstream: usize,
    pub(super) schema: Arc<Schema>,
    pub(super) service: usize,
}

/// All services by name, in the order in which they are first defined.
fn offers(upstreams: &[Upstream], catalogue: &Catalogue) -> Vec<(String, Vec<Offer>)> {
    let mut offers: Vec<(String, Vec<Offer>)> = Vec::new();
    let mut positions = HashMap::new();
    for upstream in 0..upstreams.len() {
        let Some(schema) = catalogue.schema_of(upstream) else { continue };
        for (service, table) in schema.services().iter().enumerate() {
            let name = schema.text(table.name());
            let position = *positions.entry(name.to_owned()).or_insert_with(|| {
                offers.push((name.to_owned(), Vec::new()));
                offers.len() - 1
            });
            offers[position].1.push(Offer { upstream, schema: Arc::clone(schema), service });
        }
    }
    offers
}

/// Adds what upstreams may answer without defining it: health and reflection, where the configuration names them. Few
/// descriptors hold them, and every backend has the same.
fn offer_own(
    config: &Config,
    upstreams: &[Upstream],
    catalogue: &Catalogue,
    offers: &mut Vec<(String, Vec<Offer>)>,
) {
    for (service, table) in own::SCHEMA.services().iter().enumerate() {
        let name = own::SCHEMA.text(table.name());
        let is_named = config.services.iter().any(|settings| settings.service.exact() == Some(name));
        if !is_named || offers.iter().any(|(offered, _)| offered == name) {
            continue;
        }
        let known = (0..upstreams.len()).filter(|&upstream| catalogue.schema_of(upstream).is_some());
        let offer = |upstream| Offer { upstream, schema: Arc::clone(&own::SCHEMA), service };
        offers.push((name.to_owned(), known.map(offer).collect()));
    }
}

/// Which upstream is to answer a service.
pub(super) struct Sought<'c> {
    /// The version that it is for; none for all of them.
    pub(super) version: Option<usize>,
    /// The upstream that was named.
    pub(super) upstream: Option<&'c Located<String>>,
    /// What it was named with.
    pub(super) pattern: &'c Located<ServicePattern>,
}

/// The upstream that answers a service: the one that was named, or the only one.
fn choose<'o>(
    name: &str,
    candidates: &'o [Offer],
    wanted: &Sought<'_>,
    upstreams: &[Upstream],
    problems: &mut Problems,
) -> Option<&'o Offer> {
    if let Some(named) = wanted.upstream {
        let offer = candidates.iter().find(|offer| upstreams[offer.upstream].name == named.value);
        if offer.is_none() && wanted.pattern.exact().is_some() {
            let text = format!("The upstream {:?} does not define the service {name}.", named.value);
            problems.push(Problem::error(text).at(named.place).hint(defined_by(candidates, upstreams)));
        }
        return offer;
    }
    if let [only] = candidates {
        return Some(only);
    }
    let text = format!("The service {name} is defined by several upstreams, so one must be chosen.");
    let example = match wanted.version {
        None => format!("- {{ service: {name}, upstream: NAME }}"),
        Some(_) => format!("services: {{ {name}: NAME }}"),
    };
    let hint = format!("Write `{example}`. {}", defined_by(candidates, upstreams));
    problems.push(Problem::error(text).at(wanted.pattern.place).hint(hint));
    None
}

pub(super) fn defined_by(candidates: &[Offer], upstreams: &[Upstream]) -> String {
    let names: Vec<_> = candidates.iter().map(|offer| upstreams[offer.upstream].name.as_str()).collect();
    format!("It is defined by: {}.", names.join(", "))
}

/// A method in its schema.
pub(super) struct Subject<'a> {
    pub(super) schema: &'a Arc<Schema>,
    pub(super) service: &'a Service,
    pub(super) method: &'a Method,
}

impl Subject<'_> {
    /// `package.Service/Method`
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.schema.text(self.service.name()), self.schema.text(self.method.name()))
    }
}

/// A method that is exposed, of an upstream or of the gateway itself.
pub(super) fn endpoint(
    config: &Config,
    settings: &Settings,
    upstream: Option<&str>,
    answers: Arc<dyn CallService>,
    subject: &Subject<'_>,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let Subject { schema, method, .. } = *subject;
    let full_name = subject.full_name();
    let Ok(path) = PathAndQuery::try_from(format!("/{full_name}")) else {
        let text = format!("The method {full_name:?} has a name that HTTP cannot carry.");
        problems.push(Problem::error(text).at(settings.service.place));
        return None;
    };
    Some(Endpoint {
        method: Arc::new(call::Method {
            path,
            client_streaming: method.client_streaming(),
            server_streaming: method.server_streaming(),
            idempotent: method.is_idempotent(),
            safe: method.is_safe(),
            // Where there is no upstream nothing is sent to one.
            meter: upstream.map_or_else(Arc::default, |name| CLIENT.series(&[name, &full_name])),
        }),
        service: answers,
        schema: Arc::clone(schema),
        full_name,
        upstream: upstream.unwrap_or_default().to_owned(),
        policies: Vec::new(),
        version: None,
        parts: Vec::new(),
        split: Split::default(),
        dialects: settings.dialects.iter().map(|dialect| spoken(dialect.value)).collect(),
        options: options(config, settings),
    })
}

pub(super) const fn spoken(dialect: Dialect) -> call::Dialect {
    match dialect {
        Dialect::Rest => call::Dialect::Rest,
        Dialect::Xml => call::Dialect::Xml,
        Dialect::Grpc => call::Dialect::Grpc,
        Dialect::GrpcWeb => call::Dialect::GrpcWeb,
        Dialect::Connect => call::Dialect::Connect,
        Dialect::Websocket => call::Dialect::WebSocket,
        Dialect::Soap => call::Dialect::Soap,
    }
}

fn options(config: &Config, settings: &Settings) -> EndpointOptions {
    let json = &settings.json;
    let exposes = |what: Expose| settings.errors.expose.iter().any(|exposed| exposed.value == what);
    // The configuration has checked that these are names of headers.
    let names =
        |names: Vec<&str>| names.into_iter().filter_map(|name| HeaderName::try_from(name).ok()).collect();
    EndpointOptions {
        read: ReadOptions {
            ignore_unknown: json.unknown_fields.value == Unknown::Ignore,
            max_depth: config.codec.json_depth.value as usize,
        },
        write: WriteOptions {
            proto_names: json.names.value == Names::Proto,
            emit_defaults: json.defaults.value == Defaults::Emit,
            enum_numbers: json.enums.value == Enums::Number,
            max_depth: config.codec.message_depth.value as usize,
            ..WriteOptions::default()
        },
        streams: match settings.streams.output.value {
            StreamOutput::ByAccept => None,
            StreamOutput::Array => Some(StreamForm::Array),
            StreamOutput::Ndjson => Some(StreamForm::Lines),
            StreamOutput::Sse => Some(StreamForm::Events),
        },
        timeout: settings.timeout.as_ref().map(|timeout| timeout.value),
        problem_details: settings.errors.form.value == ErrorForm::Problem,
        expose_unknown: exposes(Expose::Unknown),
        expose_debug_info: exposes(Expose::DebugInfo),
        request_metadata: names(settings.metadata.request.iter().map(|key| &***key).collect()),
        response_metadata: names(settings.metadata.response.iter().map(|key| &***key).collect()),
        cors: settings.cors.as_ref().map(|cors| Arc::new(origins(cors))),
        keep_headers: Commons::of(config).need_headers(),
    }
}

fn origins(settings: &config::service::Cors) -> Cors {
    let exact = settings.origins.iter().filter_map(|origin| match &origin.value {
        Origin::Any => None,
        // The configuration has checked that it is one, so that it fits into a header.
        Origin::Exact(origin) => HeaderValue::from_str(origin).ok(),
    });
    Cors {
        any: settings.origins.iter().any(|origin| origin.value == Origin::Any),
        origins: exact.collect(),
        credentials: settings.credentials.value,
        max_age: settings.max_age.value,
    }
}

/// A pattern without effect is a mistake in most cases: an error if it names one service, else a warning.
fn report_unused(
    config: &Config,
    is_used: &[bool],
    offers: &[(String, Vec<Offer>)],
    problems: &mut Problems,
) {
    for (settings, _) in config.services.iter().zip(is_used).filter(|(_, is_used)| !**is_used) {
        let pattern = &settings.service;
        let mut matched = offers.iter().filter(|(name, _)| pattern.matches(name)).peekable();
        let problem = match (pattern.exact(), &settings.upstream) {
            (Some(name), _) => Problem::error(format!("No upstream defines the service {name}.")),
            (None, Some(upstream)) if matched.peek().is_some() => {
                let text = "This pattern has no effect: what it matches is matched by more specific ones, or is not \
                            defined by the upstream";
                Problem::warning(format!("{text} {:?}.", upstream.value))
            }
            (None, None) if matched.peek().is_some() => {
                Problem::warning("This pattern has no effect: more specific ones match all its services.")
            }
            (None, _) => Problem::warning("This pattern matches no service that an upstream defines."),
        };
        let known: Vec<_> =
            offers.iter().map(|(name, _)| name.as_str()).filter(|name| !name.starts_with("grpc.")).collect();
        let hint = match known.len() {
            0 => "The descriptors define no service at all.".to_owned(),
            count if count <= 10 => format!("The services are: {}.", known.join(", ")),
            count => format!("There are {count} services, among them: {}.", known[..10].join(", ")),
        };
        problems.push(problem.at(pattern.place).hint(hint));
    }
}

/// Whether methods without an annotation are reached by their gRPC path.
pub(super) fn is_auto(settings: &Settings) -> bool {
    settings.http.value == HttpMapping::Auto
}
