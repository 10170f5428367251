//! What the gateway serves at one moment: compiled from the configuration, immutable, shared by all
//! calls that started while it was current.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::call::network::Networks;
use crate::call::service::CallService;
use crate::call::{Dialect, Method};
use crate::codec::binding::Binding;
use crate::codec::json::read::ReadOptions;
use crate::codec::json::write::WriteOptions;
use crate::route::rewrite::Rewrites;
use crate::route::table;
use crate::schema::Schema;
use crate::tls::client::Connector;
use crate::tls::live::Reload;
use crate::tls::server::Acceptor;

pub mod case;
pub mod fixed;
pub mod handle;
pub mod maintenance;
pub mod meters;
pub mod service;
pub mod split;
pub mod surface;
pub mod usage;
pub mod version;

use case::Case;
use meters::{Meters, RouteMeter};
use split::Split;
use surface::Surface;
use version::{Version, Versions};

/// The compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// What requests can reach.
    pub surface: Arc<Surface>,
    /// The versions of the API; absent where there is one. Requests that name none can reach `surface`.
    pub versions: Option<Box<Versions>>,
    /// The address that documents name, without a slash at the end; absent where it is the one under which they are
    /// asked for.
    pub public_url: Option<String>,
    /// Beginnings of paths that stand for others.
    pub rewrites: Rewrites,
    /// How requests are answered during maintenance.
    pub maintenance: maintenance::Terms,
    /// The schema that errors are written with before a route is known.
    pub schema: Arc<Schema>,
    /// What bounds requests.
    pub limits: Limits,
    /// What bounds WebSockets.
    pub sockets: Sockets,
    /// What callers may tell of themselves.
    pub access: Access,
    /// The certificates of both sides.
    pub tls: Tls,
    /// The upstreams whose descriptors could not be had, so that nothing of them is served.
    pub missing: Vec<Missing>,
}

impl Snapshot {
    /// The methods of upstreams that are exposed, and those that are made of them, without those that the gateway answers
    /// itself.
    pub fn exposed(&self) -> impl Iterator<Item = &Arc<Route>> {
        let is_own = |own: &Endpoint| own.upstream().is_none() && own.parts.is_empty();
        self.methods().filter(move |own| !is_own(&own.endpoint))
    }

    /// The methods of all versions, and what they share once.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Route>> {
        let further = self.further().flat_map(|surface| surface.methods.values());
        self.surface.methods.values().chain(further.filter(|own| own.endpoint.version.is_some()))
    }

    /// The routes of all versions, and what they share once.
    pub fn routes(&self) -> impl Iterator<Item = &table::Route<Case>> {
        let further = self.further().flat_map(|surface| surface.routes.routes());
        self.surface.routes.routes().iter().chain(
            further
                .filter(|route| route.target().route().is_some_and(|route| route.endpoint.version.is_some())),
        )
    }

    /// What requests can reach that name a version, and those that name none: each once, those that name none first.
    pub fn surfaces(&self) -> impl Iterator<Item = &Surface> {
        std::iter::once(&*self.surface).chain(self.further())
    }

    /// The version with a name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.as_ref()?.list.iter().find(|version| *version.name == *name)
    }

    fn further(&self) -> impl Iterator<Item = &Surface> {
        let list = self.versions.iter().flat_map(|versions| &versions.list).map(|version| &version.surface);
        list.filter(|surface| !Arc::ptr_eq(surface, &self.surface)).map(|surface| &**surface)
    }

    /// Whether the gateway is of use: one upstream that is missing is no reason to take the others away.
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty() || self.exposed().next().is_some()
    }

    /// The names of the exposed methods that have no policy.
    pub fn open(&self) -> impl Iterator<Item = &str> {
        let open = self.exposed().filter(|own| own.endpoint.policies.is_empty());
        open.map(|own| own.endpoint.full_name.as_str())
    }
}

/// What callers may tell of themselves, for policy.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The name under which a query may hold an API key, which no request sees then.
    pub key_query: Option<Box<str>>,
    /// The proxies that are believed about the address of a caller.
    pub proxies: Proxies,
}

/// Proxies, and what of them is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their addresses.
    pub networks: Networks,
    /// The header in which they write whom a request comes from.
    pub header: ProxyHeader,
}

/// The header in which proxies write whom a request comes from. No other is looked at, as that could be the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

/// What speaks TLS. The one thing that changes within a snapshot: its files are read again when they change.
#[derive(Debug, Default)]
pub struct Tls {
    /// One for each listener of the configuration, in their order; absent for those without TLS.
    pub listeners: Vec<Option<Arc<Acceptor>>>,
    /// Those of the upstreams that have targets with TLS, and of the store of limits.
    pub clients: Vec<Arc<Connector>>,
}

impl Tls {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &dyn Reload> {
        let listeners = self.listeners.iter().flatten().map(|acceptor| &**acceptor as &dyn Reload);
        listeners.chain(self.clients.iter().map(|connector| &**connector as &dyn Reload))
    }
}

/// An upstream whose descriptors could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name in the configuration.
    pub upstream: String,
    /// Why, in sentences for the operator; they name addresses.
    pub reason: String,
}

/// What bounds a request after its headers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest body in bytes.
    pub body: usize,
    /// How long a body may pause.
    pub body_pause: Duration,
    /// How long a request may take to arrive as a whole.
    pub request: Duration,
    /// The largest message in bytes.
    pub message: usize,
}

/// The word of a WebSocket's query that is a token, for browsers, which can set no header.
pub const ACCESS_TOKEN: &str = "access_token";
/// The word of a WebSocket's query that asks for trailing metadata.
pub const TRAILERS: &str = "trailers";

/// What bounds WebSockets.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// The largest message of a client in bytes.
    pub message: usize,
    /// How many messages a client may send in a second; twice as many at once.
    pub rate: Option<u32>,
    /// How long a client may be silent before it is sent a ping, and then before it is given up.
    pub ping: Duration,
    /// How long a socket may be open without a message.
    pub idle: Duration,
    /// How long a socket may be open.
    pub duration: Option<Duration>,
    /// How many may be open at a time.
    pub count: usize,
    /// How many may be open at a time from one address.
    pub per_address: usize,
    /// How long a client may take nothing of what is sent to it.
    pub write: Duration,
    /// How long calls may take to finish once the server is told to stop.
    pub drain: Duration,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            message: 1 << 20,
            rate: None,
            ping: Duration::from_secs(30),
            idle: Duration::from_secs(15 * 60),
            duration: None,
            count: 100_000,
            per_address: 10_000,
            write: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}

/// One HTTP rule of a method, or the path of its own.
#[derive(Debug)]
pub struct Route {
    /// The method behind it.
    pub endpoint: Arc<Endpoint>,
    /// How requests become messages and messages answers.
    pub binding: Binding,
    /// The path template, for logs and metrics.
    pub template: Arc<str>,
    /// The route that answers in its place who wants a stream, where the method has another one for that.
    pub streamed: Option<Arc<Self>>,
    meters: Meters,
}

impl Route {
    /// A route of a method.
    pub fn new(endpoint: Arc<Endpoint>, binding: Binding, template: &str) -> Self {
        let meters = Meters::new(template, &endpoint.full_name);
        Self { endpoint, binding, template: template.into(), streamed: None, meters }
    }

    /// Where its requests in a dialect are counted.
    pub fn meter(&self, dialect: Dialect) -> &RouteMeter {
        self.meters.of(dialect, &self.template, &self.endpoint.full_name)
    }
}

/// A method that is exposed, with what its service's settings say.
pub struct Endpoint {
    /// The gRPC method.
    pub method: Arc<Method>,
    /// What answers its calls: policy around an upstream.
    pub service: Arc<dyn CallService>,
    /// The schema that its messages belong to.
    pub schema: Arc<Schema>,
    /// The full name, `package.Service/Method`.
    pub full_name: String,
    /// The name of the upstream in the configuration; empty where the gateway answers itself.
    pub upstream: String,
    /// The names of the policies that hold for it, in some dialect or on some route at least; open without any.
    pub policies: Vec<String>,
    /// The version of the API that has it; absent for what all versions share.
    pub version: Option<Arc<str>>,
    /// What it is made of, where it is made of several methods.
    pub parts: Vec<Part>,
    /// Which other upstreams have some of its calls.
    pub split: Split,
    /// The dialects in which it is served.
    pub dialects: Vec<Dialect>,
    /// How it is presented.
    pub options: EndpointOptions,
}

/// A part of what an aggregated method answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of its field.
    pub name: String,
    /// The full name of the method that is called.
    pub method: String,
    /// The name of its upstream.
    pub upstream: String,
    /// Whether the whole is answered without it if it fails.
    pub is_optional: bool,
}

impl Endpoint {
    /// The name of the upstream, unless the gateway answers itself.
    pub fn upstream(&self) -> Option<&str> {
        Some(&*self.upstream).filter(|name| !name.is_empty())
    }

    /// The names of all upstreams that it needs, each once.
    pub fn upstreams(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.upstream().into_iter().chain(self.parts.iter().map(|part| &*part.upstream)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The full name of its service.
    pub fn service(&self) -> &str {
        self.full_name.split_once('/').map_or(&*self.full_name, |(service, _)| service)
    }

    /// Whether the method is served in a dialect.
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.dialects.contains(&dialect)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("full_name", &self.full_name).finish_non_exhaustive()
    }
}

/// What a service's settings say about its methods.
#[derive(Clone, Debug, Default)]
pub struct EndpointOptions {
    /// How requests are read.
    pub read: ReadOptions,
    /// How answers are written.
    pub write: WriteOptions,
    /// The form of answers that are streams; absent where the caller's Accept decides.
    pub streams: Option<StreamForm>,
    /// How long a call may take, when shorter than the upstream's own bound.
    pub timeout: Option<Duration>,
    /// Errors as RFC 9457 problem details, also where the caller does not ask for them.
    pub problem_details: bool,
    /// Callers may read the message of errors with the code UNKNOWN.
    pub expose_unknown: bool,
    /// Callers may read `google.rpc.DebugInfo`.
    pub expose_debug_info: bool,
    /// Request headers that go upstream, beside those that always do.
    pub request_metadata: Vec<HeaderName>,
    /// Metadata of the backend that goes to callers although it usually does not.
    pub response_metadata: Vec<HeaderName>,
    /// Which scripts may call from other origins; none without.
    pub cors: Option<Arc<Cors>>,
    /// Whether the headers of the caller go with the call, though no policy decides by them: upstreams are chosen by them.
    pub keep_headers: bool,
}

/// Which scripts in browsers may call from other origins.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Whether all origins may.
    pub any: bool,
    /// The origins that may, as browsers write them.
    pub origins: HashSet<HeaderValue>,
    /// Whether they may send the credentials that a browser keeps.
    pub credentials: bool,
    /// How long a browser may remember it.
    pub max_age: Duration,
}

/// The form of an answer that is a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamForm {
    /// One JSON array.
    Array,
    /// One message on each line.
    Lines,
    /// Server-sent events.
    Events,
}
