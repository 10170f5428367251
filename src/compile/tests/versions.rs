//! Versions: which methods and routes each has, how requests name them, and what answers say.

use std::env::VarError;
use std::sync::Arc;

use http::HeaderValue;

use super::{Compiled, Snapshot, changes, compile_with, compiled, folder, parse};
use crate::route::table::Found;
use crate::snapshot::surface::Surface;
use crate::snapshot::version::Version;

const YAML: &str = r#"
upstreams:
  one: {targets: ["http://127.0.0.1:1"], descriptors: [{protos: {include: [.], files: [one.proto]}}]}
  two: {targets: ["http://127.0.0.1:2"], descriptors: [{protos: {include: [.], files: [two.proto]}}]}
services: ["**"]
routes:
  - {path: "/named/{id}", method: GET, call: shop.Users/Get}
versions:
  - name: v1
    match: [{path: /v1}, {header: {X-Version: "1"}}, {path: /v1/beta, header: {x-beta: "*"}}]
    services: {shop.Users: one, "shop.v1.*": ~}
    deprecated: 2023-06-30T23:59:59Z
    sunset: 2024-06-30T23:59:59Z
    link: https://developer.example.com/deprecation
    successor: /v2
  - name: v2
    match: [{path: /v2}, {media_type: {Version: "2"}}, {query: {api: "2"}}, {host: "*.v2.example"}, {host: v2.example}]
    services: {shop.Users: two}
    strip: true
    DEFAULT
  - {name: v0, match: [{path: /v0}], sunset: 2020-01-01}
==== one.proto
syntax = "proto3"; package shop;
import "google/api/annotations.proto";
message User { string id = 1; }
message Page { string id = 1; }
service Users {
  rpc Get(User) returns (User) { option (google.api.http) = { get: "/v1/users/{id}" additional_bindings { get: "/users/{id}" } }; }
}
service Pages { rpc Get(Page) returns (Page) { option (google.api.http) = { get: "/pages/{id}" }; } }
==== two.proto
syntax = "proto3"; package shop;
import "google/api/annotations.proto";
message Person { string id = 1; string name = 2; }
service Users {
  rpc Get(Person) returns (Person) { option (google.api.http) = { get: "/users/{id}" }; }
  rpc Drop(Person) returns (Person) { option (google.api.http) = { delete: "/users/{id}" }; }
}
"#;

async fn compile(default: bool) -> Snapshot {
    let text = YAML.replace("DEFAULT", if default { "default: true" } else { "default: false" });
    let (yaml, files) = text.split_at(text.find("==== ").unwrap());
    let folder = folder(files);
    // Of the package shop.v1 there is nothing, which is a warning.
    let (snapshot, problems) = compiled(yaml, folder.path()).await;
    assert_eq!((problems.errors(), problems.warnings()), (0, 1), "{problems}");
    snapshot.unwrap()
}

fn version<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Version {
    snapshot.version(name).unwrap()
}

/// The upstreams of routes, by verb and path.
fn reached(surface: &Surface, target: &str) -> String {
    let (verb, path) = target.split_once(' ').unwrap();
    match surface.routes.find(verb, path) {
        Found::Match { route, .. } => route.target().route().unwrap().endpoint.upstream.clone(),
        _ => "nothing".to_owned(),
    }
}

fn methods(surface: &Surface) -> Vec<&str> {
    let mut names: Vec<_> = surface.methods.keys().map(String::as_str).collect();
    names.retain(|name| !name.starts_with("grpc."));
    names.sort_unstable();
    names
}

#[tokio::test]
async fn each_version_has_its_own_methods_and_routes() {
    let snapshot = compile(false).await;
    let [v0, v1, v2] = ["v0", "v1", "v2"].map(|name| &*version(&snapshot, name).surface);
    assert_eq!(methods(&snapshot.surface), ["shop.Pages/Get"]);
    assert_eq!(methods(v1), ["shop.Pages/Get", "shop.Users/Get"]);
    assert_eq!(methods(v2), ["shop.Pages/Get", "shop.Users/Drop", "shop.Users/Get"]);
    assert_eq!(methods(v0), Vec::<&str>::new());
    for (target, expected) in [
        ("GET /v1/users/7", ["nothing", "one", "nothing"]),
        ("GET /users/7", ["nothing", "one", "two"]),
        ("DELETE /users/7", ["nothing", "nothing", "two"]),
        ("GET /named/7", ["nothing", "one", "two"]),
        ("GET /pages/7", ["one"; 3]),
    ] {
        assert_eq!([&snapshot.surface, v1, v2].map(|surface| reached(surface, target)), expected, "{target}");
    }
    // The same method is another one in each version, and what they share is the same in both.
    let own = |surface: &'_ Surface, name: &str| Arc::clone(&surface.methods[name].endpoint);
    assert_eq!(own(v1, "shop.Users/Get").version.as_deref(), Some("v1"));
    assert_eq!(own(v2, "shop.Users/Get").version.as_deref(), Some("v2"));
    assert!(Arc::ptr_eq(&own(v1, "shop.Pages/Get"), &own(&snapshot.surface, "shop.Pages/Get")));
    assert_eq!(own(v1, "shop.Pages/Get").version, None);
    let services =
        |surface: &Surface| surface.services.iter().filter(|service| service.is_versioned()).count();
    assert_eq!([v0, v1, v2, &snapshot.surface].map(services), [0, 1, 1, 0]);
    // Each once.
    assert_eq!(snapshot.exposed().count(), 4);
    assert_eq!(snapshot.routes().count(), 7);
    assert!(snapshot.is_ready());
}

#[tokio::test]
async fn the_default_is_what_requests_get_that_name_none() {
    let snapshot = compile(true).await;
    assert_eq!(snapshot.versions.as_ref().unwrap().default, Some(1));
    assert!(Arc::ptr_eq(&snapshot.surface, &version(&snapshot, "v2").surface));
    assert_eq!(methods(&snapshot.surface), ["shop.Pages/Get", "shop.Users/Drop", "shop.Users/Get"]);
    assert_eq!((snapshot.exposed().count(), snapshot.routes().count()), (4, 7));
}

#[tokio::test]
async fn ways_are_looked_at_from_the_more_specific_one() {
    let snapshot = compile(false).await;
    let versions = snapshot.versions.as_ref().unwrap();
    let ways: Vec<_> = versions
        .ways
        .iter()
        .map(|way| {
            let vary = way.vary.as_ref().map_or("", |vary| vary.to_str().unwrap());
            let condition = &way.condition;
            let host = condition.host.as_ref().map(ToString::to_string).unwrap_or_default();
            let names = condition.headers.iter().chain(&condition.query).chain(&condition.cookies);
            let mut names: Vec<_> = names.map(|(name, _)| &**name).collect();
            names.extend(way.media_type.iter().map(|(name, _)| &**name));
            (
                way.version,
                way.prefix.as_ref().map_or("", |prefix| prefix.as_str()),
                host,
                names.join(","),
                way.strips,
                vary,
            )
        })
        .collect();
    let way = |version, prefix, host: &str, name: &str, strips, vary| {
        (version, prefix, host.to_owned(), name.to_owned(), strips, vary)
    };
    let expected = [
        way(0, "/v1/beta", "", "x-beta", false, "x-beta"),
        way(0, "/v1", "", "", false, "x-beta"),
        way(1, "/v2", "", "", true, ""),
        way(2, "/v0", "", "", true, ""),
        way(1, "", "v2.example", "", true, "x-beta"),
        way(1, "", "*.v2.example", "", true, "x-beta"),
        way(0, "", "", "x-version", false, "x-beta, x-version"),
        way(1, "", "", "api", true, "x-beta, x-version"),
        way(1, "", "", "version", true, "accept, x-beta, x-version"),
    ];
    assert_eq!(ways, expected);
    assert_eq!(versions.vary, Some(HeaderValue::from_static("accept, x-beta, x-version")));
}

/// By the examples of RFC 9745 (sections 2.1 and 3) and RFC 8594 (section 3), in their form.
#[tokio::test]
async fn headers_say_when_a_version_ends() {
    let snapshot = compile(false).await;
    let headers = |name: &str| -> Vec<(String, String)> {
        let headers = version(&snapshot, name).headers.iter();
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    };
    let expected = [
        ("deprecation", "@1688169599"),
        ("sunset", "Sun, 30 Jun 2024 23:59:59 GMT"),
        ("link", "<https://developer.example.com/deprecation>; rel=\"deprecation\""),
        ("link", "<https://developer.example.com/deprecation>; rel=\"sunset\""),
        ("link", "</v2>; rel=\"successor-version\""),
    ];
    assert_eq!(headers("v1"), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(headers("v2"), []);
    assert_eq!(headers("v0"), [("sunset".to_owned(), "Wed, 01 Jan 2020 00:00:00 GMT".to_owned())]);
    let gone = |name: &str| version(&snapshot, name).gone.clone();
    assert_eq!((gone("v1").code().name(), gone("v1").http()), ("UNIMPLEMENTED", 410));
    assert_eq!(
        gone("v1").message(),
        "The version v1 of this API has ended on 2024-06-30T23:59:59Z. See https://developer.example.com/deprecation."
    );
    let over = |name: &str, seconds| {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        version(&snapshot, name).is_over(|| now)
    };
    // 2024-06-30T23:59:59Z.
    assert_eq!([over("v1", 1_719_791_998), over("v1", 1_719_791_999)], [false, true]);
    assert_eq!([over("v0", 0), over("v2", u64::from(u32::MAX))], [true, false]);
}

/// What a reload breaks is found in each version by itself, and one that is taken away is meant to be.
#[tokio::test]
async fn what_breaks_is_found_by_version() {
    let text = YAML.replace("DEFAULT", "default: true");
    let (yaml, files) = text.split_at(text.find("==== ").unwrap());
    let folder = folder(files);
    let generation = async |yaml: &str| {
        let environment = |_: &str| Err(VarError::NotPresent);
        let (config, mut problems) = parse("transom.yaml", yaml, folder.path(), &environment).unwrap();
        compile_with(&config, &mut problems, true).await.unwrap_or_else(|| panic!("{problems}"))
    };
    let old = generation(yaml).await;
    let said = |new: &Compiled| {
        let changes = changes::breaking(old.generation(), new.generation());
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(&generation(yaml).await), [""; 0]);
    // v1 goes on having the route that v2 loses.
    let second = std::fs::read_to_string(folder.path().join("two.proto")).unwrap();
    let second = second.replace("{ get: \"/users/{id}\" }", "{ get: \"/people/{id}\" }");
    std::fs::write(folder.path().join("two.proto"), second).unwrap();
    let lost = "shop.Users.Get: was reached by GET /users/{id}, is not reached by it. Breaks json: callers of this route get 404.";
    assert_eq!(said(&generation(yaml).await), [lost]);
    let renamed = yaml.replace("name: v2", "name: v3");
    assert_eq!(said(&generation(&renamed).await), [""; 0], "by configuration");
}

/// One that is translated has no upstream in a version, as it is answered in the same way in each.
#[tokio::test]
async fn translated_services_belong_to_versions_as_others() {
    let yaml = |assigned: &str| {
        format!(
            "upstreams:\n  two: {{targets: [\"http://127.0.0.1:2\"], descriptors: [{{protos: {{include: [.], files: [two.proto]}}}}]}}\n\
             services: [\"**\"]\n\
             translations:\n  - {{service: old.Users, by: shop.Users, descriptors: [{{protos: {{include: [.], files: [old.proto]}}}}]}}\n\
             versions:\n  - {{name: v1, match: [{{path: /v1}}], services: {assigned}}}\n  \
             - {{name: v2, default: true, services: [shop.Users]}}\n"
        )
    };
    let folder = folder(
        "==== old.proto\nsyntax = \"proto3\"; package old; message User { string id = 1; }\n\
         service Users { rpc Get(User) returns (User); }\n\
         ==== two.proto\nsyntax = \"proto3\"; package shop; message User { string id = 1; }\n\
         service Users { rpc Get(User) returns (User); }\n",
    );
    let (snapshot, problems) = compiled(&yaml("[old.*]"), folder.path()).await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{problems}"));
    let v1 = &*version(&snapshot, "v1").surface;
    assert_eq!((methods(v1), methods(&snapshot.surface)), (vec!["old.Users/Get"], vec!["shop.Users/Get"]));
    assert_eq!(reached(v1, "POST /old.Users/Get"), "two");
    assert_eq!(v1.methods["old.Users/Get"].endpoint.version.as_deref(), Some("v1"));

    let (snapshot, problems) = compiled(&yaml("{old.Users: two}"), folder.path()).await;
    let said = problems.to_string();
    assert!(snapshot.is_none(), "{said}");
    for text in [
        "The service old.Users has no upstream of its own, as it is translated, but here is one for it.",
        "transom.yaml:7:60",
        "translated here",
        "Name no upstream here, or remove the translation.",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
