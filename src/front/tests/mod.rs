//! The front over requests in memory, with a service that records the call and answers as it is told.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::*;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{self, Call, Dialect, Reply};
use crate::codec::binding::{Binding, BindingOptions, Rule};
use crate::codec::json::read::{ReadOptions, read};
use crate::codec::json::write::{WriteOptions, write};
use crate::route::table::{Inserted, Table};
use crate::route::template::Template;
use crate::schema::{MessageId, Schema};
use crate::snapshot::service::Services;
use crate::snapshot::surface::Surface;
use crate::snapshot::{Endpoint, EndpointOptions, Limits, Route, Snapshot};

mod answers;
mod bodies;
mod dialects;
mod requests;
mod soap;
mod streams;
mod xml;

const ECHO: &[u8] = include_bytes!("../../../fuzz/echo.binpb");
const TYPE: &str = "echo.v1.Everything";
const SECOND: Duration = Duration::from_secs(1);

/// Records the call, reads its message unless it is told not to, and gives the reply that was laid out.
struct Backend {
    refuses: bool,
    /// How long it takes to answer.
    delay: Mutex<Option<Duration>>,
    reply: Mutex<Option<Reply>>,
    seen: Mutex<Option<(Call, Option<Bytes>)>>,
}

struct Shared(Arc<Backend>);

impl CallService for Shared {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        let backend = Arc::clone(&self.0);
        Box::pin(async move {
            let reply = backend.reply.lock().unwrap().take();
            if backend.refuses {
                *backend.seen.lock().unwrap() = Some((call, None));
                return Reply::from(Status::gateway(Code::PermissionDenied, "You may not."));
            }
            let body = std::mem::replace(&mut call.body, call::Body::Message(call::Message::default()));
            let message = match read_all(body).await {
                Ok(message) => message,
                Err(status) => return Reply::from(status),
            };
            *backend.seen.lock().unwrap() = Some((call, Some(message.clone())));
            let delay = backend.delay.lock().unwrap().take();
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            reply.unwrap_or_else(|| ok(message))
        })
    }
}

/// The message, or those of a stream merged: what protobuf makes of them one behind the other.
async fn read_all(body: call::Body) -> Result<Bytes, Status> {
    let mut messages = body.messages();
    let mut all = Vec::new();
    while let Some(message) = messages.next().await {
        all.extend_from_slice(&message?.bytes);
    }
    Ok(all.into())
}

fn ok(message: Bytes) -> Reply {
    Reply { message: message.into(), ..Reply::from(Status::ok()) }
}

/// A front with the routes of these tests, in front of a backend that echoes.
struct Setting {
    front: Front,
    backend: Arc<Backend>,
    schema: Arc<Schema>,
}

impl Setting {
    fn new() -> Self {
        Self::with(&EndpointOptions::default(), false)
    }

    fn replying(reply: Reply, options: &EndpointOptions) -> Self {
        let setting = Self::with(options, false);
        *setting.backend.reply.lock().unwrap() = Some(reply);
        setting
    }

    fn with(options: &EndpointOptions, refuses: bool) -> Self {
        // XML is a matter of its own module.
        let dialects: Vec<_> = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Xml).collect();
        Self::made(options, refuses, &dialects)
    }

    fn speaking(dialects: &[Dialect]) -> Self {
        Self::made(&EndpointOptions::default(), false, dialects)
    }

    fn made(options: &EndpointOptions, refuses: bool, dialects: &[Dialect]) -> Self {
        let schema = Arc::new(Schema::load(&[ECHO]).unwrap());
        let backend = Arc::new(Backend {
            refuses,
            delay: Mutex::default(),
            reply: Mutex::default(),
            seen: Mutex::default(),
        });
        let endpoint = |name: &str, [client, server]: [bool; 2]| {
            Arc::new(Endpoint {
                method: Arc::new(call::Method {
                    path: format!("/echo.v1.Echo/{name}").parse().unwrap(),
                    client_streaming: client,
                    server_streaming: server,
                    idempotent: false,
                    safe: false,
                    meter: Default::default(),
                }),
                service: Arc::new(Shared(Arc::clone(&backend))),
                schema: Arc::clone(&schema),
                full_name: format!("echo.v1.Echo/{name}"),
                upstream: "echo".into(),
                policies: Vec::new(),
                parts: Vec::new(),
                dialects: dialects.to_vec(),
                options: options.clone(),
            })
        };
        let (echo, watch) = (endpoint("Echo", [false; 2]), endpoint("Watch", [false, true]));
        let (gather, chat) = (endpoint("Gather", [true, false]), endpoint("Chat", [true; 2]));
        let mut routes = Table::new();
        for (verb, template, body, endpoint) in [
            ("POST", "/echo", "*", &echo),
            ("GET", "/echo/{string}", "", &echo),
            ("PUT", "/echo/{string}", "child", &echo),
            ("POST", "/watch", "*", &watch),
            ("GET", "/watch/{string}", "", &watch),
            ("POST", "/gather", "*", &gather),
            ("POST", "/gather/{string}", "child", &gather),
            ("GET", "/gather/{string}", "", &gather),
            ("POST", "/chat", "*", &chat),
            ("*", "/any", "", &echo),
        ] {
            let parsed = Template::parse(template).unwrap();
            let variables: Vec<_> = parsed.variables().iter().map(ToString::to_string).collect();
            let rule = Rule { variables: &variables, body, response_body: "" };
            let message = id(&schema);
            let binding = Binding::new(&schema, [message; 2], rule, BindingOptions::default()).unwrap();
            let route = Route::new(Arc::clone(endpoint), binding, template);
            assert!(matches!(routes.insert(verb, parsed, Arc::new(route)), Ok(Inserted::New)));
        }
        let limits = Limits { body: 1000, body_pause: 10 * SECOND, request: 60 * SECOND, message: 4000 };
        let own = |endpoint: &Arc<Endpoint>| {
            let rule = Rule { variables: &[], body: "*", response_body: "" };
            let binding = Binding::new(&schema, [id(&schema); 2], rule, BindingOptions::default()).unwrap();
            let route = Route::new(Arc::clone(endpoint), binding, endpoint.method.path.as_str());
            (endpoint.full_name.clone(), Arc::new(route))
        };
        let methods: Vec<_> = [&echo, &watch, &gather, &chat].into_iter().map(own).collect();
        let services = Services::of(methods.iter().map(|(_, route)| Arc::clone(route)));
        let snapshot = Snapshot {
            surface: Arc::new(Surface {
                methods: methods.into_iter().collect(),
                services,
                documents: Some(Default::default()),
                routes,
            }),
            public_url: None,
            access: Default::default(),
            schema: Arc::clone(&schema),
            limits,
            sockets: Default::default(),
            tls: Default::default(),
            missing: Vec::new(),
        };
        Self { front: Front::new(Arc::new(Handle::new(snapshot))), backend, schema }
    }

    async fn send(&self, request: Request<impl RequestBody>) -> Seen {
        let answer = self.front.answer(request, None, None, &mut crate::front::Seen::default()).await;
        let (head, body) = answer.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        Seen { status: head.status.as_u16(), headers: head.headers, body }
    }

    async fn get(&self, target: &str) -> Seen {
        self.send(request("GET", target, &[], "")).await
    }

    async fn post(&self, headers: &[(&str, &str)], body: &str) -> Seen {
        self.send(request("POST", "/echo", headers, body)).await
    }

    /// The call that reached the backend.
    fn call(&self) -> Call {
        self.backend.seen.lock().unwrap().take().expect("a call reached the backend").0
    }

    fn was_called(&self) -> bool {
        self.backend.seen.lock().unwrap().is_some()
    }

    /// The message that reached the backend, as JSON.
    fn message(&self) -> Value {
        let seen = self.backend.seen.lock().unwrap().take().expect("a call reached the backend");
        let mut text = Vec::new();
        write(&self.schema, id(&self.schema), &seen.1.unwrap(), &WriteOptions::default(), &mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// The route of a method's own path: `Echo`, `Watch`, `Gather` or `Chat`.
pub(super) fn route(method: &str) -> Arc<Route> {
    let snapshot = Setting::new().front.handle.load();
    Arc::clone(&snapshot.surface.methods[&format!("echo.v1.Echo/{method}")])
}

fn id(schema: &Schema) -> MessageId {
    schema.find_message(TYPE).unwrap()
}

/// The wire form of a message.
fn wire(json: &Value) -> Bytes {
    let schema = Schema::load(&[ECHO]).unwrap();
    let mut wire = Vec::new();
    read(&schema, id(&schema), json.to_string().as_bytes(), &ReadOptions::default(), &mut wire).unwrap();
    wire.into()
}

/// What came back.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An error in the form of `google.rpc.Status`.
    #[track_caller]
    fn is_error(&self, status: u16, code: u8, message: &str) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body = self.json();
        assert_eq!((self.status, &body["code"], &body["message"]), (status, &json!(code), &json!(message)));
        assert!(body["details"].is_array(), "{body}");
    }
}

fn request(verb: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    with_body(verb, target, headers, Full::new(Bytes::from(body.to_owned())))
}

fn with_body<B>(verb: &str, target: &str, headers: &[(&str, &str)], body: B) -> Request<B> {
    let mut builder = Request::builder().method(verb).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}
