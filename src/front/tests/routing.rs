//! What is chosen by the head of a request, and what is answered without a call.

use std::net::SocketAddr;

use http::HeaderMap;

use super::*;
use crate::call::network::{Network, Networks};
use crate::route::condition::{Condition, Host, Wanted};
use crate::route::location::Location;
use crate::route::prefix::Prefix;
use crate::route::rewrite::{Rewrite, Rewrites};
use crate::snapshot::case::{Action, Case};
use crate::snapshot::fixed::{Content, Fixed, Page, Redirect};
use crate::snapshot::maintenance::{Order, Terms};

const PAGE: &str = "<h1>Closed</h1>";

pub(super) fn terms() -> Terms {
    let network = Network::new("10.0.0.0".parse().unwrap(), 8).unwrap();
    Terms { retry_after: 300 * SECOND, except: Networks(vec![network]), page: Some(PAGE.into()) }
}

pub(super) fn rewrites() -> Rewrites {
    let [prefix, to] = ["/api", "/"].map(|text| Prefix::parse(text).unwrap());
    Rewrites::new(vec![Rewrite { prefix, to, condition: Condition::default() }])
}

fn page(text: &str) -> Content {
    let tag = HeaderValue::from_static("\"abc\"");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "text/plain".parse().unwrap());
    headers.insert("cache-control", "no-cache".parse().unwrap());
    headers.insert("etag", tag.clone());
    let (status, body) = (StatusCode::OK, text.to_owned().into());
    Content::Page(Page { status, headers, body, tag: Some(tag) })
}

/// Adds routes that depend on more than the path, and such without a call.
pub(super) fn add(routes: &mut Table<Case>, echo: &Arc<Endpoint>) {
    let mut insert = |verb: &str, path: &str, condition: Condition, action: Action| {
        let order = |new: &Case, other: &Case| match (&new.condition, &other.condition) {
            (Some(new), Some(other)) => Some(new.order(other)),
            (new, other) => Some(other.is_some().cmp(&new.is_some())),
        };
        let template = Template::parse(path).unwrap();
        let inserted = routes.insert_among(verb, template, Case::new(condition, action), order);
        assert!(matches!(inserted, Ok(Inserted::New)));
    };
    let fixed = |path: &str, content| Action::Fixed(Arc::new(Fixed::new(path, content)));
    let call = |path: &str| {
        let rule = Rule { variables: &[], body: "", response_body: "" };
        let message = id(&echo.schema);
        let binding = Binding::new(&echo.schema, [message; 2], rule, BindingOptions::default()).unwrap();
        Action::Call(Arc::new(Route::new(Arc::clone(echo), binding, path)))
    };
    let any = Condition::default;
    let to = |template: &str, text: &str| {
        let location = Location::parse(text, &Template::parse(template).unwrap()).unwrap();
        Content::Redirect(Redirect { location, status: StatusCode::PERMANENT_REDIRECT, keeps_query: true })
    };
    let old = "/old/{rest=**}";
    insert("GET", old, any(), fixed(old, to(old, "/{rest}")));
    insert("GET", "/page", any(), fixed("/page", page("the same")));
    let host = |host| Condition { host: Host::parse(host), ..any() };
    let header = |name: &str, wanted| Condition { headers: vec![(name.into(), wanted)], ..any() };
    insert("GET", "/pick", any(), fixed("/pick", page("plain")));
    insert("GET", "/pick", header("x-call", Wanted::Is("1".into())), call("/pick"));
    insert("GET", "/pick", host("*.example"), fixed("/pick", page("below")));
    insert("GET", "/pick", host("a.example"), fixed("/pick", page("exact")));
    insert("GET", "/only", host("a.example"), call("/only"));
    insert("PUT", "/only", header("x-call", Wanted::Any), call("/only"));
}

#[tokio::test]
async fn the_head_of_a_request_decides() {
    let setting = Setting::new();
    for (target, headers, expected) in [
        ("/pick", &[][..], "plain"),
        ("/pick", &[("host", "a.example:8080")], "exact"),
        ("/pick", &[("host", "A.Example.")], "exact"),
        ("/pick", &[("host", "b.example")], "below"),
        ("/pick", &[("host", "a.example.evil")], "plain"),
        // What proxies may say of a host is not believed, and the target goes before the header.
        ("/pick", &[("x-forwarded-host", "a.example"), ("forwarded", "host=a.example")], "plain"),
        ("http://other/pick", &[("host", "a.example")], "plain"),
        ("http://a.example/pick", &[("host", "other")], "exact"),
        ("http://a.example@other/pick", &[("host", "other")], "plain"),
        ("/pick", &[("host", "a.example"), ("x-call", "1")], "exact"),
        ("/pick", &[("x-call", "2")], "plain"),
        ("/api/pick?x", &[], "plain"),
    ] {
        let answer = setting.send(request("GET", target, headers, "")).await;
        assert_eq!((answer.status, &*answer.body), (200, expected.as_bytes()), "{target} {headers:?}");
    }
    assert!(!setting.was_called());
    let answer = setting.send(request("GET", "/api/pick?int32=5", &[("x-call", "1")], "")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"int32": 5})));
    assert_eq!(&*setting.call().origin.route, "/pick");
}

#[tokio::test]
async fn where_no_condition_holds_there_is_nothing() {
    let setting = Setting::new();
    setting.get("/only").await.is_error(404, 12, "There is no route for GET /only.");
    let at = [("host", "a.example")];
    assert_eq!(setting.send(request("GET", "/only", &at, "")).await.status, 200);
    // What would be answered is listed, and nothing else.
    let answer = setting.send(request("PUT", "/only", &at, "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let answer = setting.send(request("GET", "/only", &[("x-call", "")], "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, PUT")));
}

#[tokio::test]
async fn browsers_are_told_of_the_route_that_they_would_reach() {
    let cors = crate::snapshot::Cors { any: true, ..Default::default() };
    let setting = Setting::with(&EndpointOptions { cors: Some(Arc::new(cors)), ..Default::default() }, false);
    let asks = |headers: &[(&'static str, &'static str)]| {
        let usual = [("origin", "https://b.example"), ("access-control-request-method", "GET")];
        request("OPTIONS", "/pick", &[&usual, headers].concat(), "")
    };
    let listed = [("access-control-request-headers", "content-type,x-call")];
    for (headers, allowed) in [
        (&listed[..], Some("GET")),
        (&[], None),
        // Another route goes before it there.
        (&[listed[0], ("host", "a.example")], None),
    ] {
        let answer = setting.send(asks(headers)).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-methods"), allowed, "{headers:?}");
    }
}

#[tokio::test]
async fn redirects_take_variables_and_query_along() {
    let setting = Setting::new();
    for (target, location) in [
        ("/old/a/b%2Fc?x=1", "/a/b%2Fc?x=1"),
        ("/old", "/"),
        ("/api/old/x", "/x"),
        ("/old//evil.example/%0d%0ax", "/evil.example/%0d%0ax"),
    ] {
        let mut seen = crate::front::Seen::default();
        let answer = setting.front.answer(request("GET", target, &[], ""), None, None, &mut seen).await;
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.headers()["location"], location, "{target}");
        assert_eq!((seen.template(), seen.route.is_none()), (Some("/old/{rest=**}"), true));
        assert_eq!(seen.meter().unwrap().dialect(), "none");
    }
    assert_eq!(setting.send(request("POST", "/old/x", &[], "")).await.status, 405);
}

#[tokio::test]
async fn pages_are_asked_for_again_by_their_tag() {
    let setting = Setting::new();
    for (tags, status) in [
        (&[][..], 200),
        (&["\"abc\""], 304),
        (&["W/\"abc\""], 304),
        (&["\"x\", \"abc\""], 304),
        (&["\"x\"", "*"], 304),
        (&["\"abcd\"", "abc"], 200),
    ] {
        let headers: Vec<_> = tags.iter().map(|tag| ("if-none-match", *tag)).collect();
        for verb in ["GET", "HEAD"] {
            let answer = setting.send(request(verb, "/page", &headers, "")).await;
            assert_eq!((answer.status, answer.header("etag")), (status, Some("\"abc\"")), "{tags:?}");
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            let content = if status == 200 { &b"the same"[..] } else { b"" };
            assert_eq!(&*answer.body, content);
        }
    }
}

fn closed(setting: &Setting) {
    let order = Order { message: Some("Back at ten.".into()), retry_after: Some(90 * SECOND) };
    setting.front.handle.maintenance().by_operator(Some(order));
}

#[tokio::test]
async fn maintenance_is_said_in_every_dialect() {
    let setting = Setting::new();
    closed(&setting);
    let own = "/echo.v1.Echo/Echo";
    let soap = "/soap/echo.v1.Echo";
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    for (verb, target, headers, status, content_type, part) in [
        ("GET", "/echo/x", &[][..], 503, "application/json", "\"code\":14,\"message\":\"Back at ten.\""),
        (
            "GET",
            "/nowhere",
            &[("accept", "application/problem+json")],
            503,
            "application/problem+json",
            "\"status\":503",
        ),
        (
            "GET",
            "/echo/x",
            &[("accept", "application/xml")],
            503,
            "application/xml",
            "<message>Back at ten.</message>",
        ),
        ("GET", "/page", &[], 503, "application/json", "Back at ten."),
        (
            "GET",
            "/echo/x",
            &[("accept", "text/html,application/xml;q=0.9,*/*;q=0.8")],
            503,
            "text/html; charset=utf-8",
            PAGE,
        ),
        ("POST", "/echo", &[("accept", "text/html")], 503, "application/json", "Back at ten."),
        (
            "POST",
            own,
            &[("content-type", "application/grpc-web+proto")],
            200,
            "application/grpc-web+proto",
            "grpc-status: 14\r\ngrpc-message: Back at ten.",
        ),
        (
            "POST",
            own,
            &[("content-type", "application/proto")],
            503,
            "application/json",
            "{\"code\":\"unavailable\",\"message\":\"Back at ten.\"",
        ),
        (
            "POST",
            own,
            &[("content-type", "application/connect+json")],
            503,
            "application/json",
            "\"unavailable\"",
        ),
        ("POST", own, &[("content-type", "application/grpc")], 503, "application/json", "\"code\":14"),
        (
            "POST",
            soap,
            &[("content-type", "text/xml")],
            503,
            "text/xml; charset=utf-8",
            "<faultstring>Back at ten.</faultstring>",
        ),
        (
            "POST",
            soap,
            &[("content-type", "application/soap+xml")],
            503,
            "application/soap+xml; charset=utf-8",
            "<soap:Text xml:lang=\"en\">Back at ten.",
        ),
        (
            "POST",
            "/soap/other",
            &[("content-type", "text/xml")],
            503,
            "text/xml; charset=utf-8",
            "Back at ten.",
        ),
        ("GET", "/soap/echo.v1.Echo?wsdl", &[], 503, "application/json", "Back at ten."),
        ("GET", "/ws/echo.v1.Echo/Chat", &upgrade, 503, "application/json", "Back at ten."),
    ] {
        let answer = setting.send(request(verb, target, headers, "")).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some(content_type)),
            "{target} {text}"
        );
        assert!(text.contains(part), "{verb} {target} {headers:?}: {text}");
        assert_eq!(answer.header("retry-after"), Some("90"), "{target} {headers:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let mut sent = request("POST", own, &[("content-type", "application/grpc")], "");
    *sent.version_mut() = http::Version::HTTP_2;
    let answer = setting.send(sent).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")));
    assert_eq!(
        (answer.header("grpc-message"), answer.header("retry-after")),
        (Some("Back at ten."), Some("90"))
    );
    assert!(!setting.was_called());
    setting.front.handle.maintenance().by_operator(None);
    assert_eq!(setting.get("/echo/x").await.status, 200);
}

#[tokio::test]
async fn some_are_answered_during_maintenance() {
    let setting = Setting::new();
    setting.front.handle.maintenance().by_file(Some(""));
    for (peer, status) in [("10.1.2.3:4", 200), ("[::ffff:10.1.2.3]:4", 200), ("192.0.2.1:4", 503)] {
        let peer: SocketAddr = peer.parse().unwrap();
        let sent = request("GET", "/echo/x", &[], "");
        let answer = setting.front.answer(sent, Some(peer), None, &mut crate::front::Seen::default()).await;
        assert_eq!(answer.status(), status, "{peer}");
        if status == 503 {
            assert_eq!(answer.headers()["retry-after"], "300");
        }
    }
    let answer = setting.get("/echo/x").await;
    answer.is_error(503, 14, "The service is being maintained. Try again later.");
}
