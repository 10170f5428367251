//! Aggregated routes: what is said of those that are wrong, and what those become that are not.

use super::{compiled, unbroken};
use crate::compile::tests::Snapshot;
use crate::schema::message::{Cardinality, Kind};

const A: &str = r#"syntax = "proto3"; package a.v1;
import "common.proto";
service Users { rpc GetUser(GetUserRequest) returns (User); }
message GetUserRequest {
  string id = 1; int32 level = 2; repeated string tags = 3; common.Kind kind = 4; common.Address home = 5;
  oneof contact { string email = 6; string phone = 7; }
}
message User {
  string id = 1; string name = 2; int32 level = 3; common.Kind kind = 4; common.Address address = 5; uint32 size = 6;
  map<string, int32> labels = 7; repeated uint32 numbers = 8; optional bool premium = 9;
}
"#;
const B: &str = r#"syntax = "proto3"; package b.v1;
import "common.proto";
import "google/protobuf/timestamp.proto";
service Orders {
  rpc List(ListRequest) returns (OrderList) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Import(stream Item) returns (OrderList);
  rpc Watch(ListRequest) returns (stream Item);
}
message ListRequest {
  string user_id = 1; int64 page_size = 2; int64 kind = 3; map<string, int32> labels = 4; common.Address near = 5;
  google.protobuf.Timestamp since = 6; repeated uint64 numbers = 7; repeated common.Kind kinds = 8; bytes token = 9;
}
message OrderList { repeated Item items = 1; }
message Item { string sku = 1; }
message ImportRequest {}
"#;
const COMMON: &str = r#"syntax = "proto3"; package common;
enum Kind { NONE = 0; NEW = 1; }
message Address { string city = 1; }
"#;

/// A configuration with an upstream for each of two proto files, and routes.
fn config(protos: &str, routes: &str) -> (String, Vec<(String, String)>) {
    let mut upstreams = String::new();
    let mut files = Vec::new();
    for (port, name) in protos.split_whitespace().enumerate() {
        upstreams.push_str(&format!(
            "  {name}: {{targets: [\"http://127.0.0.1:{}\"], descriptors: [{{protos: {{include: [{name}], files: [\"{name}.proto\"]}}}}]}}\n",
            port + 1
        ));
        let main = match name {
            "a" => A.to_owned(),
            "b" => B.to_owned(),
            "differing" => "syntax = \"proto3\"; package c.v1; import \"common.proto\"; service Others { rpc Get(common.Address) returns (common.Address); }".to_owned(),
            _ => "syntax = \"proto3\"; package d.v1; import \"other.proto\"; service Others { rpc Get(common.Address) returns (common.Address); }".to_owned(),
        };
        let (common, text) = match name {
            "differing" => ("common.proto", COMMON.replace("city = 1", "city = 2")),
            "twice" => ("other.proto", COMMON.to_owned()),
            _ => ("common.proto", COMMON.to_owned()),
        };
        files.push((format!("{name}/{name}.proto"), main));
        files.push((format!("{name}/{common}"), text));
    }
    (format!("upstreams:\n{upstreams}services: [\"**\"]\nroutes:\n{routes}"), files)
}

async fn compile(protos: &str, routes: &str) -> (Option<Snapshot>, String) {
    let (yaml, files) = config(protos, routes);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let (snapshot, problems) = compiled(&yaml, folder.path()).await;
    (snapshot, problems.to_string().replace(folder.path().to_str().unwrap(), "DIR"))
}

/// Each case of `aggregates.txt` is a name, the proto files of the upstreams, routes, and everything that is said.
#[tokio::test]
async fn problems_say_what_is_wrong_where_and_what_to_do() {
    for case in include_str!("aggregates.txt").split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (input, expected) = rest.split_once("----\n").unwrap();
        let (protos, routes) = input.split_once('\n').unwrap();
        let (snapshot, said) = compile(protos.strip_prefix("protos: ").unwrap(), routes).await;
        assert_eq!(unbroken(&said), unbroken(expected), "{name}:\n{said}");
        assert!(snapshot.is_none(), "{name}");
    }
}

const ALL: &str = r#"
  - path: /v1/users/{id}/all
    method: GET
    aggregate:
      user: { call: a.v1.Users/GetUser, request: { id: "{id}", level: 3, tags: [a, "{tag}"], kind: 1, home: { city: "{city}" } } }
      orders:
        call: b.v1.Orders/List
        request:
          user_id: "{user.id}"
          page_size: "{user.level}"
          kind: "{user.kind}"
          labels: "{user.labels}"
          near: "{user.address}"
          numbers: "{user.numbers}"
          kinds: "{user.kind}"
          token: "{token}"
          since: 2024-01-01T00:00:00Z
      each: { call: a.v1.Users/GetUser, for_each: "{ids}", request: { id: "{item}" }, when: "{with_each}", optional: true }
      events: { call: b.v1.Orders/Watch, request: { user_id: "{{x}}", labels: { a: 1 } } }
"#;

#[tokio::test]
async fn routes_become_methods() {
    let (snapshot, said) = compile("a b", ALL).await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(said, "");
    let own = &snapshot.surface.methods["transom.routes.Routes/GetV1UsersIdAll"];
    let schema = &own.endpoint.schema;
    let (_, method) = schema.method(&own.endpoint.full_name).unwrap();
    let fields = |id| {
        let fields = schema.message(id).fields().iter();
        fields
            .map(|field| {
                let kind = match field.kind() {
                    Kind::Message(id) => schema.text(schema.message(id).name()).to_owned(),
                    kind => format!("{kind:?}"),
                };
                let many = if matches!(field.cardinality(), Cardinality::Singular(_)) { "" } else { "*" };
                format!("{}={}:{kind}{many}", schema.text(field.name()), field.number())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(method.input()),
        [
            "id=1:String",
            "tag=2:String",
            "city=3:String",
            "token=4:Bytes",
            "ids=5:String*",
            "with_each=6:Bool"
        ]
    );
    let part_error = "errors=100:transom.routes.GetV1UsersIdAllResponse.PartError*";
    assert_eq!(
        fields(method.output()),
        [
            "user=1:a.v1.User",
            "orders=2:b.v1.OrderList",
            "each=3:a.v1.User*",
            "events=4:b.v1.Item*",
            part_error
        ]
    );
    assert!(!method.is_idempotent() && !method.server_streaming());
    let streamed = &snapshot.surface.methods["transom.routes.Routes/GetV1UsersIdAllParts"].endpoint;
    assert!(streamed.method.server_streaming && !streamed.options.write.outer_nulls);
    assert!(own.endpoint.options.write.outer_nulls);
    assert_eq!(own.endpoint.upstreams(), ["a", "b"]);
    assert_eq!(snapshot.surface.services.find("transom.routes.Routes").unwrap().routes.len(), 2);
}

/// Settings come from the pattern that fits, and a pattern for what is aggregated is no pattern without effect.
#[tokio::test]
async fn settings_come_from_patterns() {
    let route = "  - {path: /x, method: GET, name: my.v1.Things/Get, aggregate: {user: {call: a.v1.Users/GetUser}}}\n";
    let (yaml, files) = config("a", route);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(&name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    for (services, timeout, dialects) in [
        ("[a.v1.*]", None, 7),
        ("[a.v1.*, {service: my.v1.Things, timeout: 3s, dialects: [rest, grpc]}]", Some(3), 2),
    ] {
        let yaml = yaml.replace("[\"**\"]", services);
        let (snapshot, problems) = compiled(&yaml, folder.path()).await;
        assert!(problems.is_empty(), "{problems}");
        let endpoint = &snapshot.unwrap().surface.methods["my.v1.Things/Get"].endpoint;
        let found = endpoint.options.timeout.map(|timeout| timeout.as_secs());
        assert_eq!((found, endpoint.dialects.len()), (timeout, dialects));
    }
}
