//! Routes that depend on more than a path, answers without a call, rewrites and maintenance, by the real binary and real
//! clients.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::reload::admin_of;
use crate::support::backend;
use crate::support::client::{self, Version, get};
use crate::support::gateway::{listening, serve, transom};
use crate::support::process::{Server, python, run};

/// How long something may take that must happen. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway in front of the echo server, whose files can be changed.
struct Setting {
    folder: TempDir,
    server: Server,
    admin: SocketAddr,
    _backend: Server,
}

impl Setting {
    fn new(config: &str) -> Self {
        Self::with_files(config, &[])
    }

    fn with_files(config: &str, files: &[(&str, &str)]) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let file = folder.path().join("transom.yaml");
        let head = format!(
            "listeners: [{{address: 127.0.0.1:0}}]\nadmin: 127.0.0.1:0\nreload: {{files: 100ms}}\n\
             upstreams: {{echo: 'http://{}'}}\nservices: ['**']\n",
            backend.address()
        );
        std::fs::write(&file, head + config).unwrap();
        let server = Server::start(serve(&["-c", file.to_str().unwrap()]), listening);
        let admin = admin_of(&server);
        Self { folder, server, admin, _backend: backend }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Sends a request to a host, as it names it.
    async fn ask(
        &self,
        version: Version,
        verb: &str,
        host: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let builder = Request::builder().method(verb);
        let builder = match version {
            Version::Http1 => builder.uri(target).header("host", host),
            Version::Http2 => builder.uri(format!("http://{host}{target}")),
        };
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        let request = builder.body(Full::new(Bytes::new())).unwrap();
        let stream = TokioIo::new(TcpStream::connect(self.address()).await.unwrap());
        let response = match version {
            Version::Http1 => {
                let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
            Version::Http2 => {
                let (mut sender, connection) =
                    conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
                tokio::spawn(connection);
                sender.send_request(request).await.unwrap()
            }
        };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Asks again and again until an answer is so.
    async fn eventually(&self, target: &str, is_so: impl Fn(&client::Answer) -> bool) {
        let started = Instant::now();
        loop {
            let answer = get(self.address(), target).await;
            if is_so(&answer) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{target}: {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn host_headers_query_and_cookies_decide() {
    let setting = Setting::new(
        r#"
routes:
  - {path: "/v1/echo/{string}", method: GET, host: api.example, answer: {body: host}}
  - {path: "/v1/echo/{string}", method: GET, host: "*.example", answer: {body: below}}
  - {path: "/v1/echo/{string}", method: GET, headers: {x-beta: "1"}, answer: {body: header}}
  - {path: "/v1/echo/{string}", method: GET, headers: {x-beta: "1"}, query: {beta: "*"}, answer: {body: both}}
  - {path: "/v1/echo/{string}", method: GET, query: {beta: "a b"}, answer: {body: query}}
  - {path: "/v1/echo/{string}", method: GET, cookies: {beta: "1"}, answer: {body: cookie}}
  - {path: /only, method: GET, host: api.example, call: echo.v1.Echo/Echo}
  - {path: /only, method: DELETE, headers: {x-beta: "*"}, answer: {status: 204}}
"#,
    );
    let echo = r#"{"string":"x"}"#;
    let beta = ("x-beta", "1");
    for version in [Version::Http1, Version::Http2] {
        for (host, query, headers, expected) in [
            ("other", "", &[][..], echo),
            ("api.example", "", &[], "host"),
            ("API.Example.:8080", "", &[], "host"),
            ("api.example", "?beta=a+b", &[beta], "host"),
            ("a.b.example", "", &[beta], "below"),
            ("example", "", &[], echo),
            ("api.example.evil", "", &[], echo),
            ("other", "", &[beta], "header"),
            ("other", "", &[("x-beta", "2")], echo),
            ("other", "?beta=", &[beta], "both"),
            ("other", "?beta=a%20b", &[], "query"),
            ("other", "", &[("cookie", "a=b; beta=1")], "cookie"),
            // Nobody is believed about another host.
            ("other", "", &[("x-forwarded-host", "api.example"), ("forwarded", "host=api.example")], echo),
        ] {
            let answer = setting.ask(version, "GET", host, &format!("/v1/echo/x{query}"), headers).await;
            assert_eq!(answer, (200, expected.to_owned()), "{version:?} {host} {query} {headers:?}");
        }
        assert_eq!(setting.ask(version, "GET", "other", "/only", &[]).await.0, 404);
        assert_eq!(setting.ask(version, "GET", "api.example", "/only", &[]).await, (200, "{}".to_owned()));
        assert_eq!(setting.ask(version, "DELETE", "api.example", "/only", &[]).await.0, 405);
        assert_eq!(setting.ask(version, "DELETE", "other", "/only", &[beta]).await.0, 204);
        assert_eq!(setting.ask(version, "GET", "other", "/only", &[beta]).await.0, 405);
    }
}

/// What a target says of the host goes before the header, and several hosts are none.
#[tokio::test]
async fn a_host_that_lies_decides_nothing() {
    let setting =
        Setting::new("routes: [{path: /host, method: GET, host: api.example, answer: {body: in}}]\n");
    for (head, expected) in [
        ("GET /host HTTP/1.1\r\nhost: api.example", "HTTP/1.1 200"),
        ("GET http://api.example/host HTTP/1.1\r\nhost: other", "HTTP/1.1 200"),
        ("GET http://other/host HTTP/1.1\r\nhost: api.example", "HTTP/1.1 404"),
        ("GET /host HTTP/1.1\r\nhost: api.example\r\nhost: api.example", "HTTP/1.1 400"),
        ("GET /host HTTP/1.1\r\nhost: other@api.example", "HTTP/1.1 400"),
        ("GET /host HTTP/1.1\r\nhost: other\r\nx-forwarded-host: api.example", "HTTP/1.1 404"),
        ("GET //api.example/host HTTP/1.1\r\nhost: other", "HTTP/1.1 404"),
        ("GET /host HTTP/1.0\r\nx: y", "HTTP/1.1 404"),
    ] {
        let mut stream = TcpStream::connect(setting.address()).await.unwrap();
        stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let answer = answer.replacen("HTTP/1.0", "HTTP/1.1", 1);
        assert!(answer.starts_with(expected), "{head}: {answer}");
    }
    // The one of HTTP/2 that contradicts itself.
    let headers = [("host", "api.example")];
    assert_eq!(setting.ask(Version::Http2, "GET", "other", "/host", &headers).await.0, 400);
}

const REDIRECTS: &str = r#"
rewrites: [{prefix: /api, to: /}]
routes:
  - {path: "/old/{id}", method: GET, redirect: "/v1/echo/{id}"}
  - {path: "/any/{rest=**}", method: "*", redirect: "/{rest}"}
  - {path: /moved, method: POST, redirect: {to: /v1/echo, status: 308}}
  - {path: /seen, method: POST, redirect: {to: /done, status: 303}}
  - {path: /done, method: GET, answer: {body: "seen\n"}}
"#;

#[test]
fn httpx_goes_where_it_is_sent() {
    let setting = Setting::new(REDIRECTS);
    run(python("tests/python/routing_clients.py").arg(format!("http://{}", setting.address())));
}

/// Whatever a path says, browsers stay with the host that they asked. Node.js reads URLs as they do.
#[tokio::test]
async fn nobody_is_sent_to_another_host() {
    let setting = Setting::new(REDIRECTS);
    let mut locations = Vec::new();
    for rest in [
        "/evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "\\evil.example",
        "%5Cevil.example",
        "%2F%2Fevil.example",
        "/%2Fevil.example",
        "/%09/evil.example",
        "@evil.example",
        ":80@evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "%0d%0alocation:%20https://evil.example",
        "%E2%80%AE/evil.example",
        ".evil.example",
        "?/../../evil.example",
    ] {
        let mut stream = TcpStream::connect(setting.address()).await.unwrap();
        let request = format!("GET /any/{rest} HTTP/1.1\r\nhost: good.example\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let lines: Vec<_> = answer.split("\r\n\r\n").next().unwrap().split("\r\n").collect();
        assert!(lines[0].contains("307"), "{rest}: {answer}");
        let named: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("location: ")).collect();
        assert_eq!(named.len(), 1, "{rest}: {answer}");
        locations.push(named[0].to_owned());
    }
    let script = "for (const at of JSON.parse(process.argv[1])) console.log(new URL(at, 'https://good.example/a').origin)";
    let output = run(Command::new("node").args(["-e", script, &serde_json::to_string(&locations).unwrap()]));
    let origins = String::from_utf8(output.stdout).unwrap();
    assert_eq!(origins.lines().count(), locations.len());
    assert!(origins.lines().all(|origin| origin == "https://good.example"), "{locations:?}\n{origins}");
}

#[tokio::test]
async fn rewrites_hold_in_every_dialect() {
    let setting =
        Setting::new("rewrites: [{prefix: /api/shop, to: /}, {prefix: /old, to: /v1, host: a.example}]\n");
    let address = setting.address();
    let rest = get(address, "/api/shop/v1/echo/a%2Fb").await;
    assert_eq!(rest.json(), json!({"string": "a/b"}));
    assert_eq!(get(address, "/api/shopping/v1/echo/a").await.status, 404);
    let connect = client::post(address, "/api/shop/echo.v1.Echo/Echo", &json!({"string": "c"})).await;
    assert_eq!(connect.json(), json!({"string": "c"}));
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let message = Bytes::from_static(&[0, 0, 0, 0, 0]);
    let answer =
        client::send(address, Version::Http2, "POST", "/api/shop/echo.v1.Echo/Echo", &grpc, message).await;
    assert_eq!(answer.trailers["grpc-status"], "0", "{answer:?}");
    let wsdl = get(address, "/api/shop/soap/echo.v1.Echo?wsdl").await;
    assert_eq!(wsdl.status, 200);
    let socket = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer =
        setting.ask(Version::Http1, "GET", "other", "/api/shop/ws/echo.v1.Streams/Nothing", &socket).await;
    assert!(
        answer.1.contains("There is no method for a WebSocket at /ws/echo.v1.Streams/Nothing."),
        "{answer:?}"
    );
    let other = setting.ask(Version::Http2, "GET", "a.example", "/old/echo/x", &[]).await;
    assert_eq!(other, (200, r#"{"string":"x"}"#.to_owned()));
    assert_eq!(setting.ask(Version::Http2, "GET", "b.example", "/old/echo/x", &[]).await.0, 404);
}

#[tokio::test]
async fn answers_follow_their_files_and_are_seen() {
    let routes = r#"
telemetry: {access_log: json}
routes:
  - {path: /robots.txt, method: GET, answer: {file: robots.txt, headers: {x-a: b}, max_age: 1h}}
  - {path: "/gone/{id}", method: "*", answer: {status: 410, content_type: application/json, body: '{"gone":true}'}}
  - {path: "/old/{id}", method: GET, query: {a: "1"}, redirect: {to: /robots.txt, query: drop}}
"#;
    let setting = Setting::with_files(routes, &[("robots.txt", "Disallow: /\n")]);
    let address = setting.address();
    for version in [Version::Http1, Version::Http2] {
        let answer = client::send(address, version, "GET", "/robots.txt", &[], "").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"Disallow: /\n"[..]));
        let headers =
            ["content-type", "cache-control", "x-a", "content-length"].map(|name| answer.header(name));
        assert_eq!(headers, [Some("text/plain; charset=utf-8"), Some("max-age=3600"), Some("b"), Some("12")]);
        let tag = answer.header("etag").unwrap().to_owned();
        let known = [("if-none-match", &*tag)];
        let again = client::send(address, version, "GET", "/robots.txt", &known, "").await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
        let head = client::send(address, version, "HEAD", "/robots.txt", &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, Some(&*tag)));
    }
    let gone = client::post(address, "/gone/1", &json!({})).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (410, json!({"gone": true})));
    let old = get(address, "/old/1?a=1").await;
    assert_eq!((old.status.as_u16(), old.header("location")), (307, Some("/robots.txt")));
    assert_eq!(get(address, "/old/1").await.status, 404);

    let metrics = String::from_utf8(get(setting.admin, "/metrics").await.body.to_vec()).unwrap();
    for labels in [
        r#"http_request_method="GET",http_route="/robots.txt",dialect="none",http_response_status_code="304""#,
        r#"http_request_method="POST",http_route="/gone/{id}",dialect="none",http_response_status_code="#,
        r#"http_request_method="GET",http_route="/old/{id}",dialect="none",http_response_status_code="307""#,
    ] {
        assert!(metrics.contains(labels), "{labels}\n{metrics}");
    }
    setting.server.wait_for(r#""route":"/old/{id}""#);

    let file = setting.folder.path().join("transom.yaml");
    let table = run(&mut transom(&["routes", "-c", file.to_str().unwrap()])).stdout;
    let table = String::from_utf8(table).unwrap();
    let line = |path: &str| {
        table.lines().find(|line| line.contains(path)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(
        line("/old/{id}"),
        ["GET", "/old/{id}", "->", "/robots.txt", "(307)", "-", "-", "-", "-", "?a=1"]
    );
    assert_eq!(line("/robots.txt "), ["GET", "/robots.txt", "answer", "(200)", "-", "-", "-", "-", "-"]);
    let routes = get(setting.admin, "/routes").await.json();
    let old = routes.as_array().unwrap().iter().find(|route| route["path"] == "/old/{id}").unwrap();
    let when = json!({"host": null, "headers": {}, "query": {"a": "1"}, "cookies": {}});
    let expected = json!({
        "verb": "GET", "path": "/old/{id}", "method": null, "redirect": {"to": "/robots.txt", "status": 307}, "when": when,
    });
    assert_eq!(*old, expected);
    let check = run(&mut transom(&["check", "-c", file.to_str().unwrap()])).stdout;
    let check = String::from_utf8(check).unwrap();
    assert!(
        check.contains("Policies do not hold for what is answered without a call, on 3 routes."),
        "{check}"
    );

    std::fs::write(setting.folder.path().join("robots.txt"), "Allow: /\n").unwrap();
    setting.eventually("/robots.txt", |answer| *answer.body == *b"Allow: /\n").await;
    // One that is too large is refused, and the old one goes on.
    std::fs::write(setting.folder.path().join("robots.txt"), vec![b'x'; (1 << 20) + 1]).unwrap();
    setting.server.wait_for("is larger than 1048576 bytes");
    assert_eq!(*get(address, "/robots.txt").await.body, *b"Allow: /\n");
}

#[test]
fn every_client_understands_maintenance() {
    let setting = Setting::new("");
    let [url, admin] = [setting.address(), setting.admin].map(|address| format!("http://{address}"));
    run(python("tests/python/routing_clients.py").args([url, admin]));
}

#[tokio::test]
async fn a_file_switches_maintenance() {
    let settings = "maintenance: {file: closed, retry_after: 2m, page: closed.html}\n";
    let setting =
        Setting::with_files(settings, &[("closed.html", "<h1>Closed</h1>"), ("closed", "We move.\n")]);
    let address = setting.address();
    // From the first request on.
    let answer = get(address, "/v1/echo/x").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("120")));
    assert_eq!(answer.json()["message"], "We move.");
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let page = client::send(address, Version::Http1, "GET", "/", &browser, "").await;
    assert_eq!((page.status.as_u16(), &*page.body), (503, &b"<h1>Closed</h1>"[..]));
    let health = client::post(address, "/grpc.health.v1.Health/Check", &json!({})).await;
    assert_eq!(health.json(), json!({"status": "SERVING"}));
    // A route that fits that path is no way around.
    let xml = [("content-type", "application/xml")];
    let around =
        client::send(address, Version::Http1, "POST", "/grpc.health.v1.Health/Check", &xml, "<x/>").await;
    let put = client::send(address, Version::Http1, "PUT", "/grpc.health.v1.Health/Check", &[], "{}").await;
    assert_eq!((around.status.as_u16(), put.status.as_u16()), (503, 503));
    let ready = get(setting.admin, "/readyz").await.json();
    assert_eq!((&ready["ready"], &ready["maintenance"]), (&json!(true), &json!(true)));
    let metrics = String::from_utf8(get(setting.admin, "/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("transom_maintenance{by=\"file\"} 1\n"), "{metrics}");

    let file = setting.folder.path().join("closed");
    std::fs::write(&file, "Until noon.").unwrap();
    let says = |text: &'static str| {
        move |answer: &client::Answer| {
            answer.status == 503
                && serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body["message"] == text)
        }
    };
    setting.eventually("/v1/echo/x", says("Until noon.")).await;
    std::fs::remove_file(&file).unwrap();
    setting.eventually("/v1/echo/x", |answer| answer.status == 200).await;
    std::fs::write(&file, "").unwrap();
    setting.eventually("/v1/echo/x", says("The service is being maintained. Try again later.")).await;
    // A configuration that is wrong does not keep the file from being seen.
    let config = setting.folder.path().join("transom.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}nonsense: 1\n")).unwrap();
    setting.server.wait_for("the new configuration is refused");
    std::fs::remove_file(&file).unwrap();
    setting.eventually("/v1/echo/x", |answer| answer.status == 200).await;
}

#[tokio::test]
async fn some_addresses_are_served_during_maintenance() {
    let settings =
        "maintenance: {file: closed, except: {ips: [192.0.2.0/24]}}\ntrusted_proxies: [127.0.0.1]\n";
    let setting = Setting::with_files(settings, &[("closed", "")]);
    for (caller, status) in [("192.0.2.9", 200), ("198.51.100.1", 503)] {
        let headers = [("x-forwarded-for", caller)];
        let answer = client::send(setting.address(), Version::Http2, "GET", "/v1/echo/x", &headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{caller}");
    }
}
