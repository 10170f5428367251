//! The answers, and who gets which.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};

use super::*;
use crate::schema::Schema;
use crate::snapshot::{Limits, Missing};
use crate::upstream::report::{AdaptiveReport, Recent, TargetReport};
use crate::upstream::source::SourceReport;

#[derive(Default)]
struct Site {
    draining: AtomicBool,
    token: Option<Arc<Token>>,
    missing: Vec<Missing>,
    refuses: bool,
    handle: OnceLock<Handle>,
}

impl Site {
    fn served(&self) -> Snapshot {
        let limits = Limits { body: 1, body_pause: Duration::ZERO, request: Duration::ZERO, message: 1 };
        Snapshot {
            surface: Default::default(),
            rewrites: Default::default(),
            maintenance: Default::default(),
            public_url: None,
            versions: None,
            access: Default::default(),
            tls: Default::default(),
            schema: Arc::new(Schema::load(&[]).unwrap()),
            limits,
            sockets: Default::default(),
            missing: self.missing.clone(),
        }
    }
}

impl Gateway for Site {
    fn handle(&self) -> &Handle {
        self.handle.get_or_init(|| Handle::new(self.served()))
    }

    fn generation(&self) -> u64 {
        3
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn configuration(&self) -> Json {
        json!({ "admin": { "token": "file:token" } })
    }

    fn upstreams(&self) -> Vec<(String, Report)> {
        let target = TargetReport {
            target: "http://10.0.0.5:1".into(),
            source: Some("dns://shop:1".into()),
            open: 2,
            in_flight: 3,
            failed_calls: 4,
            ejected_for: Some(Duration::from_millis(1500)),
            healthy: true,
            weight: 3,
            part: 250,
            recent: Some(Recent { calls: 9, failed: 2, typical: Some(Duration::from_micros(1_234)) }),
            ..TargetReport::default()
        };
        let source = SourceReport {
            name: "dns://shop:1".into(),
            targets: 1,
            answered: Some(Duration::from_secs(2)),
            failure: Some("there is no such name".into()),
        };
        let (targets, sources) = (vec![target], vec![source]);
        let (base, typical) = (Duration::from_millis(2), Duration::from_micros(2500));
        let adaptive = Some(AdaptiveReport { limit: 40, in_flight: 2, base, typical });
        let report = Report {
            opened: 5,
            in_flight: 3,
            pending: 1,
            adaptive,
            open_for: Some(Duration::from_millis(700)),
            panics: false,
            targets,
            sources,
        };
        vec![("shop".into(), report)]
    }

    fn identities(&self) -> (Vec<source::Report>, Vec<introspection::Report>) {
        let issuer = source::Report {
            name: "main".into(),
            place: Some("https://id/keys".into()),
            keys: 2,
            answered: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7)),
            failure: None,
        };
        let place = "https://id/introspect".into();
        let failure = Some("https://id/introspect answered with 500".into());
        (vec![issuer], vec![introspection::Report { name: "old".into(), place, failure }])
    }

    fn metrics(&self) -> String {
        "# metrics\n".into()
    }

    fn token(&self) -> Option<Arc<Token>> {
        self.token.clone()
    }

    fn reload(&self) -> BoxFuture<Outcome> {
        let said = Said {
            message: "It is wrong.".into(),
            place: Some("a.yaml:1:2".into()),
            hint: Some("Mend it.".into()),
        };
        let (reloaded, errors) = if self.refuses { (false, vec![said]) } else { (true, Vec::new()) };
        Box::pin(async move { Outcome { reloaded, generation: 3, errors, warnings: Vec::new() } })
    }
}

async fn ask(site: Site, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Json) {
    send(&Admin::new(Arc::new(site)), method, path, headers, "").await
}

async fn send(
    admin: &Admin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> (u16, Json) {
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9901");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body)).unwrap();
    let response = admin.answer(request).await;
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn missing() -> Vec<Missing> {
    vec![Missing { upstream: "shop".into(), reason: "The server at http://10.0.0.5:1 is away.".into() }]
}

#[tokio::test]
async fn every_path_has_its_answer() {
    let message = |text: &str| json!({ "message": text });
    for (method, path, status, expected) in [
        ("GET", "/livez", 200, json!({ "live": true })),
        (
            "GET",
            "/readyz",
            200,
            json!({ "ready": true, "draining": false, "maintenance": false, "generation": 3, "missing": [] }),
        ),
        ("GET", "/routes", 200, json!([])),
        ("GET", "/versions", 200, json!([])),
        ("GET", "/config", 200, json!({ "admin": { "token": "file:token" } })),
        (
            "GET",
            "/upstreams",
            200,
            json!([{
                "name": "shop", "methods": 0, "missing": null, "opened": 5, "in_flight": 3, "pending": 1,
                "circuit_open_for_ms": 700, "panics": false,
                "adaptive": { "limit": 40, "in_flight": 2, "base_us": 2000, "typical_us": 2500 },
                "targets": [{
                    "target": "http://10.0.0.5:1", "source": "dns://shop:1", "open": 2, "opening": 0, "resting": 0, "failures": 0, "in_flight": 3,
                    "failed_calls": 4, "ejected_for_ms": 1500, "healthy": true,
                    "weight": 3, "share": 0.25, "recent": { "calls": 9, "failed": 2, "typical_ms": 1.23 },
                }],
                "sources": [{
                    "source": "dns://shop:1", "targets": 1, "answered_before_ms": 2000,
                    "failure": "there is no such name",
                }],
            }]),
        ),
        (
            "GET",
            "/identity",
            200,
            json!({
                "jwt": [{
                    "name": "main", "place": "https://id/keys", "keys": 2, "answered": 7, "failure": null,
                }],
                "introspection": [{
                    "name": "old", "place": "https://id/introspect",
                    "failure": "https://id/introspect answered with 500",
                }],
            }),
        ),
        ("POST", "/reload", 200, json!({ "reloaded": true, "generation": 3, "errors": [], "warnings": [] })),
        (
            "GET",
            "/reload",
            405,
            message(
                "This is not asked for by that method: /reload by POST, /log by GET or PUT, /maintenance by GET, POST or DELETE, everything else by GET.",
            ),
        ),
        (
            "GET",
            "/",
            404,
            message(
                "There is nothing here. There are /livez, /readyz, /routes, /versions, /config, /upstreams, /identity, /metrics, /log, /maintenance and /reload.",
            ),
        ),
    ] {
        assert_eq!(ask(Site::default(), method, path, &[]).await, (status, expected), "{method} {path}");
    }
}

#[tokio::test]
async fn a_refused_reload_lists_what_is_wrong() {
    let (status, json) = ask(Site { refuses: true, ..Site::default() }, "POST", "/reload", &[]).await;
    assert_eq!(status, 422);
    let error = json!({ "message": "It is wrong.", "place": "a.yaml:1:2", "hint": "Mend it." });
    assert_eq!(json["errors"], json!([error]));
    assert_eq!(json["reloaded"], false);
}

#[tokio::test]
async fn readiness_says_what_is_missing_and_to_whom_it_may_why() {
    let (status, json) = ask(Site { missing: missing(), ..Site::default() }, "GET", "/readyz", &[]).await;
    assert_eq!((status, &json["ready"]), (503, &json!(false)), "nothing is served");
    let reason = "The server at http://10.0.0.5:1 is away.";
    assert_eq!(json["missing"], json!([{ "upstream": "shop", "reason": reason }]));

    let token = Some(Arc::new(Token::new(b"0123456789abcdef").unwrap()));
    let site = Site { missing: missing(), token, ..Site::default() };
    let (status, json) = ask(site, "GET", "/readyz", &[]).await;
    assert_eq!((status, &json["missing"]), (503, &json!([{ "upstream": "shop" }])));

    let site = Site::default();
    site.draining.store(true, Ordering::Relaxed);
    let (status, json) = ask(site, "GET", "/readyz", &[]).await;
    assert_eq!((status, &json["draining"]), (503, &json!(true)));
}

#[tokio::test]
async fn all_but_health_is_guarded() {
    let token = || Some(Arc::new(Token::new(b"0123456789abcdef").unwrap()));
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/config", 401), ("/nowhere", 401)] {
        let site = Site { token: token(), ..Site::default() };
        assert_eq!(ask(site, "GET", path, &[]).await.0, status, "{path}");
    }
    let authorization = ("authorization", "Bearer 0123456789abcdef");
    let site = Site { token: token(), ..Site::default() };
    assert_eq!(ask(site, "POST", "/reload", &[authorization]).await.0, 200);
    let evil = ("origin", "https://evil.example");
    let (status, json) = ask(Site::default(), "POST", "/reload", &[evil]).await;
    assert_eq!(status, 403);
    assert_eq!(json["message"], "Pages of other origins may not ask here.");
}

#[tokio::test]
async fn an_operator_begins_and_ends_maintenance() {
    let admin = Admin::new(Arc::new(Site::default()));
    let off = json!({
        "maintenance": false, "message": null, "retry_after": null, "by_file": false, "by_operator": false,
    });
    let on = |message: &str, seconds: u64| {
        json!({
            "maintenance": true, "message": message, "retry_after": seconds, "by_file": false, "by_operator": true,
        })
    };
    assert_eq!(send(&admin, "GET", "/maintenance", &[], "").await, (200, off.clone()));
    let usual = "The service is being maintained. Try again later.";
    assert_eq!(send(&admin, "POST", "/maintenance", &[], "").await, (200, on(usual, 300)));
    let order = r#"{"message": "Back at ten.", "retry_after": 600}"#;
    assert_eq!(send(&admin, "POST", "/maintenance", &[], order).await, (200, on("Back at ten.", 600)));
    assert_eq!(send(&admin, "POST", "/maintenance", &[], "{").await.0, 400);
    assert_eq!(send(&admin, "GET", "/maintenance", &[], "").await, (200, on("Back at ten.", 600)));
    assert_eq!(send(&admin, "GET", "/readyz", &[], "").await.1["maintenance"], json!(true));
    assert_eq!(send(&admin, "DELETE", "/maintenance", &[], "").await, (200, off));
    assert_eq!(send(&admin, "PUT", "/maintenance", &[], "").await.0, 405);
    let evil = ("origin", "https://evil.example");
    assert_eq!(send(&admin, "POST", "/maintenance", &[evil], "").await.0, 403);
}
