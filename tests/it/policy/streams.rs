//! Limits inside streams: every dialect, every kind of call with a stream, every reason for which one ends.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use transom::call::Dialect;
use transom::config::value::moment::Moment;
use transom::policy::new_key;
use transom::policy::refusal::Reason;

use super::Place;
use super::calls::{Kind, carries, code_in_xml, framed, last_frame};
use super::grid::{Proof, proof};
use super::issuer::{Signer, claims, jwks};
use crate::support::backend::python_server;
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::process::Server;
use crate::support::sse::events;
use crate::support::stream;

/// The form in which an answer comes: that of a dialect, or events in place of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Of(Dialect),
    Events,
}

/// A call of the grid: its form and kind, and the name by which the backend knows it.
#[derive(Clone, Debug)]
struct Way {
    form: Form,
    kind: Kind,
    id: String,
}

/// All ways on which there are streams.
fn ways() -> Vec<Way> {
    let streams = [Kind::ServerStream, Kind::ClientStream, Kind::BothStreams];
    let dialects = Dialect::ALL.into_iter().flat_map(|dialect| {
        let kinds = streams.into_iter().filter(move |kind| carries(dialect, *kind));
        kinds.map(move |kind| (Form::Of(dialect), kind))
    });
    let all = dialects.chain([(Form::Events, Kind::ServerStream)]);
    all.enumerate().map(|(index, (form, kind))| Way { form, kind, id: format!("s{index}") }).collect()
}

/// What is sent: so many messages, in either direction, with texts of this length.
#[derive(Clone, Copy)]
struct Plan {
    count: u32,
    size: usize,
}

/// The first message or messages of a call, in which it is told to go on until it is cancelled.
fn messages(way: &Way, plan: Plan) -> Vec<Value> {
    let Plan { count, size } = plan;
    if way.kind == Kind::ServerStream {
        return vec![json!({"id": way.id, "count": count, "size": size, "hang": true})];
    }
    let text = "x".repeat(size);
    let item = |number| match number {
        0 if count == 1 => json!({"id": way.id, "text": text, "hang": true}),
        0 => json!({"id": way.id, "text": text}),
        _ => json!({"text": text, "hang": number == count - 1}),
    };
    (0..count).map(item).collect()
}

/// The wire form of such a message: of `WatchRequest` or `Item`.
fn wire(message: &Value, kind: Kind) -> Vec<u8> {
    let is_watch = kind == Kind::ServerStream;
    let mut bytes = Vec::new();
    let varint = |bytes: &mut Vec<u8>, mut number: u64| {
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    };
    for (name, field) in
        [("id", 1), ("count", 2), ("size", 3), ("text", 3), ("hang", if is_watch { 6 } else { 5 })]
    {
        match message.get(name) {
            Some(Value::String(text)) => {
                bytes.push(field << 3 | 2);
                varint(&mut bytes, text.len() as u64);
                bytes.extend_from_slice(text.as_bytes());
            }
            Some(Value::Number(number)) => {
                bytes.push(field << 3);
                varint(&mut bytes, number.as_u64().unwrap());
            }
            Some(Value::Bool(value)) => bytes.extend_from_slice(&[field << 3, u8::from(*value)]),
            _ => {}
        }
    }
    bytes
}

/// The header in which a key is sent, or a token of an issuer.
fn credential(key: &str) -> (&'static str, String) {
    match key.contains('.') {
        true => ("authorization", format!("Bearer {key}")),
        false => ("x-api-key", key.to_owned()),
    }
}

/// Begins a call, whose messages do not end: to the number of the code with which it ends.
fn open(address: SocketAddr, way: &Way, plan: Plan, key: &str) -> JoinHandle<u64> {
    let way = way.clone();
    let (name, value) = credential(key);
    tokio::spawn(async move {
        let messages = messages(&way, plan);
        match way.form {
            Form::Of(Dialect::WebSocket) => talk(address, &way, &messages, (name, &value)).await,
            form => code(form, &exchange(address, &way, &messages, (name, &value)).await),
        }
    })
}

async fn exchange(address: SocketAddr, way: &Way, messages: &[Value], credential: (&str, &str)) -> Answer {
    let method = match way.kind {
        Kind::ServerStream => "Watch",
        Kind::ClientStream => "Gather",
        _ => "Chat",
    };
    let own = format!("/echo.v1.Streams/{method}");
    let lines = || messages.iter().map(|message| format!("{message}\n")).collect::<String>().into_bytes();
    let frames = |bytes: fn(&Value, Kind) -> Vec<u8>| {
        messages.iter().flat_map(|message| framed(0, &bytes(message, way.kind))).collect::<Vec<u8>>()
    };
    let (version, target, headers, body): (_, _, &[(&str, &str)], _) = match way.form {
        Form::Events | Form::Of(Dialect::Rest | Dialect::Xml) => {
            let accept = match way.form {
                Form::Events => "text/event-stream",
                Form::Of(Dialect::Xml) => "application/xml",
                Form::Of(_) => "application/x-ndjson",
            };
            if way.kind == Kind::ServerStream {
                let message = &messages[0];
                let target = format!(
                    "/v1/watch/{}?count={}&size={}&hang=true",
                    way.id, message["count"], message["size"]
                );
                let headers = [("accept", accept), credential];
                return stream::get(address, Version::Http1, &target, &headers).await.answer().await;
            }
            let target = format!("/v1/{}/{}", method.to_lowercase(), way.id);
            let headers: &[_] = match way.form {
                Form::Of(Dialect::Xml) => {
                    &[("content-type", "application/x-ndjson"), ("accept", "application/xml")]
                }
                _ => &[("content-type", "application/x-ndjson"), ("accept", "application/x-ndjson")],
            };
            (Version::Http1, target, headers, lines())
        }
        Form::Of(Dialect::Grpc) => {
            (Version::Http2, own, &[("content-type", "application/grpc"), ("te", "trailers")], frames(wire))
        }
        Form::Of(Dialect::GrpcWeb) => {
            (Version::Http1, own, &[("content-type", "application/grpc-web+proto")], frames(wire))
        }
        Form::Of(Dialect::Connect) => {
            let json = |message: &Value, _| message.to_string().into_bytes();
            (Version::Http1, own, &[("content-type", "application/connect+json")], frames(json))
        }
        Form::Of(Dialect::Soap) => {
            let message = &messages[0];
            let envelope = format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body><Watch \
                 xmlns=\"urn:echo.v1.Streams\"><id>{}</id><count>{}</count><size>{}</size><hang>true</hang></Watch>\
                 </e:Body></e:Envelope>",
                way.id, message["count"], message["size"]
            );
            let target = "/soap/echo.v1.Streams".to_owned();
            (Version::Http1, target, &[("content-type", "text/xml; charset=utf-8")], envelope.into_bytes())
        }
        Form::Of(Dialect::WebSocket) => unreachable!("it has no body"),
    };
    let headers = [headers, &[credential]].concat();
    let (upload, answer) = stream::upload(address, version, &target, &headers).await;
    upload.send(body).await;
    // Where the caller has a stream, more could come to the end.
    let upload = Some(upload).filter(|_| way.kind != Kind::ServerStream);
    let answer = answer.await.answer().await;
    drop(upload);
    answer
}

async fn talk(address: SocketAddr, way: &Way, messages: &[Value], (name, value): (&str, &str)) -> u64 {
    let method = match way.kind {
        Kind::ServerStream => "Watch",
        Kind::ClientStream => "Gather",
        _ => "Chat",
    };
    let mut request = format!("ws://{address}/ws/echo.v1.Streams/{method}").into_client_request().unwrap();
    let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
    request.headers_mut().append(name, value.parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let mut socket = match client_async(request, stream).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(response)) => {
            let body: Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
            return body["code"].as_u64().unwrap();
        }
        Err(error) => panic!("{way:?}: {error}"),
    };
    for message in messages {
        // A socket that is closed already takes none.
        let _ = socket.send(Message::text(message.to_string())).await;
    }
    let mut last = Value::Null;
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => last = serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => {
                let code = u16::from(frame.expect("a close frame has a code").code);
                assert_eq!(last["error"]["code"], u64::from(code) - 4000, "{way:?}: {last}");
                return u64::from(code) - 4000;
            }
            _ => {}
        }
    }
    panic!("{way:?}: the socket was cut behind {last}");
}

/// The number of the code with which a call ended, in the form of the dialect.
fn code(form: Form, answer: &Answer) -> u64 {
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    let numbered = |code: &Value| {
        let names = [("unauthenticated", 16), ("resource_exhausted", 8), ("deadline_exceeded", 4)];
        names.iter().find(|(name, _)| code == name).unwrap_or_else(|| panic!("{answer:?}")).1
    };
    match form {
        Form::Of(Dialect::Rest) if answer.status == 200 => {
            let last: Value = serde_json::from_str(text().lines().last().unwrap()).unwrap();
            assert_eq!(last["error"]["@type"], "type.googleapis.com/google.rpc.Status", "{answer:?}");
            last["error"]["code"].as_u64().unwrap()
        }
        Form::Events if answer.status == 200 => {
            let text = text();
            let last = events(&text).last().unwrap();
            assert_eq!(last.event.as_deref(), Some("status"), "{answer:?}");
            serde_json::from_str::<Value>(&last.data).unwrap()["error"]["code"].as_u64().unwrap()
        }
        Form::Events | Form::Of(Dialect::Rest) => answer.json()["code"].as_u64().unwrap(),
        Form::Of(Dialect::Xml | Dialect::Soap) => code_in_xml(answer).parse().unwrap(),
        Form::Of(Dialect::Grpc) => {
            let status = answer.trailers.get("grpc-status").or_else(|| answer.headers.get("grpc-status"));
            status.unwrap_or_else(|| panic!("{answer:?}")).to_str().unwrap().parse().unwrap()
        }
        Form::Of(Dialect::GrpcWeb) => {
            let Some((0x80, trailers)) = last_frame(&answer.body) else { panic!("{answer:?}") };
            let trailers = std::str::from_utf8(trailers).unwrap();
            let status = trailers.split("\r\n").find_map(|line| line.strip_prefix("grpc-status:"));
            status.unwrap().trim().parse().unwrap()
        }
        Form::Of(Dialect::Connect) => {
            let Some((2, end)) = last_frame(&answer.body) else { panic!("{answer:?}") };
            let end: Value = serde_json::from_slice(end).unwrap();
            numbered(&end["error"]["code"])
        }
        Form::Of(Dialect::WebSocket) => unreachable!("it has close codes"),
    }
}

/// A gateway whose streams have a policy.
struct Setting {
    place: Place,
    gateway: Gateway,
    _backend: Server,
}

/// A key of these tests.
const KEY: &str = "stream-key";

fn keys(rest: &str) -> String {
    let key = |key: &str, rest: &str| format!("  - {{id: {key}, hash: '{}'{rest}}}\n", new_key::hash(key));
    let own: String = ways().iter().map(|way| key(&way.id, "")).collect();
    format!("keys:\n{}{own}users: []\n", key(KEY, rest))
}

impl Setting {
    fn new(key: &str, policy: &str) -> Self {
        let place = Place::new();
        place.write("callers.yaml", &keys(key));
        Self::with(place, "", "api_key: {}", policy)
    }

    /// With this under `identity`, and a policy that asks for it.
    fn with(place: Place, identity: &str, proof: &str, policy: &str) -> Self {
        let backend = python_server("tests/python/echo_server.py");
        let config = place.config(
            &backend.address().to_string(),
            &format!(
                "policies: {{streams: {{require: {{any: [{proof}]}}{policy}}}}}\n\
                 services: [{{service: echo.v1.Echo}}, {{service: echo.v1.Streams, policy: [streams]}}]\n\
                 reload: {{files: 100ms}}\nadmin: {{address: '127.0.0.1:0'}}\n\
                 telemetry: {{access_log: json}}\n"
            ),
        );
        let config = config.replacen("identity: {", &format!("identity: {{{identity}"), 1);
        Self { place, gateway: Gateway::with_config(&config), _backend: backend }
    }

    /// Waits until all calls have come so far at the backend.
    async fn all_reach(&self, state: &str) {
        let address = self.gateway.address();
        let waits = ways().into_iter().map(|way| async move {
            let answer = client::get(address, &format!("/v1/await/{state}/{}", way.id)).await.json();
            assert_eq!(answer["reached"], true, "{way:?} is not {state}");
        });
        join_all(waits).await;
    }

    /// How often a reason was counted in a dialect.
    async fn refused(&self, reason: Reason, dialect: Dialect) -> u64 {
        self.gateway.wait_for_log("operators are listened to");
        let log = self.gateway.log();
        let line = log.lines().find(|line| line.contains("operators are listened to")).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        let admin = line["address"].as_str().unwrap().parse().unwrap();
        let text = String::from_utf8(client::get(admin, "/metrics").await.body.to_vec()).unwrap();
        let name = format!(
            "transom_policy_refusals_total{{reason=\"{}\",dialect=\"{}\"}} ",
            reason.name(),
            dialect.name()
        );
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    /// Each call has ended with this code, and was counted once for this reason.
    async fn all_end(&self, calls: Vec<(Way, JoinHandle<u64>)>, code: u64, reason: Reason) {
        assert_eq!(proof(reason), Proof::Streams, "{reason:?}");
        for (way, call) in calls {
            assert_eq!(call.await.unwrap(), code, "{way:?} {reason:?}");
        }
        for dialect in Dialect::ALL {
            let form = |way: &Way| match way.form {
                Form::Of(own) => own,
                Form::Events => Dialect::Rest,
            };
            let expected = ways().iter().filter(|way| form(way) == dialect).count() as u64;
            assert_eq!(self.refused(reason, dialect).await, expected, "{reason:?} {dialect}");
        }
    }

    fn open_all(&self, plan: Plan, key: Option<&str>) -> Vec<(Way, JoinHandle<u64>)> {
        let address = self.gateway.address();
        let open = |way: Way| {
            let call = open(address, &way, plan, key.unwrap_or(&way.id));
            (way, call)
        };
        ways().into_iter().map(open).collect()
    }
}

const IDLE: Plan = Plan { count: 1, size: 1 };

#[tokio::test]
async fn a_key_that_is_revoked_ends_every_stream() {
    let setting = Setting::new("", "");
    let calls = setting.open_all(IDLE, Some(KEY));
    setting.all_reach("STARTED").await;
    setting.place.write("callers.yaml", &keys(", revoked: 2020-01-01"));
    setting.gateway.wait_for_log("\"generation\":2");
    let start = Instant::now();
    setting.all_end(calls, 16, Reason::Revoked).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    setting.all_reach("CANCELLED").await;
}

#[tokio::test]
async fn a_key_that_expires_ends_every_stream() {
    let setting = Setting::new("", "");
    let end = Moment::of(SystemTime::now() + Duration::from_secs(5));
    setting.place.write("callers.yaml", &keys(&format!(", expires: '{end}'")));
    setting.gateway.wait_for_log("\"generation\":2");
    let end = end.time();
    let calls = setting.open_all(IDLE, Some(KEY));
    setting.all_reach("STARTED").await;
    setting.all_end(calls, 16, Reason::Expired).await;
    assert!(end.elapsed().is_ok_and(|late| late < Duration::from_secs(5)), "{:?}", end.elapsed());
    setting.all_reach("CANCELLED").await;
}

#[tokio::test]
async fn a_token_that_expires_ends_every_stream() {
    let (place, signer) = (Place::new(), Signer::new("one"));
    place.write("jwks.json", &jwks(&[&signer]));
    let file = place.file("jwks.json").display().to_string();
    let issuer =
        format!("jwt: {{main: {{issuer: id, audience: [shop], jwks: 'file:{file}', leeway: 1s}}}}, ");
    let setting = Setting::with(place, &issuer, "jwt: main", "");
    let end = SystemTime::now() + Duration::from_secs(5);
    let exp = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - 1;
    let token = signer.token(&claims("id", &json!({ "exp": exp })));
    let calls = setting.open_all(IDLE, Some(&token));
    setting.all_reach("STARTED").await;
    setting.all_end(calls, 16, Reason::Expired).await;
    assert!(end.elapsed().unwrap_or_default() < Duration::from_secs(5), "{:?}", end.elapsed());
    setting.all_reach("CANCELLED").await;
}

#[tokio::test]
async fn a_stream_lasts_as_long_as_it_may() {
    let setting = Setting::new("", ", streams: {duration: 2s}");
    let calls = setting.open_all(IDLE, Some(KEY));
    setting.all_end(calls, 4, Reason::Duration).await;
}

#[tokio::test]
async fn messages_and_bytes_over_the_limit_end_every_stream() {
    for (limit, plan, reason) in [
        ("rates: [3/day]", Plan { count: 5, size: 1 }, Reason::Messages),
        ("bytes: [4KiB/day]", Plan { count: 4, size: 2000 }, Reason::Bytes),
    ] {
        let setting = Setting::new("", &format!(", messages: {{{limit}}}"));
        // Each with a limit of its own.
        let calls = setting.open_all(plan, None);
        setting.all_end(calls, 8, reason).await;
    }
}

#[tokio::test]
async fn streams_over_the_limit_do_not_begin() {
    let setting = Setting::new("", ", streams: {max: 1, key: everybody}");
    let one = Way { form: Form::Of(Dialect::Rest), kind: Kind::ServerStream, id: "one".to_owned() };
    let one = open(setting.gateway.address(), &one, IDLE, KEY);
    let reached = client::get(setting.gateway.address(), "/v1/await/STARTED/one").await.json();
    assert_eq!(reached["reached"], true);
    let calls = setting.open_all(IDLE, None);
    setting.all_end(calls, 8, Reason::Streams).await;
    one.abort();
}
