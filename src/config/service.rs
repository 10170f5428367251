//! `services`

use std::time::Duration;

use super::limits::DAY;
use super::place::Located;
use super::policy::Use;
use super::problem::Problem;
use super::settings::collection::NonEmpty;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::split::{Shadow, Split};
use super::value::name::{RequestKey, ResponseKey};
use super::value::origin::Origin;
use super::value::pattern::ServicePattern;

settings! {
    /// Services that are exposed, and how: a pattern, or a mapping.
    pub struct Service, short for service {
        /// Which services: `a.b.Service`, `a.b.*` for a package, `a.**` with the packages below it, `**`
        /// for all. The most specific pattern that matches a service decides.
        service: Located<ServicePattern>,
        /// The upstream of the services. May be left out when only one upstream defines them.
        upstream: Option<Located<String>> = None,
        /// Other upstreams that answer some of the calls, such as `{upstream: next, share: 5%, sticky: principal}`. The first
        /// that takes a call has it.
        split: Vec<Split> = Vec::new(),
        /// An upstream that gets copies of the calls, such as `{upstream: next, share: 10%}`. Nobody gets its answers.
        shadow: Option<Shadow> = None,
        /// Which HTTP routes the services get.
        http: Located<HttpMapping> = HttpMapping::Auto.into(),
        /// In which dialects the services are served. All of them if this is left out.
        dialects: NonEmpty<Located<Dialect>> = Dialect::all(),
        /// How long a unary call may take, when shorter than what the upstream allows.
        timeout: Option<Located<Duration>> = None => Duration::from_millis(1)..=DAY,
        /// How JSON is read and written.
        json: Json = Json::default(),
        /// How streams are answered.
        streams: Streams = Streams::default(),
        /// How errors are answered.
        errors: Errors = Errors::default(),
        /// Which headers and metadata cross, beside those that always do.
        metadata: Metadata = Metadata::default(),
        /// Which scripts in browsers may call from other origins. None if this is left out.
        cors: Option<Cors> = None,
        /// The policies that say who may call. All of them hold that apply; without any, everybody may.
        policy: Vec<Use> = Vec::new(),
    }
    check check(service, upstream)
    example "Write a pattern, such as shop.v1.* or \"**\", or `service:` with a pattern."
}

settings! {
    /// Which HTTP routes services get.
    pub enum HttpMapping {
        /// Those of the annotations, and `POST /package.Service/Method` for methods without.
        "auto" => Auto,
        /// Those of the annotations.
        "annotations" => Annotations,
        /// None but those under `routes`.
        "none" => None,
    }
}

settings! {
    /// A way in which callers speak.
    pub enum Dialect {
        /// HTTP with JSON, as google.api.http maps it.
        "rest" => Rest,
        /// The same with XML, by Content-Type and Accept.
        "xml" => Xml,
        /// gRPC over HTTP/2.
        "grpc" => Grpc,
        /// gRPC-Web, over HTTP/1.1 too, for browsers.
        "grpc_web" => GrpcWeb,
        /// Connect, over HTTP/1.1 too, with JSON or protobuf.
        "connect" => Connect,
        /// WebSocket, with a call on each, by the routes of REST and by /ws/package.Service/Method.
        "websocket" => Websocket,
        /// SOAP 1.1 and 1.2 at `/soap/package.Service`, with a WSDL.
        "soap" => Soap,
    }
}

impl Dialect {
    fn all() -> NonEmpty<Located<Self>> {
        NonEmpty::new(
            Self::Rest.into(),
            [Self::Xml, Self::Grpc, Self::GrpcWeb, Self::Connect, Self::Websocket, Self::Soap]
                .map(Located::from),
        )
    }
}

settings! {
    /// How JSON is read and written.
    pub struct Json default {
        /// How fields are named in answers. Requests may use either form.
        names: Located<Names> = Names::Camel.into(),
        /// Whether fields without presence appear in answers when they have their default value.
        defaults: Located<Defaults> = Defaults::Omit.into(),
        /// How enum values are written in answers. Requests may use either form.
        enums: Located<Enums> = Enums::Name.into(),
        /// What happens to fields of a request body that the message does not have.
        unknown_fields: Located<Unknown> = Unknown::Reject.into(),
        /// What happens to query parameters that the message does not have.
        unknown_query: Located<Unknown> = Unknown::Reject.into(),
    }
}

settings! {
    /// How fields are named.
    pub enum Names {
        /// By their JSON name, `pageSize`.
        "camel" => Camel,
        /// As in the proto file, `page_size`.
        "proto" => Proto,
    }
}

settings! {
    /// Whether default values are written.
    pub enum Defaults {
        /// They are left out.
        "omit" => Omit,
        /// They are written.
        "emit" => Emit,
    }
}

settings! {
    /// How enum values are written.
    pub enum Enums {
        /// By name.
        "name" => Name,
        /// By number.
        "number" => Number,
    }
}

settings! {
    /// What happens to unknown names.
    pub enum Unknown {
        /// The request is answered with 400.
        "reject" => Reject,
        /// They are ignored.
        "ignore" => Ignore,
    }
}

settings! {
    /// How streams are answered.
    pub struct Streams default {
        /// The form of answers that are streams. One that is fixed is the same for every caller, whatever its Accept
        /// says. A stream of `google.api.HttpBody` has none: it is the body itself.
        output: Located<StreamOutput> = StreamOutput::ByAccept.into(),
    }
}

settings! {
    /// The form of answers that are streams.
    pub enum StreamOutput {
        /// As the caller's Accept asks: `text/event-stream` or `application/x-ndjson`, else a JSON array.
        "by_accept" => ByAccept,
        /// One JSON array.
        "array" => Array,
        /// One JSON message on each line (NDJSON).
        "ndjson" => Ndjson,
        /// Server-sent events.
        "sse" => Sse,
    }
}

settings! {
    /// How errors are answered.
    pub struct Errors default {
        /// The form of error bodies.
        form: Located<ErrorForm> = ErrorForm::Status.into(),
        /// What of a backend's error text is shown to callers although it may hold internals.
        expose: Vec<Located<Expose>> = Vec::new(),
    }
}

settings! {
    /// The form of error bodies.
    pub enum ErrorForm {
        /// google.rpc.Status: code, message and details.
        "status" => Status,
        /// Problem details as in RFC 9457.
        "problem" => Problem,
    }
}

settings! {
    /// What may hold internals of a backend.
    pub enum Expose {
        /// The message of errors with the code UNKNOWN.
        "UNKNOWN" => Unknown,
        /// Details of the type google.rpc.DebugInfo.
        "debug_info" => DebugInfo,
    }
}

settings! {
    /// Which headers and metadata cross.
    pub struct Metadata default {
        /// Request headers that go upstream as metadata.
        request: Vec<Located<RequestKey>> = Vec::new(),
        /// Metadata of the backend that goes to callers as response headers.
        response: Vec<Located<ResponseKey>> = Vec::new(),
    }
}

settings! {
    /// Which scripts in browsers may call from other origins.
    pub struct Cors {
        /// The origins, such as `https://shop.example`, or "*" for all.
        origins: NonEmpty<Located<Origin>>,
        /// Whether they may send cookies and certificates. Not with the origin "*".
        credentials: Located<bool> = false.into(),
        /// How long a browser may remember what it was allowed.
        max_age: Located<Duration> = Duration::from_secs(600).into() => Duration::ZERO..=DAY,
    }
    check check(origins, credentials)
}

impl Cors {
    fn check(
        reader: &mut Reader<'_>,
        origins: Option<&NonEmpty<Located<Origin>>>,
        credentials: Option<&Located<bool>>,
    ) {
        let any = origins.and_then(|origins| origins.iter().find(|origin| origin.value == Origin::Any));
        if let (Some(any), Some(Located { value: true, .. })) = (any, credentials) {
            let text = "Scripts of every origin may not send the cookies of a browser's user.";
            let hint = "Name the origins that may, or leave `credentials` out.";
            reader.error::<()>(Problem::error(text).at(any.place).hint(hint));
        }
    }
}

impl Service {
    /// Every service of every upstream, with defaults.
    pub fn everything() -> Self {
        Self {
            service: ServicePattern::everything().into(),
            upstream: None,
            split: Vec::new(),
            shadow: None,
            http: HttpMapping::Auto.into(),
            dialects: Dialect::all(),
            timeout: None,
            json: Json::default(),
            streams: Streams::default(),
            errors: Errors::default(),
            metadata: Metadata::default(),
            cors: None,
            policy: Vec::new(),
        }
    }

    fn check(
        reader: &mut Reader<'_>,
        service: Option<&Located<ServicePattern>>,
        upstream: Option<&Option<Located<String>>>,
    ) {
        if let Some(pattern) = service {
            reader.once("pattern", pattern);
        }
        if let Some(name) = upstream.and_then(Option::as_ref) {
            reader.refers_to_upstream(name);
        }
    }
}
