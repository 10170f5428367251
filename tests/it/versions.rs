//! Two versions of an API with different descriptors, and two that have ended, in every dialect: what names them, what their
//! answers say of their end, and who uses them.

use serde_json::{Value, json};
use transom::policy::new_key;

use crate::reload::admin_of;
use crate::support::backend;
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::{Gateway, listening, serve, transom};
use crate::support::process::{Server, python, run};

/// Ends in the last year that can be written.
const VERSIONS: &str = r#"
versions:
  - name: v1
    match:
      - {path: /v1}
      - {header: {x-api-version: "1"}}
      - {host: first.example}
      - {query: {version: "1"}}
      - {media_type: {version: "1"}}
    services: {shop.Users: one}
    deprecated: 2026-01-01
    sunset: 9999-12-31
    link: https://shop.example/migrate
    successor: /v2
  - name: v2
    default: true
    match:
      - {path: /v2}
      - {header: {x-api-version: "2"}}
      - {query: {version: "2"}}
      - {media_type: {version: "2"}}
    strip: true
    services: {shop.Users: two}
  - name: v0
    match: [{path: /v0}, {header: {x-api-version: "0"}}]
    strip: true
    services: {shop.Users: one}
    sunset: 2020-01-01
  - {name: gone, match: [{path: /gone}, {header: {x-api-version: gone}}], sunset: 2020-01-01}
"#;

struct Setting {
    gateway: Gateway,
    _backends: [Server; 2],
    config: String,
}

fn backends() -> [Server; 2] {
    ["1", "2"]
        .map(|version| backend::python_server_with("tests/python/users_server.py", &["--version", version]))
}

fn upstreams(backends: &[Server; 2]) -> String {
    let [one, two] = backends.each_ref().map(Server::address);
    format!("upstreams:\n  one: http://{one}\n  two: http://{two}\n")
}

impl Setting {
    fn new(versions: &str) -> Self {
        let backends = backends();
        let rest = format!("{}services: [shop.*]\n{versions}", upstreams(&backends));
        let config = format!("{}{rest}", Gateway::ANY_PORT);
        Self { gateway: Gateway::with_config(&config), _backends: backends, config }
    }

    async fn send(&self, verb: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let body = body.as_bytes().to_vec();
        client::send(self.gateway.address(), Version::Http2, verb, target, headers, body).await
    }

    async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", target, headers, "").await
    }
}

fn first() -> Value {
    json!({ "id": "7", "name": "Ann 7" })
}

fn second() -> Value {
    json!({ "id": "7", "givenName": "Ann", "familyName": "7" })
}

/// What answers of v1 say of it, by RFC 9745 and RFC 8594.
fn is_told(answer: &Answer) -> bool {
    let links: Vec<_> = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
    let told = (answer.header("deprecation"), answer.header("sunset"), links.as_slice());
    let expected = (
        Some("@1767225600"),
        Some("Fri, 31 Dec 9999 00:00:00 GMT"),
        &[
            "<https://shop.example/migrate>; rel=\"deprecation\"",
            "<https://shop.example/migrate>; rel=\"sunset\"",
            "</v2>; rel=\"successor-version\"",
        ][..],
    );
    assert!(told == expected || told == (None, None, &[][..]), "{told:?}");
    told == expected
}

#[tokio::test]
async fn requests_name_versions_by_path_header_query_and_media_type() {
    let setting = Setting::new(VERSIONS);
    let json = "application/json; charset=utf-8; Version=1";
    for (target, headers, expected, told) in [
        ("/v1/users/7", &[][..], first(), true),
        ("/users/7", &[("x-api-version", "1")], first(), true),
        ("/users/7?version=1", &[], first(), true),
        ("/users/7", &[("accept", json)], first(), true),
        ("/users/7", &[("accept", "text/html, application/json;version=\"1\"")], first(), true),
        ("/v2/users/7", &[], second(), false),
        ("/users/7", &[], second(), false),
        ("/users/7", &[("x-api-version", "2")], second(), false),
        ("/users/7", &[("x-api-version", "3")], second(), false),
        ("/users/7?version=2", &[], second(), false),
        ("/users/7", &[("accept", "application/json;version=2")], second(), false),
        // The path goes first.
        ("/v1/users/7", &[("x-api-version", "2")], first(), true),
        ("/v2/users/7", &[("accept", json)], second(), false),
        // What no version names is in all of them.
        ("/pages/7", &[], json!({ "id": "7" }), false),
        ("/pages/7", &[("x-api-version", "1")], json!({ "id": "7" }), true),
        ("/v2/pages/7", &[], json!({ "id": "7" }), false),
    ] {
        let answer = setting.get(target, headers).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected), "{target} {headers:?}");
        assert_eq!(is_told(&answer), told, "{target} {headers:?}");
    }
    // The host: of the target, and of the header with HTTP/1.1.
    let uri = "http://first.example/users/7";
    let answer = client::send(setting.gateway.address(), Version::Http1, "GET", uri, &[], "").await;
    assert_eq!((answer.json(), is_told(&answer)), (first(), true));
    // A stream, whose headers leave before its messages.
    let answer = setting.get("/v2/users", &[]).await;
    assert_eq!(answer.json()[1], json!({ "id": "2", "givenName": "Ann" }));

    // Each has its own routes, and errors say the same of the version.
    for (target, headers, status, told) in [
        ("/v1/users", &[][..], 404, true),
        ("/v1/pages/7", &[], 404, true),
        ("/users/7?version=3", &[], 400, false),
        ("/users/7?version=1&other=1", &[], 400, true),
        ("/v10/users/7", &[], 404, false),
        ("/nothing", &[], 404, false),
        ("/v1", &[], 404, true),
        ("/v2", &[], 404, false),
    ] {
        let answer = setting.get(target, headers).await;
        assert_eq!((answer.status.as_u16(), is_told(&answer)), (status, told), "{target} {answer:?}");
    }
    let answer = setting.send("POST", "/v1/users/7", &[], "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow"), is_told(&answer)),
        (405, Some("GET, HEAD, OPTIONS"), true)
    );
    // Caches keep apart what headers tell apart, and only that.
    for (target, expected) in
        [("/users/7", &["accept", "accept, x-api-version"][..]), ("/v1/users/7", &["accept"])]
    {
        let answer = setting.get(target, &[]).await;
        let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|vary| vary.to_str().unwrap()).collect();
        assert_eq!(vary, expected, "{target}");
    }
}

/// Versions of the same method: protobuf in gRPC-Web and Connect, JSON in Connect, XML and the body of REST.
#[tokio::test]
async fn every_dialect_has_versions() {
    let setting = Setting::new(VERSIONS);
    run(python("tests/python/version_clients.py").arg(setting.gateway.address().to_string()));
    let path = "/shop.Users/GetUser";
    let body = r#"{"id": "7"}"#;
    let connect = ("connect-protocol-version", "1");
    for (target, content_type, version, expected) in [
        (path.to_owned(), "application/json", "2", second()),
        (path.to_owned(), "application/json", "1", first()),
        (format!("/v1{path}"), "application/json", "2", first()),
        (format!("/v2{path}"), "application/json", "", second()),
        (path.to_owned(), "application/json; version=1", "", first()),
        (format!("{path}?version=1"), "application/json", "", first()),
    ] {
        let headers = [("content-type", content_type), ("x-api-version", version), connect];
        let answer = setting.send("POST", &target, &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected.clone()), "{target} {headers:?}");
        assert_eq!(is_told(&answer), expected == first());
    }
    // Field 1 is "7".
    let request = "\0\0\0\0\x03\x0a\x017";
    for (target, content_type, version, expected) in [
        (path.to_owned(), "application/grpc-web+proto", "1", &b"\x0a\x017\x12\x05Ann 7"[..]),
        (path.to_owned(), "application/grpc-web+proto", "2", b"\x0a\x017\x1a\x03Ann\x22\x017"),
        (path.to_owned(), "application/grpc-web; version=1", "", b"\x0a\x017\x12\x05Ann 7"),
        (format!("/v1{path}"), "application/grpc-web", "", b"\x0a\x017\x12\x05Ann 7"),
    ] {
        let headers = [("content-type", content_type), ("x-api-version", version)];
        let answer = setting.send("POST", &target, &headers, request).await;
        assert_eq!(answer.body.get(5..5 + expected.len()), Some(expected), "{target} {headers:?}");
        assert_eq!(is_told(&answer), expected.len() == 10);
    }
    let answer = setting.get("/users/7?version=1", &[("accept", "application/xml")]).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.contains("<name>Ann 7</name>") && is_told(&answer), "{text}");
    // Documents are those of the version.
    for (target, expected) in [("/v1/xsd/shop", "\"User\""), ("/xsd/shop", "\"Person\"")] {
        let text = String::from_utf8(setting.get(target, &[]).await.body.to_vec()).unwrap();
        assert!(text.contains(expected), "{target}: {text}");
    }
}

#[tokio::test]
async fn a_version_that_has_ended_is_gone_in_every_dialect() {
    let setting = Setting::new(VERSIONS);
    let text = |version| format!("The version {version} of this API has ended on 2020-01-01T00:00:00Z.");
    let sunset = Some("Wed, 01 Jan 2020 00:00:00 GMT");
    for (verb, target, version) in [
        ("GET", "/v0/users/7", "v0"),
        ("GET", "/v0/pages/7", "v0"),
        ("GET", "/v0/nothing", "v0"),
        ("PUT", "/v0/users/7", "v0"),
        ("GET", "/gone/users/7", "gone"),
        ("GET", "/gone", "gone"),
    ] {
        let answer = setting.send(verb, target, &[], "").await;
        let expected = json!({ "code": 12, "message": text(version), "details": [] });
        assert_eq!((answer.status.as_u16(), answer.json()), (410, expected), "{verb} {target}");
        assert_eq!((answer.header("sunset"), answer.header("deprecation")), (sunset, None));
    }
    let path = "/shop.Users/GetUser";
    let old = ("x-api-version", "0");
    let connect = [("content-type", "application/json"), ("connect-protocol-version", "1"), old];
    for path in [path, "/shop.Users/Nothing"] {
        let answer = setting.send("POST", path, &connect, "not even JSON").await;
        assert_eq!(answer.json(), json!({ "code": "unimplemented", "message": text("v0") }));
        assert_eq!((answer.status.as_u16(), answer.header("sunset")), (410, sunset));
        let web = [("content-type", "application/grpc-web"), old];
        let answer = setting.send("POST", path, &web, "\0\0\0\0\0").await;
        let trailers = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(trailers.contains("grpc-status: 12\r\n") && answer.header("sunset") == sunset, "{trailers}");
    }
    let envelope = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GetUser \
                    xmlns=\"urn:shop.Users\"><id>7</id></GetUser></s:Body></s:Envelope>";
    for path in ["/v0/soap/shop.Users", "/gone/soap/shop.Users"] {
        let answer = setting.send("POST", path, &[("content-type", "text/xml")], envelope).await;
        let fault = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(fault.contains("of this API has ended") && fault.contains("Fault"), "{fault}");
        assert_eq!(answer.header("sunset"), sunset);
    }
    let answer = setting.get("/v0/users/7", &[("accept", "application/xml")]).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status == 410 && text.contains("<code>12</code>"), "{text}");
}

/// Who names no version gets what the default has; when that has ended, what no version names goes on.
#[tokio::test]
async fn a_default_that_has_ended_leaves_what_versions_share() {
    let setting = Setting::new(
        "versions:\n  - {name: v1, default: true, services: {shop.Users: one}, sunset: 2020-01-01}\n  - {name: v2, match: \
         [{path: /v2}], strip: true, services: {shop.Users: two}}\n",
    );
    for (target, status) in [("/users/7", 410), ("/nothing", 410), ("/pages/7", 200), ("/v2/users/7", 200)] {
        let answer = setting.get(target, &[]).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("sunset").is_some(), status == 410, "{target}");
    }
}

/// What all versions share is gone with the version that is named, however its path is spelt, and with pages and redirects.
#[tokio::test]
async fn a_version_that_has_ended_takes_everything_along() {
    let setting = Setting::new(
        "routes:\n  - {path: /help, method: GET, answer: {body: helped}}\n  - {path: /away, method: GET, redirect: {to: /help}}\n\
         versions:\n  - {name: v1, match: [{path: /v1}], strip: true, services: {shop.Users: one}, sunset: 2020-01-01}\n",
    );
    for (target, status) in [
        ("/help", 200),
        ("/away", 307),
        ("/pages/7", 200),
        ("/v1/help", 410),
        ("/v1/away", 410),
        ("/v1/pages/7", 410),
        ("/%76%31/help", 410),
        ("/%76%31/pages/7", 410),
    ] {
        let answer = setting.get(target, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("sunset").is_some()),
            (status, status == 410),
            "{target}"
        );
    }
}

/// A browser asks before it sends the header that names a version.
#[tokio::test]
async fn browsers_may_ask_for_any_version() {
    let backends = backends();
    let config = format!(
        "{}{}services: [{{service: shop.*, cors: {{origins: [\"https://shop.example\"]}}}}]\n{}",
        Gateway::ANY_PORT,
        upstreams(&backends),
        VERSIONS.replace("default: true", "default: false")
    );
    let gateway = Gateway::with_config(&config);
    let asks = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-api-version"),
    ];
    for (target, expected) in [("/users/7", 204), ("/v1/users/7", 204), ("/nothing", 404)] {
        let answer = client::send(gateway.address(), Version::Http2, "OPTIONS", target, &asks, "").await;
        assert_eq!(answer.status, expected, "{target}");
    }
    let asks = [("origin", "https://shop.example"), ("x-api-version", "1")];
    let answer = client::send(gateway.address(), Version::Http2, "GET", "/users/7", &asks, "").await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(
        exposed.contains("deprecation") && exposed.contains("link, ") && exposed.contains("sunset"),
        "{exposed}"
    );
    let none = client::send(gateway.address(), Version::Http2, "GET", "/users/7", &[], "").await;
    assert_eq!(none.status, 404, "without a default what versions have is there for those that name one");
}

#[tokio::test]
async fn operators_learn_who_uses_what_ends() {
    let backends = backends();
    let folder = tempfile::tempdir().unwrap();
    let keys = [new_key::make().unwrap(), new_key::make().unwrap()];
    let entry = |id: &str, owner: &str, key: &str| {
        format!("  - {{id: {id}, hash: '{}', owner: {owner}}}\n", new_key::hash(key))
    };
    let file = format!("keys:\n{}{}", entry("acme-1", "acme", &keys[0]), entry("bolt-1", "bolt", &keys[1]));
    std::fs::write(folder.path().join("keys.yaml"), file).unwrap();
    let config = format!(
        "{}admin: 127.0.0.1:0\nidentity: {{api_keys: {{file: keys.yaml}}}}\npolicies: {{known: {{require: {{any: [api_key: \
         {{}}]}}}}}}\n{}services: [{{service: shop.Users, policy: [known]}}, shop.Pages]\n{VERSIONS}",
        Gateway::ANY_PORT,
        upstreams(&backends)
    );
    let path = folder.path().join("transom.yaml");
    std::fs::write(&path, &config).unwrap();
    let server = Server::start(serve(&["-c", path.to_str().unwrap()]), listening);
    let admin = admin_of(&server);
    for (target, key, status) in [
        ("/v1/users/7", keys[0].as_str(), 200),
        ("/v1/users/8", &keys[0], 200),
        ("/v1/users/8", &keys[1], 200),
        ("/v1/users/8", "wrong", 401),
        ("/v2/users/7", &keys[1], 200),
        ("/users/7", &keys[1], 200),
        // Who may not call is told that first.
        ("/v0/users/7", "wrong", 401),
        ("/v0/users/7", &keys[1], 410),
        ("/pages/7", "", 200),
    ] {
        let headers = [("x-api-key", key)];
        let answer = client::send(server.address(), Version::Http2, "GET", target, &headers, "").await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
    let caller = |name: &str, requests: u32| json!([format!("{name}-1"), name, requests]);
    let versions = async || {
        let versions = client::get(admin, "/versions").await.json();
        let version = |version: &Value| {
            let callers = version["callers"].as_array().map(Vec::as_slice).unwrap_or_default();
            let callers: Vec<_> = callers
                .iter()
                .map(|caller| json!([caller["principal"], caller["owner"], caller["requests"]]))
                .collect();
            assert!(
                version["callers"].as_array().is_none_or(|all| all.iter().all(|one| one["last"].is_u64()))
            );
            json!([version["name"], version["requests"], callers, version["unknown"]])
        };
        versions.as_array().unwrap().iter().map(version).collect::<Vec<_>>()
    };
    let expected = [
        json!(["v1", 4, [caller("acme", 2), caller("bolt", 1)], 1]),
        json!(["v2", 2, [], null]),
        json!(["v0", 2, [caller("bolt", 1)], 1]),
        json!(["gone", 0, [], 0]),
    ];
    assert_eq!(versions().await, expected);
    let all = client::get(admin, "/versions").await.json();
    assert_eq!(
        (&all[0]["deprecated"], &all[0]["ended"], &all[1]["default"], &all[1]["sunset"]),
        (&json!(1_767_225_600), &json!(false), &json!(true), &Value::Null)
    );
    assert_eq!([&all[2]["ended"], &all[3]["ended"]], [true, true]);
    let metrics = String::from_utf8(client::get(admin, "/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("transom_version_requests_total{version=\"v1\"} 4\n"), "{metrics}");
    // What was counted goes on with the next configuration.
    std::fs::write(&path, config.replace("sunset: 9999-12-31", "sunset: 9998-12-31")).unwrap();
    let reloaded = client::send(admin, Version::Http1, "POST", "/reload", &[], "").await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    assert_eq!(versions().await, expected);
    let routes = client::get(admin, "/routes").await.json();
    let of_users = routes.as_array().unwrap().iter().filter(|route| route["path"] == "/users/{id}");
    let of_users: Vec<_> = of_users.map(|route| [&route["version"], &route["upstream"]]).collect();
    assert_eq!(of_users, [["v2", "two"], ["v1", "one"], ["v0", "one"]]);
}

#[test]
fn the_command_line_knows_versions() {
    let setting = Setting::new(VERSIONS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transom.yaml");
    std::fs::write(&path, &setting.config).unwrap();
    let path = path.to_str().unwrap();
    let text = |arguments: &[&str]| String::from_utf8(run(&mut transom(arguments)).stdout).unwrap();
    let said = text(&["check", "-c", path]);
    assert!(
        said.starts_with("The configuration is valid: 5 methods by 7 routes in 4 versions, 0 warnings."),
        "{said}"
    );
    let said = text(&["routes", "-c", path]);
    let row = |line: &str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    let rows: Vec<_> = said.lines().map(row).collect();
    for row in [
        "VERB PATH VERSION METHOD",
        "GET /pages/{id} - shop.Pages/GetPage",
        "GET /v1/users/{id} v1 shop.Users/GetUser",
    ] {
        assert!(rows.iter().any(|found| found == row), "{rows:#?}");
    }
    let request = r#"{"id": "7"}"#;
    let call = |more: &[&str]| text(&[&["call", "shop.Users/GetUser", request, "-c", path], more].concat());
    assert_eq!(serde_json::from_str::<Value>(&call(&[])).unwrap(), second());
    assert_eq!(serde_json::from_str::<Value>(&call(&["--api-version", "v1"])).unwrap(), first());
    let output =
        transom(&["call", "shop.Users/GetUser", "-c", path, "--api-version", "v9"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("There is no version v9. There are v1, v2, v0, gone."), "{said}");
    let wsdl = text(&["wsdl", "shop.Users", "-c", path, "--api-version", "v1"]);
    assert!(
        !wsdl.contains("ListUsers") && text(&["wsdl", "shop.Users", "-c", path]).contains("ListUsers"),
        "{wsdl}"
    );
}
