//! What a configuration file may say, parsed into types, every leaf with its place in the file.
//!
//! ```text
//! files    what it names, bounded -> text
//! node     text -> a tree in which everything knows its place
//! settings the declarations of sections: struct, reader and JSON Schema in one
//! value    scalars: durations, sizes, addresses, patterns, names
//! problem  everything that is wrong, at once, shown in the lines it is about
//! ```
//!
//! The room knows what is written, not what it means for a gateway: it opens no descriptor, parses no
//! path template and connects to nothing. What only those who do can find wrong, they report as a
//! [`problem::Problem`] at the [`place::Located`] leaf it is about.

use std::path::Path;

pub mod admin;
pub mod aggregate;
mod braces;
pub mod callers;
pub mod descriptors;
pub mod documents;
pub mod failing;
pub mod files;
pub mod fixed;
pub mod grpc;
pub mod http_rules;
pub mod identity;
pub mod interpolate;
pub mod limits;
pub mod listen;
pub mod load;
pub mod maintenance;
pub mod node;
pub mod place;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod reload;
pub mod resolver;
pub mod rewrite;
pub mod route;
pub mod schema;
pub mod service;
pub mod settings;
pub mod split;
pub mod store;
pub mod stream;
pub mod targets;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod translation;
pub mod upstream;
pub mod value;
pub mod version;
pub mod websocket;

#[cfg(test)]
mod tests;

use admin::Admin;
use descriptors::Descriptors;
use documents::Documents;
use grpc::Grpc;
use identity::Identity;
use limits::{Codec, Http};
use listen::Listener;
use maintenance::Maintenance;
use place::Located;
use plan::{Plan, RateLimits};
use policy::Policy;
use problem::{Problem, Problems};
use reload::Reload;
use resolver::Resolver;
use rewrite::Rewrite;
use route::Route;
use service::Service;
use settings::collection::{Named, NonEmpty};
use settings::declare::settings;
use settings::read::Reader;
use settings::{Scalar, Setting};
use telemetry::Telemetry;
use translation::Translation;
use upstream::Upstream;
use value::address::Target;
use value::network::Network;
use value::public_url::PublicUrl;
use version::Version;
use websocket::WebSocket;

/// The smallest file, shown where one is missing.
pub const SMALLEST: &str = "The smallest configuration is:\n\
                            upstreams: {shop: http://127.0.0.1:50051}\n\
                            services: [\"**\"]";

settings! {
    /// The configuration of Transom.
    pub struct Config {
        /// Where Transom listens.
        listeners: NonEmpty<Listener> = NonEmpty::new(Listener::default(), []),
        /// Where operators reach Transom.
        admin: Option<Admin> = None,
        /// The address that documents such as a WSDL name for Transom. If this is left out, the one under which the
        /// document was asked for.
        public_url: Option<Located<PublicUrl>> = None,
        /// The WSDL and XML Schema of what is exposed.
        documents: Documents = Documents::default(),
        /// Where the descriptors come from of upstreams that name none of their own. Without any, the
        /// upstreams are asked by gRPC reflection.
        descriptors: Vec<Descriptors> = Vec::new(),
        /// The gRPC backends by name.
        upstreams: Named<Upstream>,
        /// How names of targets are looked up.
        resolver: Resolver = Resolver::default(),
        /// What is exposed.
        services: NonEmpty<Service>,
        /// Routes beside those that the descriptors declare.
        routes: Vec<Route> = Vec::new(),
        /// Beginnings of paths that stand for others, in every dialect.
        rewrites: Vec<Rewrite> = Vec::new(),
        /// When and how requests are answered with 503.
        maintenance: Maintenance = Maintenance::default(),
        /// Versions of the API, side by side. What they are called by, and which services they have.
        versions: Vec<Version> = Vec::new(),
        /// Services that callers know and no backend has: methods of other services answer for theirs.
        translations: Vec<Translation> = Vec::new(),
        /// How callers show who they are.
        identity: Identity = Identity::default(),
        /// Who may call, by names that services refer to.
        policies: Option<Named<Policy>> = None,
        /// How much callers may call, by names that keys and users have, for policies with `rate: by_plan`.
        plans: Option<Named<Plan>> = None,
        /// How calls are counted.
        rate_limits: RateLimits = RateLimits::default(),
        /// The proxies that are believed about the addresses of callers, as the header says that `proxy_header` names.
        trusted_proxies: Vec<Located<Network>> = Vec::new(),
        /// The header in which the trusted proxies write whom they pass on. The other one is ignored: most proxies let it
        /// through as a caller has written it.
        proxy_header: Located<ProxyHeader> = ProxyHeader::XForwardedFor.into(),
        /// The services that Transom answers itself: health and reflection.
        grpc: Grpc = Grpc::default(),
        /// Limits of HTTP.
        http: Http = Http::default(),
        /// Limits of WebSockets.
        websocket: WebSocket = WebSocket::default(),
        /// Limits of messages.
        codec: Codec = Codec::default(),
        /// How changes are taken up.
        reload: Reload = Reload::default(),
        /// What Transom tells about the calls that it carries.
        telemetry: Telemetry = Telemetry::default(),
    }
    check check(upstreams, policies, plans, identity, versions, resolver)
    example SMALLEST
}

settings! {
    /// The header in which proxies write whom they pass on.
    pub enum ProxyHeader {
        /// `X-Forwarded-For`, to which nginx, Envoy, HAProxy and the balancers of clouds append.
        "x-forwarded-for" => XForwardedFor,
        /// `Forwarded` of RFC 7239.
        "forwarded" => Forwarded,
    }
}

impl Config {
    /// The configuration of `transom serve --upstream URL...` without a file: every service of these
    /// upstreams, which are named `upstream`, `upstream2` and so on.
    ///
    /// # Errors
    /// What is wrong with the URLs, or that there is none.
    pub fn for_upstreams<S: AsRef<str>>(urls: &[S]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut upstreams = Vec::new();
        for (index, url) in urls.iter().enumerate() {
            let url = url.as_ref();
            let place = place::Place::new(problems.sources.add("--upstream", url), 0, url.len());
            match Target::parse(url, Path::new("")) {
                Ok(target) => {
                    let name =
                        if index == 0 { "upstream".to_owned() } else { format!("upstream{}", index + 1) };
                    upstreams.push((Located::new(name, place), Upstream::at(Located::new(target, place))));
                }
                Err(flaw) => problems.push(Problem::error(flaw.message).at(place).hint(flaw.hint)),
            }
        }
        if urls.is_empty() {
            let hint = "Write --upstream http://127.0.0.1:50051, or name a file with -c.";
            problems.push(Problem::error("No upstream was named.").hint(hint));
        }
        if problems.errors() > 0 {
            return Err(problems);
        }
        Ok(Self {
            listeners: NonEmpty::new(Listener::default(), []),
            admin: None,
            public_url: None,
            documents: Documents::default(),
            descriptors: Vec::new(),
            upstreams: Named::new(upstreams),
            resolver: Resolver::default(),
            services: NonEmpty::new(Service::everything(), []),
            routes: Vec::new(),
            rewrites: Vec::new(),
            maintenance: Maintenance::default(),
            versions: Vec::new(),
            translations: Vec::new(),
            identity: Identity::default(),
            policies: None,
            plans: None,
            rate_limits: RateLimits::default(),
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::XForwardedFor.into(),
            grpc: Grpc::default(),
            http: Http::default(),
            websocket: WebSocket::default(),
            codec: Codec::default(),
            reload: Reload::default(),
            telemetry: Telemetry::default(),
        })
    }

    /// The JSON Schema (draft 2020-12) of configuration files.
    pub fn json_schema() -> serde_json::Value {
        schema::document("Transom configuration", Self::schema)
    }

    /// Reports names of upstreams, policies and plans that do not exist.
    fn check(
        reader: &mut Reader<'_>,
        upstreams: Option<&Named<Upstream>>,
        policies: Option<&Option<Named<Policy>>>,
        plans: Option<&Option<Named<Plan>>>,
        identity: Option<&Identity>,
        versions: Option<&Vec<Version>>,
        resolver: Option<&Resolver>,
    ) {
        if let Some(versions) = versions {
            reader.check_versions(versions);
        }
        if let Some(identity) = identity {
            reader.check_tokens(identity.jwt.as_ref(), identity.introspection.as_ref());
        }
        if let Some(policies) = policies {
            reader.check_policies(policies.as_ref());
        }
        if let Some(plans) = plans {
            reader.check_plans(plans.as_ref());
        }
        if let Some(upstreams) = upstreams {
            reader.check_upstreams(upstreams);
        }
        if let (Some(upstreams), Some(resolver)) = (upstreams, resolver) {
            resolver.check(reader, upstreams);
        }
    }
}
