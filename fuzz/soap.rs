//! Envelopes of SOAP, through the whole front.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use transom::call::service::{BoxFuture, CallService};
use transom::call::{Call, Dialect, Method, Reply};
use transom::codec::binding::{Binding, BindingOptions, Rule};
use transom::codec::xml::lexer::{Lexer, Limits as Bounds};
use transom::front::{Front, Seen};
use transom::schema::Schema;
use transom::snapshot::handle::Handle;
use transom::snapshot::service::Services;
use transom::snapshot::surface::Surface;
use transom::snapshot::{Endpoint, EndpointOptions, Limits, Route, Snapshot};
use transom::status::Status;

static FRONT: LazyLock<Front> = LazyLock::new(front);

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime needs few resources"),
    );
}

/// A backend that answers with the request.
struct Echo;

impl CallService for Echo {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        Box::pin(async move {
            match call.body.message().await {
                Ok(message) => Reply { message, ..Reply::from(Status::ok()) },
                Err(status) => Reply::from(status),
            }
        })
    }
}

fn front() -> Front {
    let schema = Schema::load(&[include_bytes!("echo.binpb")]).expect("the committed set is valid");
    let schema = Arc::new(schema);
    let (_, table) = schema.method("echo.v1.Echo/Echo").expect("the committed set declares it");
    let rule = Rule { variables: &[], body: "*", response_body: "" };
    let types = [table.input(), table.output()];
    let binding =
        Binding::new(&schema, types, rule, BindingOptions::default()).expect("the rule names no field");
    let endpoint = Endpoint {
        method: Arc::new(Method {
            path: "/echo.v1.Echo/Echo".parse().expect("it is a path"),
            client_streaming: false,
            server_streaming: false,
            idempotent: false,
            safe: false,
            meter: Default::default(),
        }),
        service: Arc::new(Echo),
        schema: Arc::clone(&schema),
        full_name: "echo.v1.Echo/Echo".into(),
        upstream: "echo".into(),
        policies: Vec::new(),
        parts: Vec::new(),
        dialects: vec![Dialect::Soap],
        options: EndpointOptions::default(),
    };
    let route = Arc::new(Route::new(Arc::new(endpoint), binding, "/echo.v1.Echo/Echo"));
    let minute = Duration::from_secs(60);
    Front::new(Arc::new(Handle::new(Snapshot {
        surface: Arc::new(Surface {
            methods: [("echo.v1.Echo/Echo".to_owned(), Arc::clone(&route))].into(),
            services: Services::of([route]),
            ..Surface::default()
        }),
        public_url: None,
        schema,
        sockets: Default::default(),
        access: Default::default(),
        limits: Limits { body: 1 << 20, body_pause: minute, request: minute, message: 1 << 20 },
        tls: Default::default(),
        missing: Vec::new(),
    })))
}

/// An envelope: whatever comes, the answer is an envelope too, whose text is XML. The first byte chooses the headers.
pub fn soap(input: &[u8]) {
    const TYPES: [&str; 4] = [
        "text/xml",
        "application/soap+xml",
        "text/xml; charset=utf-16",
        "application/soap+xml; charset=iso-8859-1",
    ];
    let Some((&first, body)) = input.split_first() else { return };
    let content_type = TYPES[usize::from(first) % TYPES.len()];
    let request = Request::post("/soap/echo.v1.Echo").header("content-type", content_type);
    let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(body))) else { return };
    let text = RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let answer = FRONT.answer(request, None, None, &mut Seen::default()).await;
            answer.into_body().collect().await.expect("the answer is whole").to_bytes()
        })
    });
    let bounds = Bounds { depth: 200, ..Bounds::default() };
    let mut lexer = Lexer::new(&text, bounds).expect("all characters are those of XML");
    lexer.root().expect("there is an element");
    assert_eq!(lexer.local(), b"Envelope");
    lexer.skip().and_then(|()| lexer.finish()).expect("the answer is XML");
}
