//! What a configuration says of policies: where they hold, and what is wrong with it.

use std::process::Output;

use serde_json::json;

use super::calls::{Kind, Outcome, call, framed, outcome, request};
use super::{BUYER, Counting, Place, VISITOR};
use crate::support::client::{Version, get, send};
use crate::support::gateway::transom;
use transom::call::Dialect;

const PARTNERS: &str =
    "policies:\n  partners: {require: {any: [api_key: {}]}}\n  buyers: {allow: {roles: [buyer]}}\n";

fn check(place: &Place, rest: &str) -> Output {
    // Nothing is asked of the backend.
    place.write("transom.yaml", &place.config("127.0.0.1:1", rest));
    transom(&["check", "-c", place.file("transom.yaml").to_str().unwrap()]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    // As it was written, whatever lines it was broken into.
    String::from_utf8_lossy(bytes)
        .split_whitespace()
        .filter(|word| *word != "|")
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_policy_holds_for_methods_routes_and_dialects() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(
        &backend.address,
        &format!(
            "{PARTNERS}  inside: {{allow: {{ips: ['::1', 10.0.0.0/8]}}}}\n\
             services:\n  - service: echo.v1.Echo\n    policy:\n      - partners\n      - {{name: buyers, methods: [E*o], \
             routes: ['/v1/echo/{{string}}']}}\n  - service: echo.v1.Streams\n    policy: [{{name: inside, dialects: \
             [connect, grpc_web]}}]\n",
        ),
    );
    let json = [("content-type", "application/json")];
    for (verb, target, key, expected) in [
        ("GET", "/v1/echo/a", VISITOR, 403),
        ("GET", "/v1/echo/a", BUYER, 200),
        ("POST", "/v1/echo", VISITOR, 200),
        ("POST", "/v1/echo", "", 401),
        ("GET", "/v1/large", VISITOR, 200),
    ] {
        let headers = [&json[..], &[("x-api-key", key)]].concat();
        let body = if verb == "POST" { "{}" } else { "" };
        let answer = send(gateway.address(), Version::Http1, verb, target, &headers, body).await;
        assert_eq!(answer.status, expected, "{verb} {target} {key}: {answer:?}");
    }
    for (dialect, expected) in [
        (Dialect::Rest, Outcome::Answered),
        (Dialect::Grpc, Outcome::Answered),
        (Dialect::GrpcWeb, Outcome::PermissionDenied),
        (Dialect::Connect, Outcome::PermissionDenied),
    ] {
        let answer = call(gateway.address(), &request(dialect, Kind::ServerStream), &[], None).await;
        assert_eq!(outcome(dialect, Kind::ServerStream, &answer), expected, "{dialect}");
    }
    let routes: serde_json::Value = {
        place.write(
            "transom.yaml",
            &place.config(
                "127.0.0.1:1",
                &format!("{PARTNERS}services: [{{service: echo.v1.Echo, policy: [partners, buyers]}}]\n"),
            ),
        );
        let output = transom(&["routes", "--json", "-c", place.file("transom.yaml").to_str().unwrap()])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(routes[0]["policies"], json!(["partners", "buyers"]));
}

/// What Transom answers itself is guarded as all else, in its dialects.
#[tokio::test]
async fn health_and_reflection_take_policies() {
    let place = Place::new();
    let gateway = place.gateway(
        "127.0.0.1:1",
        &format!(
            "{PARTNERS}services: ['**']\n\
             grpc: {{health: {{policy: [{{name: partners, methods: [Watch]}}]}}, reflection: {{policy: [partners, buyers]}}}}\n"
        ),
    );
    let question = framed(0, &[0x3a, 0]);
    for (target, key, expected) in [
        ("/grpc.health.v1.Health/Check", "", Some("0")),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "", Some("16")),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "", Some("16")),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", VISITOR, Some("7")),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", BUYER, Some("0")),
        ("/grpc.health.v1.Health/Watch", "", Some("16")),
    ] {
        let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("x-api-key", key)];
        let headers = if key.is_empty() { &headers[..2] } else { &headers };
        let is_question = target.contains("reflection");
        let body = if is_question { question.clone() } else { framed(0, &[]) };
        let answer = send(gateway.address(), Version::Http2, "POST", target, headers, body).await;
        let status = answer.trailers.get("grpc-status").or_else(|| answer.headers.get("grpc-status"));
        assert_eq!(status.map(|status| status.to_str().unwrap()), expected, "{target} {key}: {answer:?}");
    }
    // Names that reflection is careful with are in no list either.
    let json = [("content-type", "application/json")];
    let listed = "/grpc.health.v1.Health/List";
    let listed = send(gateway.address(), Version::Http1, "POST", listed, &json, "{}").await;
    assert_eq!(listed.json(), json!({"statuses": {"": {"status": "SERVING"}}}));
}

/// Documents are for clients that have no credentials yet, unless they are for nobody.
#[tokio::test]
async fn documents_are_given_to_everybody_or_nobody() {
    let place = Place::new();
    for (documents, status, has_comments) in [
        ("true", 200, true),
        ("{enabled: true}", 200, true),
        ("{comments: false}", 200, false),
        ("false", 404, false),
    ] {
        let rest = format!(
            "{PARTNERS}services: [{{service: '**', policy: [partners, buyers]}}]\ndocuments: {documents}\n"
        );
        let gateway = place.gateway("127.0.0.1:1", &rest);
        for target in [
            "/soap/echo.v1.Echo?wsdl",
            "/soap/echo.v1.Echo?xsd=echo.v1",
            "/soap/echo.v1.Echo?xsd=echo.v1.Echo",
            "/xsd/echo.v1",
        ] {
            let answer = get(gateway.address(), target).await;
            assert_eq!(answer.status, status, "{documents} {target}: {answer:?}");
            let told = String::from_utf8_lossy(&answer.body).contains("documentation>");
            assert!(has_comments || !told, "{documents} {target}: {answer:?}");
            assert!(!has_comments || told || !target.ends_with("?wsdl"), "{documents} {target}: {answer:?}");
        }
        let answer = get(gateway.address(), "/soap/echo.v1.Echo").await;
        let hint = String::from_utf8_lossy(&answer.body).contains("Its description is not given out here.");
        assert_eq!((answer.status.as_u16(), hint), (405, status == 404), "{answer:?}");
    }
}

#[test]
fn check_says_what_is_open() {
    let place = Place::new();
    for (services, said) in [
        ("services: ['**']\n", "All methods are open to everybody who can connect."),
        ("services: [{service: '**', policy: [partners]}]\n", "Every method has a policy."),
        (
            "services: [{service: echo.v1.Raw}, {service: echo.v1.Echo, policy: [partners]}]\n",
            "This method has no policy and is open to everybody who can connect: echo.v1.Raw/Answer.",
        ),
        (
            "services: [{service: echo.v1.Files}, {service: echo.v1.Echo, policy: [partners]}]\n",
            "These methods have no policy and are open to everybody who can connect: echo.v1.Files/Store, \
             echo.v1.Files/StoreEither.",
        ),
    ] {
        let output = check(
            &place,
            &format!("policies: {{partners: {{require: {{any: [api_key: {{}}]}}}}}}\n{services}"),
        );
        assert!(output.status.success() && text(&output.stdout).ends_with(said), "{services}: {output:?}");
        let warned = text(&output.stderr).contains("may ask for the schema by gRPC reflection.");
        assert_eq!(warned, said == "Every method has a policy.", "{output:?}");
        let open = "may fetch WSDL and XML Schema, with what the proto files say in comments.";
        assert_eq!(text(&output.stderr).contains(open), warned, "{output:?}");
    }
    // Where somebody has thought of it there is no warning.
    let rest = format!("{PARTNERS}services: [{{service: '**', policy: [partners, buyers]}}]\n");
    for (thought, asked, fetched) in [
        ("grpc: {reflection: true}\n", false, true),
        ("grpc: {reflection: false}\n", false, true),
        ("grpc: {reflection: {policy: [partners]}}\n", false, true),
        ("documents: true\n", true, false),
        ("documents: {enabled: false}\n", true, false),
        ("documents: {comments: false}\n", true, true),
    ] {
        let output = check(&place, &format!("{rest}{thought}"));
        let told = text(&output.stderr);
        assert_eq!(told.contains("by gRPC reflection."), asked, "{thought}: {told}");
        assert_eq!(told.contains("may fetch WSDL and XML Schema"), fetched, "{thought}: {told}");
    }
    let output = check(
        &place,
        &format!(
            "{PARTNERS}services: [{{service: echo.v1.Raw, policy: [{{name: partners, dialects: [grpc]}}]}}]\n"
        ),
    );
    let told = text(&output.stderr);
    for expected in [
        "The method echo.v1.Raw/Answer has policies, but none of them holds in REST on /v1/raw, XML on /v1/raw, \
         gRPC-Web on /echo.v1.Raw/Answer, Connect on /echo.v1.Raw/Answer, WebSocket on /v1/raw, WebSocket on \
         /echo.v1.Raw/Answer, SOAP on /echo.v1.Raw/Answer.",
        "No service names the policy \"buyers\".",
    ] {
        assert!(output.status.success() && told.contains(expected), "{told}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let place = Place::new();
    let all = |uses: &str| format!("services: [{{service: '**', policy: {uses}}}]\n");
    let table = [
        (
            "services: [{service: '**', policy: [partners]}]\n".into(),
            "Say under `policies` who may call: `policies: {NAME: {require: {any: [api_key: {}]}}}`.",
        ),
        (
            format!("{PARTNERS}{}", all("[partner]")),
            "Did you mean `partners`? The policies are: partners, buyers.",
        ),
        (
            format!("{PARTNERS}{}", all("[buyers]")),
            "The policy \"buyers\" asks what the caller is, but nothing asks who it is.",
        ),
        (
            format!("{PARTNERS}{}", all("[{name: partners, methods: [GetOrder]}]")),
            "No method of these services has the name \"GetOrder\".",
        ),
        (
            format!("{PARTNERS}{}", all("[{name: partners, routes: [/v1/echos]}]")),
            "No method that the policy holds for has the route \"/v1/echos\".",
        ),
        (
            format!("{PARTNERS}{}grpc: {{reflection: {{policy: [partner]}}}}\n", all("[partners]")),
            "Did you mean `partners`? The policies are: partners, buyers.",
        ),
        (
            format!("{PARTNERS}{}grpc: {{reflection: {{policy: [buyers]}}}}\n", all("[partners]")),
            "Add `require` to it, or to `grpc.reflection` a policy that has one.",
        ),
        (
            format!(
                "{PARTNERS}{}grpc: {{health: {{policy: [{{name: partners, methods: [Wait]}}]}}}}\n",
                all("[partners]")
            ),
            "No method of these services has the name \"Wait\".",
        ),
        (
            format!(
                "{PARTNERS}{}grpc: {{health: {{enabled: false, policy: [partners]}}}}\n",
                all("[partners]")
            ),
            "The policies of `grpc.health` hold for nothing: it is switched off, or an upstream's is exposed in its place.",
        ),
        (
            format!("policies: {{a: {{require: {{any: [jwt: main]}}}}}}\n{}", all("[a]")),
            "There is no issuer of tokens `main`.",
        ),
        (
            format!("policies: {{a: {{rate: by_plan}}}}\n{}", all("[a]")),
            "The policy \"a\" goes by plans, but there are none.",
        ),
        ("plans: {free: {}}\nservices: ['**']\n".into(), "`plans.free` limits nothing."),
        (
            format!("policies: {{a: {{require: {{any: [certificate: {{}}]}}}}}}\n{}", all("[a]")),
            "A policy asks for certificates of callers, but no listener does.",
        ),
        (format!("policies: {{a: {{allow: {{}}}}}}\n{}", all("[a]")), "`policies.a.allow` names nobody."),
        (
            format!("policies: {{a: {{}}}}\n{}", all("[a]")),
            "`policies.a` says nothing, so that everybody may call.",
        ),
        (
            format!("policies: {{a: {{allow: {{ips: [10.0.0.1/8]}}}}}}\n{}", all("[a]")),
            "`10.0.0.1/8` is not the first address of its range.",
        ),
        (
            format!(
                "policies: {{a: {{require: {{any: [api_key: {{}}]}}, claims_to_metadata: {{sub: x-a, owner: x-a}}}}}}\n{}",
                all("[a]")
            ),
            "The metadata `x-a` is to hold two things.",
        ),
        (
            format!("policies: {{a: {{address_to_metadata: grpc-x}}}}\n{}", all("[a]")),
            "`grpc-x` never crosses",
        ),
    ];
    for (rest, said) in table {
        let output = check(&place, &rest);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(said), "{rest}\n{told}");
    }
    for (file, said) in [
        (
            "keys: [{id: a, hash: 'sha256:00'}]",
            "The hash of the key \"a\" is not `sha256:` and 64 hexadecimal digits.",
        ),
        (
            "users: [{name: a, password: secret}]",
            "The password of the user \"a\" cannot be used: it is not in PHC form",
        ),
        ("users: [{name: 'a:b', password: x}]", "`users[0]` has a name that HTTP Basic cannot carry."),
        ("keys: [{id: a}]", "`keys[0]` lacks the key `hash`."),
    ] {
        place.write("callers.yaml", file);
        let output = check(&place, &format!("{PARTNERS}{}", all("[partners]")));
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(said), "{file}\n{told}");
        assert!(!told.contains("PASSWORD: secret"), "{told}");
    }
    std::fs::remove_file(place.file("callers.yaml")).unwrap();
    let output = check(&place, &format!("{PARTNERS}{}", all("[partners]")));
    assert!(text(&output.stderr).contains("cannot be read: it does not exist."), "{output:?}");
    // A listener for proxies, of which none is trusted.
    let rest = format!("{PARTNERS}{}", all("[partners]"));
    let listener = "  - address: 127.0.0.1:0\n    proxy_protocol: true\n";
    let config = place.config("127.0.0.1:1", &rest).replace("  - address: 127.0.0.1:0\n", listener);
    place.write("transom.yaml", &config);
    let output = transom(&["check", "-c", place.file("transom.yaml").to_str().unwrap()]).output().unwrap();
    let said = "The listener is for proxies that speak the PROXY protocol, but none is trusted.";
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains(said), "{output:?}");
    // A key in the query is no field of a request.
    place.write("callers.yaml", "keys: []\n");
    let rest = format!("{PARTNERS}{}", all("[partners]"));
    place.write(
        "transom.yaml",
        &place.config("127.0.0.1:1", &rest).replace("query: api_key", "query: string"),
    );
    let output = transom(&["check", "-c", place.file("transom.yaml").to_str().unwrap()]).output().unwrap();
    let said = "The query parameter `string` is to hold API keys, but it is a field of requests to";
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains(said), "{output:?}");
}
