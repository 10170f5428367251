//! Translations: a service that no backend has, answered in every dialect by one that has other messages.

use serde_json::{Value, json};
use transom::policy::new_key;

use crate::support::backend;
use crate::support::client::{self, Answer, Version, get};
use crate::support::gateway::{Gateway, transom};
use crate::support::process::{Server, python, run};
use crate::support::root;

/// What becomes of the messages. What answers hold and callers do not know is dropped on purpose.
const TRANSLATION: &str = "
    methods: { GetMember: FetchMember, UpdateMember: ChangeMember }
    messages:
      members.v1.GetMemberRequest:
        fields: { id: member_id }
        request: { constants: { tenant: main } }
      members.v1.Member:
        fields: { name: display_name, city: address.city }
        answer: { drop: [origin, score, address.street] }
      members.v1.UpdateMemberRequest: { fields: { update_mask: mask } }
    enums:
      members.v1.Role:
        values: { GUEST: ROLE_GUEST, ADMIN: ROLE_ADMIN }
        answer: { ROLE_UNSPECIFIED: GUEST }
";

struct Setting {
    gateway: Gateway,
    _backend: Server,
}

impl Setting {
    fn new(services: &str, more: &str) -> Self {
        let backend = backend::python_server_with("tests/python/members_server.py", &[]);
        let config = Self::config(&format!("http://{}", backend.address()), services, more);
        Self { gateway: Gateway::with_config(&config), _backend: backend }
    }

    fn config(backend: &str, services: &str, more: &str) -> String {
        let protos = root().join("tests/python");
        format!(
            "{}upstreams:\n  members: {backend}\nservices: {services}\ntranslations:\n  - service: members.v1.Members\n    by: \
             members.v2.Members\n    descriptors: [{{protos: {{include: [{}], files: [members_v1.proto]}}}}]\n{TRANSLATION}{more}",
            Gateway::ANY_PORT,
            protos.display()
        )
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.gateway.address(), path).await
    }
}

#[tokio::test]
async fn rest_is_answered_by_another_version() {
    let setting = Setting::new("[members.v1.*]", "");
    let friend =
        json!({ "id": "bob", "name": "Member bob", "city": "Linz", "points": 7, "counts": { "tenant": 4 } });
    let expected = json!({ "id": "ann", "name": "Member ann", "city": "Linz", "role": "ADMIN", "points": 7, "friends": [friend] });
    let answer = setting.get("/v1/members/ann").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    assert_eq!(setting.get("/v1/members/missing").await.status.as_u16(), 404);
    let answer = setting.get("/v1/members/rich").await;
    let text = "The answer of members.v2.Members/FetchMember cannot be shown: the field \"points\" is 1099511627776, which does \
                not fit into int32.";
    assert_eq!((answer.status.as_u16(), &answer.json()["message"]), (502, &json!(text)));

    // Masks and errors name fields; those of the other side come back as those that callers know.
    let body = json!({ "name": "New", "city": "Graz", "role": "GUEST", "counts": { "a": -1 } }).to_string();
    let path = "/v1/members/ann?updateMask=name,city,friends";
    let headers = [("content-type", "application/json")];
    let answer =
        client::send(setting.gateway.address(), Version::Http1, "PATCH", path, &headers, body).await.json();
    let member = json!({ "id": "ann", "name": "New", "city": "Graz", "counts": { "a": -1 } });
    assert_eq!(answer, json!({ "members": [member], "paths": ["display_name", "address.city", "friends"] }));
    let answer = setting.get("/v1/members/wrong").await.json();
    let fields: Vec<_> =
        answer["details"][0]["fieldViolations"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["id", "tenant"]);

    // Streams, each message by itself.
    let send = async |method: &'static str, path: &'static str, body: &'static str| {
        let headers = [("accept", "application/x-ndjson"), ("content-type", "application/x-ndjson")];
        let answer =
            client::send(setting.gateway.address(), Version::Http2, method, path, &headers, body).await;
        let lines: Vec<Value> = String::from_utf8_lossy(&answer.body)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines
    };
    let lines = send("GET", "/v1/members?text=ann,bob,rich", "").await;
    assert_eq!((&lines[0]["name"], &lines[1]["name"]), (&json!("Member ann"), &json!("Member bob")));
    assert_eq!((lines.len(), &lines[2]["error"]["code"]), (3, &json!(13)), "{lines:?}");
    let lines =
        send("POST", "/v1/members:import", "{\"id\":\"a\",\"city\":\"Graz\"}\n{\"role\":\"ADMIN\"}\n").await;
    assert_eq!(
        lines,
        [json!({ "members": [{ "id": "a", "city": "Graz" }, { "role": "ADMIN" }], "paths": ["all"] })]
    );
}

#[tokio::test]
async fn clients_of_every_dialect_get_it() {
    let setting = Setting::new("[members.v1.*]", "");
    let address = setting.gateway.address();
    run(python("tests/python/members_clients.py").arg(address.to_string()));
    let xml = [("accept", "application/xml")];
    let answer = client::send(address, Version::Http1, "GET", "/v1/members/ann", &xml, "").await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(
        text.starts_with("<Member xmlns=\"urn:members.v1\"") && text.contains("<city>Linz</city>"),
        "{text}"
    );
    let connect = [("content-type", "application/json"), ("connect-protocol-version", "1")];
    let path = "/members.v1.Members/GetMember";
    let answer = client::send(address, Version::Http2, "POST", path, &connect, "{\"id\":\"ann\"}").await;
    assert_eq!(answer.json()["role"], "ADMIN");
    // The service that answers is not exposed.
    let answer = client::post(address, "/members.v2.Members/FetchMember", &json!({})).await;
    assert_eq!(answer.status.as_u16(), 404);
}

#[tokio::test]
async fn policies_of_both_hold() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let key = |name: &str| {
        format!("  - {{id: {name}, hash: '{}', owner: {name}, roles: [{name}]}}\n", new_key::hash(name))
    };
    std::fs::write(&keys, format!("keys:\n{}{}", key("staff"), key("guest"))).unwrap();
    let more = format!(
        "identity: {{api_keys: {{file: {}}}}}\npolicies:\n  known: {{require: {{any: [api_key: {{}}]}}}}\n  staff: {{require: \
         {{any: [api_key: {{}}]}}, allow: {{roles: [staff]}}}}\n",
        keys.display()
    );
    let own = "{service: members.v1.*, policy: [known]}";
    let both = format!("[{own}, {{service: members.v2.*, policy: [staff]}}]");
    for (services, expected) in [(format!("[{own}]"), [401, 200, 200]), (both, [401, 403, 200])] {
        let setting = Setting::new(&services, &more);
        for (key, expected) in [None, Some("guest"), Some("staff")].into_iter().zip(expected) {
            let headers: Vec<_> = key.into_iter().map(|key| ("x-api-key", key)).collect();
            let address = setting.gateway.address();
            let answer = client::send(address, Version::Http1, "GET", "/v1/members/ann", &headers, "").await;
            assert_eq!(answer.status.as_u16(), expected, "{key:?} {services}");
        }
    }
}

/// What operators see: the routes with the upstream that answers, and what is wrong at its line.
#[tokio::test]
async fn operators_see_it() {
    let backend = backend::python_server_with("tests/python/members_server.py", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let file = file.to_str().unwrap();
    let config = Setting::config(&format!("http://{}", backend.address()), "[members.v1.*]", "");
    std::fs::write(file, &config).unwrap();
    let routes = run(&mut transom(&["routes", "-c", file, "--json"]));
    let routes: Value = serde_json::from_slice(&routes.stdout).unwrap();
    let text = routes.to_string();
    assert!(
        text.contains("/v1/members/{id}") && text.contains("\"members\"") && !text.contains("members.v2"),
        "{text}"
    );

    std::fs::write(file, config.replace("address.city", "address.town")).unwrap();
    let output = transom(&["check", "-c", file]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("members.v2.Address has no field `town`."), "{said}");
    assert!(said.contains("Did you mean") || said.contains("The fields are: city, street."), "{said}");
}
