//! What is measured of HTTP requests, by the route that they take.

use std::sync::{Arc, OnceLock};

use http::{Method, StatusCode};

use crate::call::Dialect;
use crate::call::meters::{Calls, SERVER};
use crate::telemetry::metrics::{Dimension, Durations, Family};

/// How long requests of one route and method took, by their status.
pub type Requests = Durations<HttpStatus>;

/// All HTTP requests.
pub static REQUESTS: Family<Requests> = Family::new(
    "http_server_request_duration_seconds",
    "How long HTTP requests took, from their head to the end of the answer.",
    &["http_request_method", "http_route", "dialect"],
);

/// The methods that stand in a label. Any other is the last of [`METHOD_NAMES`].
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

/// The names of methods in labels, as OpenTelemetry has them.
pub const METHOD_NAMES: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "_OTHER"];

/// The position of a method in [`METHOD_NAMES`].
pub fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len())
}

/// The status of an answer. 499 is that of calls whose caller left.
#[derive(Debug)]
pub struct HttpStatus;

impl Dimension for HttpStatus {
    const LABEL: &'static str = "http_response_status_code";
    const VALUES: &'static [&'static str] = &[
        "101", "200", "204", "206", "301", "302", "303", "304", "307", "308", "400", "401", "403", "404",
        "405", "406", "408", "409", "410", "412", "413", "414", "415", "422", "428", "429", "431", "499",
        "500", "501", "502", "503", "504", "_OTHER",
    ];
}

const STATUSES: [u16; HttpStatus::VALUES.len() - 1] = [
    101, 200, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413,
    414, 415, 422, 428, 429, 431, 499, 500, 501, 502, 503, 504,
];

/// The series of one route.
#[derive(Debug)]
pub struct RouteMeter {
    template: Box<str>,
    dialect: &'static str,
    /// A route may answer several methods. The series of one is made when it is first used.
    requests: [OnceLock<Arc<Requests>>; METHOD_NAMES.len()],
    /// Absent where no method is known.
    calls: Option<Arc<Calls>>,
}

impl RouteMeter {
    /// The series of a route with this template, for the method `package.Service/Method`.
    pub fn new(template: &str, dialect: Dialect, rpc_method: &str) -> Self {
        Self::build(template, dialect.name(), Some(SERVER.series(&[rpc_method, dialect.name()])))
    }

    /// The series of requests that reach no route.
    pub fn of_no_route() -> Self {
        Self::build("none", "none", None)
    }

    /// The series of a route with this template that is answered without a call.
    pub fn of_fixed(template: &str) -> Self {
        Self::build(template, "none", None)
    }

    fn build(template: &str, dialect: &'static str, calls: Option<Arc<Calls>>) -> Self {
        // Those that a route of the last configuration had go on.
        let existing = |name: &str| {
            REQUESTS.existing(&[name, template, dialect]).map_or_else(OnceLock::new, OnceLock::from)
        };
        Self { template: template.into(), dialect, requests: METHOD_NAMES.map(existing), calls }
    }

    /// The series of requests with the method at this [`method_index`].
    pub fn requests(&self, method: usize) -> &Requests {
        self.requests[method]
            .get_or_init(|| REQUESTS.series(&[METHOD_NAMES[method], &self.template, self.dialect]))
    }

    /// The name of the dialect; `none` where no route is known.
    pub const fn dialect(&self) -> &'static str {
        self.dialect
    }

    /// The series of the calls of its gRPC method.
    pub fn calls(&self) -> Option<&Calls> {
        self.calls.as_deref()
    }
}

/// The series of one route, by the dialect of the caller. Those of a dialect are made when it is first spoken, as most
/// methods are called in one.
#[derive(Debug)]
pub(super) struct Meters([OnceLock<Box<RouteMeter>>; Dialect::ALL.len()]);

impl Meters {
    pub(super) fn new(template: &str, rpc_method: &str) -> Self {
        Self(Dialect::ALL.map(|dialect| {
            // What was counted under the last configuration goes on.
            let goes_on = SERVER.existing(&[rpc_method, dialect.name()]).is_some();
            if goes_on { Self::made(template, dialect, rpc_method).into() } else { OnceLock::new() }
        }))
    }

    pub(super) fn of(&self, dialect: Dialect, template: &str, rpc_method: &str) -> &RouteMeter {
        self.0[dialect as usize].get_or_init(|| Self::made(template, dialect, rpc_method))
    }

    fn made(template: &str, dialect: Dialect, rpc_method: &str) -> Box<RouteMeter> {
        Box::new(RouteMeter::new(template, dialect, rpc_method))
    }
}

/// The position of a status among the values of [`HttpStatus`].
pub fn status_index(status: StatusCode) -> usize {
    // By far the most.
    if status == StatusCode::OK {
        return 1;
    }
    STATUSES.binary_search(&status.as_u16()).unwrap_or(STATUSES.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::Metric;

    #[test]
    fn labels_stand_for_what_they_name() {
        for (status, name) in STATUSES.iter().zip(HttpStatus::VALUES) {
            assert_eq!(status.to_string(), *name);
            let index = status_index(StatusCode::from_u16(*status).unwrap());
            assert_eq!(HttpStatus::VALUES[index], *name);
        }
        assert_eq!(HttpStatus::VALUES[status_index(StatusCode::IM_A_TEAPOT)], "_OTHER");
        for (method, name) in METHODS.iter().zip(METHOD_NAMES) {
            assert_eq!((method.as_str(), METHOD_NAMES[method_index(method)]), (name, name));
        }
        assert_eq!(METHOD_NAMES[method_index(&Method::from_bytes(b"BREW").unwrap())], "_OTHER");
        assert_eq!(METHOD_NAMES[method_index(&Method::from_bytes(b"get").unwrap())], "_OTHER");
    }

    #[test]
    fn counts_go_on_with_the_next_configuration() {
        let first = RouteMeter::new("/meters/{x}", Dialect::Rest, "meters.v1.Test/Go");
        first.requests(0).record(1, Duration::from_millis(1));
        first.calls().unwrap().record(0, Duration::from_millis(1));
        let second = RouteMeter::new("/meters/{x}", Dialect::Rest, "meters.v1.Test/Go");
        drop(first);
        let mut text = String::new();
        REQUESTS.render(&mut text);
        SERVER.render(&mut text);
        assert_eq!((second.requests(0).count(1), second.calls().unwrap().count(0)), (1, 1));
        let route = r#"http_request_method="GET",http_route="/meters/{x}",dialect="rest",http_response_status_code="200""#;
        assert!(
            text.contains(&format!("http_server_request_duration_seconds_count{{{route}}} 1\n")),
            "{text}"
        );
        let call = r#"rpc_method="meters.v1.Test/Go",dialect="rest",rpc_response_status_code="OK""#;
        assert!(text.contains(&format!("rpc_server_call_duration_seconds_count{{{call}}} 1\n")), "{text}");
        drop(second);
        text.clear();
        REQUESTS.render(&mut text);
        assert!(!text.contains("/meters/{x}"), "{text}");
    }
}
