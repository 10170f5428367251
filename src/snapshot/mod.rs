//! What the gateway serves at one moment: compiled from the configuration, immutable, shared by all
//! calls that started while it was current.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use crate::call::service::CallService;
use crate::call::{Dialect, Method};
use crate::codec::binding::Binding;
use crate::codec::json::read::ReadOptions;
use crate::codec::json::write::WriteOptions;
use crate::route::table::Table;
use crate::schema::Schema;

pub mod handle;
pub mod meters;

use meters::RouteMeter;

/// The compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Every method that is exposed, by its full name.
    pub endpoints: HashMap<String, Arc<Endpoint>>,
    /// Every HTTP route.
    pub routes: Table<Arc<Route>>,
    /// The schema that errors are written with before a route is known.
    pub schema: Arc<Schema>,
    /// What bounds requests.
    pub limits: Limits,
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
}

/// One HTTP rule of a method.
#[derive(Debug)]
pub struct Route {
    /// The method behind it.
    pub endpoint: Arc<Endpoint>,
    /// How requests become messages and messages answers.
    pub binding: Binding,
    /// The path template, for logs and metrics.
    pub template: Arc<str>,
    /// Where its requests are counted.
    pub meter: RouteMeter,
}

impl Route {
    /// A route of a method, for the dialect whose requests the binding reads.
    pub fn new(endpoint: Arc<Endpoint>, binding: Binding, template: &str, dialect: Dialect) -> Self {
        let meter = RouteMeter::new(template, dialect, &endpoint.full_name);
        Self { endpoint, binding, template: template.into(), meter }
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
    /// The name of the upstream in the configuration.
    pub upstream: String,
    /// How it is presented.
    pub options: EndpointOptions,
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
}
