//! Aggregated routes: one answer from three services, in every dialect, and what happens when one of them is slow, ill,
//! gone or not for the caller.

use serde_json::{Value, json};
use transom::policy::new_key;

use crate::support::backend;
use crate::support::client::{self, Answer, Version, get};
use crate::support::gateway::{Gateway, transom};
use crate::support::process::{Server, python, run};
use crate::support::stream;

/// Three services, each in a process of its own, and a gateway in front of them.
struct Setting {
    gateway: Gateway,
    orders: Server,
    _others: [Server; 2],
}

/// Parts that depend on one another, of which only the first is required.
const DASHBOARD: &str = r#"
  - path: /v1/dashboard/{user_id}
    method: GET
    name: shop.v1.Dashboards/GetDashboard
    aggregate:
      user: { call: dashboard.v1.Users/GetUser, request: { id: "{user_id}", detail: FULL }, select: [name, address.city] }
      orders:
        call: dashboard.v1.Orders/ListOrders
        request: { user_id: "{user_id}", page_size: 10, filter: { city: "{user.address.city}", states: [OPEN, SENT] } }
        optional: true
        timeout: 5s
      prices:
        call: dashboard.v1.Orders/GetPrice
        for_each: "{orders.items}"
        at_once: 2
        max_items: 1000
        request: { sku: "{item.sku}", amount: "{item.amount}" }
        optional: true
      offers:
        call: dashboard.v1.Offers/ForSegment
        request: { segment: "{user.segment}", skus: "{orders.items.sku}", level: "{user.level}" }
        when: "{user.premium}"
        optional: true
"#;

impl Setting {
    fn new(routes: &str, more: &str) -> Self {
        let services = "  - {service: dashboard.v1.Users, upstream: users}\n  - {service: dashboard.v1.Orders, upstream: \
                        orders}\n  - {service: dashboard.v1.Offers, upstream: offers}\n  - shop.v1.*\n";
        Self::with(routes, more, services)
    }

    fn with(routes: &str, more: &str, services: &str) -> Self {
        let start = |service| {
            backend::python_server_with("tests/python/dashboard_server.py", &["--service", service])
        };
        let [users, orders, offers] = ["Users", "Orders", "Offers"].map(start);
        let config = format!(
            "{}upstreams:\n  users: http://{}\n  orders: http://{}\n  offers: http://{}\nservices:\n{services}  - {{service: \
             dashboard.v1.Stage, upstream: orders}}\nroutes:{routes}{more}",
            Gateway::ANY_PORT,
            users.address(),
            orders.address(),
            offers.address()
        );
        Self { gateway: Gateway::with_config(&config), orders, _others: [users, offers] }
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.gateway.address(), path).await
    }

    async fn get_as(&self, path: &str, accept: &str) -> Answer {
        client::send(self.gateway.address(), Version::Http1, "GET", path, &[("accept", accept)], "").await
    }

    /// Waits until the orders were asked about somebody so often, and says how often they were.
    async fn reaches(&self, asked: Value) -> Value {
        let answer = client::post(self.gateway.address(), "/dashboard.v1.Stage/Await", &asked).await.json();
        assert_eq!(answer["reached"], true, "{asked}");
        answer
    }
}

fn price(sku: &str, cents: &str) -> Value {
    json!({ "sku": sku, "cents": cents })
}

#[tokio::test]
async fn one_answer_comes_from_three_services() {
    let setting = Setting::new(DASHBOARD, "");
    let answer = setting.get("/v1/dashboard/ann").await;
    let request =
        json!({ "userId": "ann", "pageSize": 10, "filter": { "city": "Linz", "states": ["OPEN", "SENT"] } });
    let items = json!([{ "sku": "s0" }, { "sku": "s1", "amount": 1 }, { "sku": "s2", "amount": 2 }]);
    let expected = json!({
        "user": { "name": "User ann", "address": { "city": "Linz" } },
        "orders": { "items": items, "request": request },
        "prices": [price("s0", "100"), price("s1", "200"), price("s2", "300")],
        "offers": { "offers": ["gold-s0", "gold-s1", "gold-s2"] },
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    // Two of the three calls for prices at a time.
    let asked = setting.reaches(json!({ "method": "GetPrice", "id": "s2", "count": 1 })).await;
    assert!(asked["atOnce"].as_i64().unwrap() <= 2, "{asked}");

    // A part that is left out is null, and so is one that needs it or has failed; only the latter are errors.
    let answer = setting.get("/v1/dashboard/plain").await.json();
    assert_eq!((&answer["offers"], &answer["errors"]), (&Value::Null, &Value::Null));
    assert!(answer.as_object().unwrap().contains_key("offers"));
    let answer = setting.get("/v1/dashboard/none").await.json();
    assert_eq!((&answer["orders"]["items"], &answer["prices"]), (&Value::Null, &Value::Null));
    assert_eq!(answer["offers"]["offers"], json!(["gold--3"]), "an int32 in an int64, below zero");

    let answer = setting.get("/v1/dashboard/missing").await;
    let status = answer.json();
    assert_eq!((answer.status.as_u16(), &status["code"]), (404, &json!(5)));
    assert_eq!(status["message"], "There is no such user.");
    assert_eq!(setting.get("/v1/dashboard/ann?x=1").await.status.as_u16(), 400);
}

#[tokio::test]
async fn clients_of_every_dialect_get_it() {
    let setting = Setting::new(DASHBOARD, "");
    run(python("tests/python/dashboard_clients.py").arg(setting.gateway.address().to_string()));
    let answer = setting.get_as("/v1/dashboard/ann", "application/xml").await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(text.starts_with("<GetDashboardResponse xmlns=\"urn:shop.v1\""), "{text}");
    assert!(text.contains("name>User ann</") && text.contains("cents>300</"), "{text}");
    let connect = [("content-type", "application/json"), ("connect-protocol-version", "1")];
    let path = "/shop.v1.Dashboards/GetDashboard";
    let body = json!({ "userId": "ann" }).to_string();
    let answer = client::send(setting.gateway.address(), Version::Http2, "POST", path, &connect, body).await;
    assert_eq!(answer.json()["user"]["name"], "User ann");
    // All parts have no side effects, so neither has the whole.
    let query = "?connect=v1&encoding=json&message=%7B%22userId%22%3A%22ann%22%7D";
    assert_eq!(setting.get(&format!("{path}{query}")).await.json()["user"]["name"], "User ann");
}

#[tokio::test]
async fn what_fails_is_told_and_no_more_than_may_be() {
    let setting = Setting::new(DASHBOARD, "");
    let needs = |part: &str| json!({ "part": part, "code": 9, "message": "It needs the part \"orders\", which failed." });
    let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SCRIPTED" });
    for (user, code, message, details) in [
        ("failing", 14, "The orders are away.", json!([info])),
        ("crashing", 2, "The backend failed.", Value::Null),
    ] {
        let answer = setting.get(&format!("/v1/dashboard/{user}")).await.json();
        let mut error = json!({ "part": "orders", "code": code, "message": message });
        if !details.is_null() {
            error["details"] = details;
        }
        assert_eq!(answer["errors"], json!([error, needs("prices"), needs("offers")]));
        assert_eq!(
            (&answer["orders"], &answer["user"]["name"]),
            (&Value::Null, &json!(format!("User {user}")))
        );
    }
    setting.gateway.wait_for_log("a secret of the backend");
    setting.gateway.wait_for_log("a stack trace");

    // Items that fail leave their places empty; equal ones are called for once.
    let answer = setting.get("/v1/dashboard/flawed").await.json();
    let (a, b) = (price("a", "200"), price("b", "200"));
    assert_eq!(answer["prices"], json!([a, {}, a, {}, b]));
    let error = |item: u32| json!({ "part": format!("prices[{item}]"), "code": 5, "message": "It has no price.", "details": [info] });
    assert_eq!(answer["errors"], json!([error(1), error(3)]));
    let asked = setting.reaches(json!({ "method": "GetPrice", "id": "broken", "count": 1 })).await;
    assert_eq!(asked["count"], 1);

    // Ten thousand items are more than may be.
    let answer = setting.get("/v1/dashboard/many").await.json();
    let text = "The part \"prices\" would be called for 10000 items. At most 1000 may be.";
    assert_eq!(answer["errors"], json!([{ "part": "prices", "code": 8, "message": text }]));
    let asked = setting.reaches(json!({ "method": "GetPrice", "id": "a", "count": 1 })).await;
    assert_eq!(asked["count"], 1);
}

#[tokio::test]
async fn a_service_that_is_gone_is_a_part_that_is_missing() {
    let mut setting = Setting::new(DASHBOARD, "");
    assert_eq!(setting.get("/v1/dashboard/ann").await.json()["errors"], Value::Null);
    setting.orders.terminate();
    setting.orders.wait();
    let answer = setting.get("/v1/dashboard/ann").await;
    assert_eq!(answer.status.as_u16(), 200);
    let answer = answer.json();
    assert_eq!((&answer["user"]["name"], &answer["errors"][0]["code"]), (&json!("User ann"), &json!(14)));
}

/// Parts that do not need one another, and one that never answers.
const APART: &str = r#"
  - path: /v1/apart/{user_id}
    method: GET
    aggregate:
      orders: { call: dashboard.v1.Orders/ListOrders, request: { user_id: "{user_id}" }, optional: true }
      user: { call: dashboard.v1.Users/GetUser, request: { id: "{user_id}" } }
      next: { call: dashboard.v1.Orders/GetPrice, request: { sku: "{user.id}" } }
  - path: /v1/bounded/{user_id}
    method: GET
    aggregate:
      user: { call: dashboard.v1.Users/GetUser, request: { id: "{user_id}" } }
      orders: { call: dashboard.v1.Orders/ListOrders, request: { user_id: "{user_id}" }, optional: true, timeout: 50ms }
"#;

#[tokio::test]
async fn a_part_starts_although_another_is_slow_and_none_is_waited_for_without_end() {
    let setting = Setting::new(APART, "");
    let address = setting.gateway.address();
    let slow = tokio::spawn(async move { get(address, "/v1/apart/held").await });
    // What needs the user was called while the orders are held.
    setting.reaches(json!({ "method": "GetPrice", "id": "held", "count": 1 })).await;
    assert!(!slow.is_finished());
    client::post(address, "/dashboard.v1.Stage/Release", &json!({})).await;
    let answer = slow.await.unwrap().json();
    assert_eq!((&answer["next"]["sku"], &answer["errors"]), (&json!("held"), &Value::Null));

    let answer = setting.get("/v1/bounded/hanging").await.json();
    assert_eq!((&answer["orders"], &answer["errors"][0]["code"]), (&Value::Null, &json!(4)));
    let cancelled = json!({ "method": "ListOrders", "id": "hanging", "count": 1, "cancelled": true });
    setting.reaches(cancelled).await;

    // The caller's own patience holds for all of it.
    let headers = [("x-request-timeout", "0.05")];
    let answer = client::send(address, Version::Http1, "GET", "/v1/apart/hanging", &headers, "").await;
    // On a busy machine even the user may be late, who is required.
    let is_late = answer.status.as_u16() == 504 || answer.json()["errors"][0]["code"] == 4;
    assert!(is_late, "{answer:?}");
    // Who leaves takes all calls along.
    let leaving = tokio::spawn(client::get_and_leave(address, "/v1/apart/hanging"));
    setting.reaches(json!({ "method": "ListOrders", "id": "hanging", "count": 3 })).await;
    leaving.abort();
    let _ = leaving.await;
    setting.reaches(json!({ "method": "ListOrders", "id": "hanging", "count": 3, "cancelled": true })).await;
}

/// Answers that are too long together, and a body with what the parts need.
const OTHERS: &str = r#"
  - path: /v1/large/{user_id}
    method: GET
    aggregate:
      user: { call: dashboard.v1.Users/GetUser, request: { id: "{user_id}" } }
      orders: { call: dashboard.v1.Orders/ListOrders, request: { user_id: "{user_id}" } }
  - path: /v1/search
    method: POST
    body: "*"
    aggregate:
      found: { call: dashboard.v1.Users/GetUser, for_each: "{ids}", request: { id: "{item}", detail: "{detail}" } }
      orders: { call: dashboard.v1.Orders/ListOrders, when: "{with_orders}", request: { user_id: me, filter: "{filter}" } }
"#;

#[tokio::test]
async fn requests_are_made_of_what_parts_need() {
    let setting = Setting::new(OTHERS, "codec: {message: 900KiB}\n");
    let answer = setting.get("/v1/large/large").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (502, &json!(8)));
    let search = async |body: Value| client::post(setting.gateway.address(), "/v1/search", &body).await;
    let answer = search(json!({ "ids": ["a", "b", "a"], "detail": "FULL" })).await.json();
    let names: Vec<_> = answer["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["address"]["city"].as_str().unwrap())
        .collect();
    assert_eq!((names, &answer["orders"]), (vec!["Linz"; 3], &Value::Null));
    let filter = json!({ "city": "Graz", "states": ["OPEN"] });
    let answer = search(json!({ "withOrders": true, "filter": filter })).await.json();
    let request = json!({ "userId": "me", "filter": filter });
    assert_eq!((&answer["orders"]["request"], &answer["found"]), (&request, &Value::Null));
    let answer = search(json!({ "ids": "a" })).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert_eq!(search(json!({ "nothing": 1 })).await.status.as_u16(), 400);
}

#[tokio::test]
async fn policies_hold_for_the_route_and_for_each_part() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let key = |name: &str, role: &str| {
        format!("  - {{id: {name}, hash: '{}', owner: {name}, roles: [{role}]}}\n", new_key::hash(name))
    };
    std::fs::write(&keys, format!("keys:\n{}{}", key("seller", "seller"), key("guest", "guest"))).unwrap();
    let more = format!(
        "identity: {{api_keys: {{file: {}}}}}\npolicies:\n  known: {{require: {{any: [api_key: {{}}]}}, claims_to_metadata: {{owner: x-owner}}}}\n  \
         sellers: {{require: {{any: [api_key: {{}}]}}, allow: {{roles: [seller]}}}}\n",
        keys.display()
    );
    let services = "  - {service: dashboard.v1.Users, upstream: users}\n  - {service: dashboard.v1.Orders, upstream: orders, \
                    policy: [sellers]}\n  - {service: dashboard.v1.Offers, upstream: offers, metadata: {request: \
                    [x-tenant]}, policy: [known]}\n  - {service: shop.v1.*, metadata: {request: [x-tenant]}}\n  - {service: \
                    guarded.v1.*, policy: [known]}\n";
    let guarded = DASHBOARD.replace("/v1/dashboard", "/v1/guarded").replace("shop.v1", "guarded.v1");
    let setting = Setting::with(&format!("{DASHBOARD}{}", guarded.trim_start_matches('\n')), &more, services);
    let ask = async |path: &str, key: Option<&'static str>| {
        let headers: Vec<_> =
            key.into_iter().map(|key| ("x-api-key", key)).chain([("x-tenant", "t1")]).collect();
        client::send(setting.gateway.address(), Version::Http1, "GET", path, &headers, "").await
    };
    // The route is open, its parts are not.
    let codes = |answer: &Value| -> Vec<i64> {
        answer["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| error["code"].as_i64().unwrap())
            .collect()
    };
    let answer = ask("/v1/dashboard/ann", None).await.json();
    assert_eq!((codes(&answer), &answer["orders"]), (vec![16, 9, 9], &Value::Null));
    let answer = ask("/v1/dashboard/ann", Some("guest")).await.json();
    assert_eq!(codes(&answer), [7, 9, 9]);
    let answer = ask("/v1/dashboard/ann", Some("seller")).await.json();
    assert_eq!(codes(&answer), [0; 0]);
    let metadata = json!([{ "key": "x-tenant", "value": "t1" }, { "key": "x-owner", "value": "seller" }]);
    let found = answer["offers"]["metadata"].as_array().unwrap();
    assert!(metadata.as_array().unwrap().iter().all(|entry| found.contains(entry)), "{found:?}");
    // The route has a policy of its own.
    let answer = ask("/v1/guarded/ann", None).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate").is_some()), (401, true));
    assert_eq!(codes(&ask("/v1/guarded/ann", Some("guest")).await.json()), [7, 9, 9]);
    // So has the same answer as a stream.
    let path = "/v1/guarded/ann";
    let headers = [("accept", "application/x-ndjson")];
    let answer = client::send(setting.gateway.address(), Version::Http1, "GET", path, &headers, "").await;
    assert_eq!(answer.status.as_u16(), 401);
}

/// A part that is a stream of its own.
const FEED: &str = r#"
  - path: /v1/feed/{user_id}
    method: GET
    aggregate:
      user: { call: dashboard.v1.Users/GetUser, request: { id: "{user_id}" }, select: [name] }
      events: { call: dashboard.v1.Orders/WatchOrders, request: { user_id: "{user_id}" }, select: [sku] }
      orders: { call: dashboard.v1.Orders/ListOrders, request: { user_id: "{user_id}" }, optional: true, select: [request.user_id] }
"#;

#[tokio::test]
async fn parts_come_as_they_are_ready() {
    let setting = Setting::new(&format!("{DASHBOARD}{}", FEED.trim_start_matches('\n')), "");
    for accept in ["application/x-ndjson", "text/event-stream, application/json;q=0.5"] {
        let answer = setting.get_as("/v1/dashboard/ann", accept).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let is_lines = accept.starts_with("application");
        let lines =
            text.lines().filter_map(|line| if is_lines { Some(line) } else { line.strip_prefix("data: ") });
        let messages: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
        let names: Vec<_> =
            messages.iter().filter_map(|message| message.as_object()?.keys().next()).collect();
        assert_eq!(names[..2], ["user", "orders"], "{text}");
        assert_eq!(
            messages.iter().filter(|message| message.as_object().unwrap().len() == 1).count(),
            4,
            "{text}"
        );
    }
    // Who would rather have JSON gets one answer.
    let answer = setting.get_as("/v1/dashboard/ann", "application/json, text/event-stream;q=0.5").await;
    assert_eq!(answer.json()["user"]["name"], "User ann");
    // An error is an element behind what was told already, or the status.
    let answer = setting.get_as("/v1/dashboard/failing", "application/x-ndjson").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        text.contains("{\"errors\":[{\"part\":\"orders\",\"code\":14,\"message\":\"The orders are away.\""),
        "{text}"
    );
    assert_eq!(setting.get_as("/v1/dashboard/missing", "application/x-ndjson").await.status.as_u16(), 404);

    // As one answer, a stream is a list.
    let answer = setting.get("/v1/feed/ann").await.json();
    let events = json!([{ "sku": "w0" }, { "sku": "w1" }, { "sku": "w2" }]);
    assert_eq!((&answer["events"], &answer["user"]), (&events, &json!({ "name": "User ann" })));
    // As a stream, what is there comes though the last event and a part are held.
    let address = setting.gateway.address();
    let accept = [("accept", "application/x-ndjson")];
    let mut stream = stream::get(address, Version::Http1, "/v1/feed/held", &accept).await;
    let mut found = Vec::new();
    for _ in 0..3 {
        let message = stream.line().await.unwrap();
        found.extend(message.as_object().unwrap().keys().cloned());
    }
    found.sort();
    assert_eq!(found, ["events", "events", "user"]);
    client::post(address, "/dashboard.v1.Stage/Release", &json!({})).await;
    let mut rest = Vec::new();
    for _ in 0..2 {
        let message = stream.line().await.unwrap();
        rest.extend(message.as_object().unwrap().keys().cloned());
    }
    rest.sort();
    assert_eq!(rest, ["events", "orders"]);
}

#[tokio::test]
async fn operators_see_the_parts() {
    let setting = Setting::new(DASHBOARD, "");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let config = format!(
        "upstreams:\n  users: http://{}\n  orders: http://{}\n  offers: http://{}\nservices: [{{service: \
         dashboard.v1.Users, upstream: users}}, {{service: dashboard.v1.Orders, upstream: orders}}, {{service: \
         dashboard.v1.Offers, upstream: offers}}]\nroutes:{DASHBOARD}",
        setting._others[0].address(),
        setting.orders.address(),
        setting._others[1].address()
    );
    std::fs::write(&file, &config).unwrap();
    let file = file.to_str().unwrap();
    let routes = String::from_utf8(run(&mut transom(&["routes", "-c", file])).stdout).unwrap();
    let line = routes.lines().find(|line| line.contains("/v1/dashboard/{user_id}")).unwrap();
    assert!(
        line.contains("shop.v1.Dashboards/GetDashboard") && line.contains("users,orders,offers"),
        "{line}"
    );
    let routes: Value =
        serde_json::from_slice(&run(&mut transom(&["routes", "--json", "-c", file])).stdout).unwrap();
    let route =
        routes.as_array().unwrap().iter().find(|route| route["path"] == "/v1/dashboard/{user_id}").unwrap();
    let part = json!({ "name": "orders", "method": "dashboard.v1.Orders/ListOrders", "upstream": "orders", "optional": true });
    assert_eq!(route["parts"][1], part);

    // A field that is mistyped is explained where it stands.
    std::fs::write(file, config.replace("{user.segment}", "{user.segmnt}")).unwrap();
    let checked = transom(&["check", "-c", file]).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(1));
    assert!(said.contains("dashboard.v1.User has no field `segmnt`."), "{said}");
    assert!(said.contains("Did you mean `segment`?") && said.contains("transom.yaml:26:"), "{said}");
}

/// The parts of a call are in the line about it, in the metrics, and in its trace.
#[tokio::test]
async fn parts_are_seen_from_outside() {
    let mut collector = python("tests/python/otlp_receiver.py");
    collector.args(["--port", "0"]);
    let mut collector = Server::start(collector, |line| line.strip_prefix("listening ")?.parse().ok());
    let more = format!(
        "telemetry: {{access_log: json, otlp: 'http://{}', traces: 100%}}\nadmin: 127.0.0.1:0\n",
        collector.address()
    );
    let mut setting = Setting::new(DASHBOARD, &more);
    let address = setting.gateway.address();
    for user in ["ann", "failing", "plain"] {
        let headers = [("x-request-id", user)];
        let path = format!("/v1/dashboard/{user}");
        let answer = client::send(address, Version::Http1, "GET", &path, &headers, "").await;
        assert_eq!(answer.status.as_u16(), 200);
    }
    for (user, expected) in [
        ("ann", [Some("OK"); 4]),
        (
            "failing",
            [Some("OK"), Some("UNAVAILABLE"), Some("FAILED_PRECONDITION"), Some("FAILED_PRECONDITION")],
        ),
        ("plain", [Some("OK"), Some("OK"), Some("OK"), None]),
    ] {
        let mark = format!("\"request_id\":\"{user}\",\"peer\"");
        setting.gateway.wait_for_log(&mark);
        let log = setting.gateway.log();
        let line = log.lines().find(|line| line.contains(&mark)).unwrap();
        let parts = serde_json::from_str::<Value>(line).unwrap()["parts"].clone();
        let parts = parts.as_array().unwrap().clone();
        let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["user", "orders", "prices", "offers"]);
        let codes: Vec<_> = parts.iter().map(|part| part["code"].as_str()).collect();
        assert_eq!(codes, expected, "{line}");
        assert!(parts.iter().all(|part| part["code"].is_null() == part["duration_ms"].is_null()), "{line}");
    }
    let admin = setting.gateway.admin();
    let metrics = get(admin, "/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for (part, code, count) in [("user", "OK", 3), ("orders", "UNAVAILABLE", 1), ("offers", "OK", 1)] {
        let line = format!(
            "transom_part_duration_seconds_count{{rpc_method=\"shop.v1.Dashboards/GetDashboard\",part=\"{part}\",rpc_response_status_code=\"{code}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }

    setting.gateway.server().terminate();
    setting.gateway.server().wait();
    collector.terminate();
    collector.wait();
    let printed = collector.finished();
    let spans: Vec<Value> = printed
        .lines()
        .filter_map(|line| Some(serde_json::from_str(line.strip_prefix("span ")?).unwrap()))
        .collect();
    let root = spans
        .iter()
        .find(|span| span["attributes"]["transom.request_id"] == "ann")
        .unwrap_or_else(|| panic!("{printed}"));
    let below = |parent: &Value, name: &str| {
        let is = |span: &&Value| span["parent"] == parent["id"] && span["name"] == name;
        spans.iter().filter(is).cloned().collect::<Vec<_>>()
    };
    for (part, method, calls) in [
        ("user", "dashboard.v1.Users/GetUser", 1),
        ("orders", "dashboard.v1.Orders/ListOrders", 1),
        ("prices", "dashboard.v1.Orders/GetPrice", 3),
        ("offers", "dashboard.v1.Offers/ForSegment", 1),
    ] {
        let found = below(root, &format!("part {part}"));
        let [span] = &found[..] else { panic!("{part}: {found:?}") };
        let expected = json!({
            "transom.part": part, "rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK",
        });
        assert_eq!(span["attributes"], expected);
        assert_eq!(below(span, method).len(), calls, "{part}");
    }
    let failed =
        spans.iter().filter(|span| span["attributes"]["error.type"] == "FAILED_PRECONDITION").count();
    assert_eq!(failed, 2);
}
