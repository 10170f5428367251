//! `routes`

use super::place::Located;
use super::settings::declare::settings;
use super::value::name::{MethodName, Verb};

settings! {
    /// A route beside those that the descriptors declare.
    pub struct Route {
        /// The path template, as in google.api.http: `/v1/orders/{id}`.
        path: Located<String>,
        /// The HTTP method, or `*` for all.
        method: Located<Verb>,
        /// The gRPC method that is called: `package.Service/Method`.
        call: Located<MethodName>,
        /// The request field that the body is, or `*` for the whole message. Without it a request has no
        /// body.
        body: Option<Located<String>> = None,
        /// The response field that is answered in place of the whole message.
        response_body: Option<Located<String>> = None,
    }
    later { host, headers, aggregate }
}
