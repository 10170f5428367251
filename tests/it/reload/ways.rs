//! The ways to reload, and what becomes of a configuration that is wrong.

use std::os::unix::fs::symlink;

use serde_json::json;
use tokio::net::TcpStream;

use super::{HEAD, Setting, eventually};
use crate::support::gateway::transom;
use crate::support::process::run;
use crate::support::{backend, root};

/// A configuration with a route that says which version it is, and files that nobody looks at by himself.
fn config(upstream: &str, version: &str, files: &str) -> String {
    format!(
        "upstreams: {{shop: \"{upstream}\"}}\nservices: [\"**\"]\nroutes: [{{path: /{version}, method: GET, call: \
         bookstore.v1.Bookstore/ListShelves}}]\nreload: {{files: {files}}}\n"
    )
}

#[tokio::test]
async fn by_signal_by_order_and_by_changed_files() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, "one", "1h"));
    assert_eq!((setting.status("/one").await, setting.status("/two").await), (200, 404));

    setting.write(&config(&upstream, "two", "1h"));
    setting.server.hang_up();
    eventually("SIGHUP", async || setting.status("/two").await == 200).await;
    assert_eq!(setting.status("/one").await, 404);
    assert_eq!(setting.generation().await, 2);

    setting.write(&config(&upstream, "three", "100ms"));
    let (status, json) = setting.reload().await;
    assert_eq!((status, &json["reloaded"], &json["generation"]), (200, &json!(true), &json!(3)), "{json}");
    assert_eq!(setting.status("/three").await, 200, "the answer comes when it is served");

    setting.write(&config(&upstream, "four", "100ms"));
    eventually("a changed file", async || setting.status("/four").await == 200).await;
    // The connections to the backend are those of before.
    let upstreams = setting.ask("/upstreams").await.json();
    let opened = upstreams[0]["opened"].as_u64().unwrap();
    assert!((1..=3).contains(&opened), "at most one for each core: {upstreams}");
}

/// A ConfigMap in Kubernetes: the file is a link through `..data`, which is replaced as a whole.
#[tokio::test]
async fn by_links_that_are_swapped() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::prepared("", |folder| {
        let path = |name: &str| folder.path().join(name);
        for (version, name) in [("..2026_01", "one"), ("..2026_02", "two")] {
            std::fs::create_dir(path(version)).unwrap();
            let text = format!("{HEAD}{}", config(&upstream, name, "100ms"));
            std::fs::write(path(version).join("transom.yaml"), text).unwrap();
        }
        symlink("..2026_01", path("..data")).unwrap();
        symlink("..data/transom.yaml", path("transom.yaml")).unwrap();
    });
    assert_eq!(setting.status("/one").await, 200);
    let path = |name: &str| setting.folder.path().join(name);
    symlink("..2026_02", path("..data_tmp")).unwrap();
    std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
    eventually("the swap", async || setting.status("/two").await == 200).await;
}

/// Descriptor sets, proto sources with their imports, and HTTP rules are looked at like the file that names them.
#[tokio::test]
async fn by_every_file_that_the_configuration_names() {
    const PROTO: &str =
        "syntax = \"proto3\";\npackage a.v1;\nimport \"b.proto\";\nservice A { rpc Get(B) returns (B); }\n";
    let setting = Setting::prepared(
        "upstreams:\n  one: {targets: [\"http://127.0.0.1:1\"], descriptors: [{protos: {include: [.], files: \
         [a.proto]}}, {http_rules: rules.yaml}]}\n  two: {targets: [\"http://127.0.0.1:1\"], descriptors: [{set: \
         two.binpb}]}\nservices: [\"**\"]\nreload: {files: 100ms}\n",
        |folder| {
            let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
            write("a.proto", PROTO.as_bytes());
            write("b.proto", b"syntax = \"proto3\";\npackage a.v1;\nmessage B { string id = 1; }\n");
            write("rules.yaml", b"http: {rules: [{selector: a.v1.A.Get, get: /one}]}\n");
            write("two.binpb", b"");
        },
    );
    let write = |name: &str, text: &[u8]| std::fs::write(setting.folder.path().join(name), text).unwrap();
    // The backend is not there, which shows that the route is.
    let is_there = async |target: &str| setting.status(target).await == 503;
    assert!(is_there("/one").await);
    write("rules.yaml", b"http: {rules: [{selector: a.v1.A.Get, get: \"/two/{id}\"}]}\n");
    eventually("the rules", async || is_there("/two/1").await).await;
    write(
        "b.proto",
        b"syntax = \"proto3\";\npackage a.v1;\nmessage B { string id = 1; string other = 2; }\n",
    );
    eventually("the import", async || is_there("/two/1?other=x").await).await;
    let set = std::fs::read(root().join("examples/bookstore/bookstore.binpb")).unwrap();
    write("two.binpb", &set);
    eventually("the set", async || is_there("/v1/shelves").await).await;
    // A set that is cut is refused, and taken up when it is whole.
    write("two.binpb", &set[..set.len() - 7]);
    setting.server.wait_for("the new configuration is refused");
    assert!(is_there("/v1/shelves").await);
    let before = setting.generation().await;
    write("two.binpb", &set);
    eventually("the whole set", async || setting.generation().await > before).await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_all_that_is_wrong() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, "one", "1h"));
    setting.write("upstreams: {shop: nowhere}\nservices: [\"**\"]\nhttp: {uri: 1}\nsevices: []\n");
    let (status, json) = setting.reload().await;
    assert_eq!((status, &json["reloaded"], &json["generation"]), (422, &json!(false), &json!(1)), "{json}");
    let file = setting.file().display().to_string();
    let errors = json["errors"].as_array().unwrap();
    let said: Vec<_> = errors
        .iter()
        .map(|error| {
            assert!(error["hint"].is_string(), "{error}");
            let place = error["place"].as_str().unwrap().strip_prefix(&file).unwrap().to_owned();
            (place, error["message"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        said,
        [
            (":3:19".to_owned(), "`upstreams.shop`: `nowhere` is not a URL."),
            (":5:13".to_owned(), "`http.uri` is out of bounds: 1."),
            (":6:1".to_owned(), "There is no key `sevices` in the configuration."),
        ]
    );
    assert_eq!(setting.status("/one").await, 200);
    setting.server.hang_up();
    for text in said.iter().map(|(_, message)| *message).chain(["the new configuration is refused"]) {
        let count = || setting.server.printed().lines().filter(|line| line.contains(text)).count();
        eventually(text, async || count() == 2).await;
    }
    assert_eq!((setting.status("/one").await, setting.generation().await), (200, 1));

    // A file that is gone, and one that is half there.
    std::fs::remove_file(setting.file()).unwrap();
    let (status, json) = setting.reload().await;
    assert_eq!(status, 422);
    assert!(json["errors"][0]["message"].as_str().unwrap().ends_with("it does not exist."), "{json}");
    setting.write("upstreams: {shop: \"http://");
    assert_eq!(setting.reload().await.0, 422);
    assert_eq!(setting.status("/one").await, 200);
}

#[tokio::test]
async fn listeners_come_and_go_and_limits_are_those_of_new_connections() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, "one", "1h"));
    let body = config(&upstream, "one", "1h");
    let port = setting.address().port();
    // Another one beside it, and the first by another name.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let both =
        format!("listeners: [{{address: 127.0.0.1:0}}, {{address: {free}}}]\nadmin: 127.0.0.1:0\n{body}");
    std::fs::write(setting.file(), both).unwrap();
    assert_eq!(setting.reload().await.0, 200);
    assert_eq!(crate::support::client::get(free, "/one").await.status, 200);
    assert_eq!(setting.status("/one").await, 200);

    let wide = format!("0.0.0.0:{}", free.port());
    let text =
        format!("listeners: [{{address: \"{wide}\"}}]\nadmin: 127.0.0.1:0\n{body}http: {{uri: 1KiB}}\n");
    std::fs::write(setting.file(), &text).unwrap();
    let (status, json) = setting.reload().await;
    assert_eq!(status, 200, "0.0.0.0 may take the place of 127.0.0.1: {json}");
    assert_eq!(crate::support::client::get(free, "/one").await.status, 200);
    let long = format!("/one?x={}", "x".repeat(2_000));
    assert_eq!(crate::support::client::get(free, &long).await.status, 414);
    eventually("the first is closed", async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;

    // One that is taken is refused, at its place.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
    std::fs::write(setting.file(), text.replace(&wide, &taken.1.to_string())).unwrap();
    let (status, json) = setting.reload().await;
    assert_eq!(status, 422);
    let error = &json["errors"][0];
    let message = format!("Cannot listen on {}", taken.1);
    assert!(error["message"].as_str().unwrap().starts_with(&message), "{error}");
    assert!(error["place"].as_str().unwrap().ends_with(":1:23"), "{error}");
    assert_eq!(crate::support::client::get(free, "/one").await.status, 200);
}

#[test]
fn diff_lists_what_breaks_offline() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let proto = |fields: &str| {
        format!(
            "syntax = \"proto3\";\npackage a.v1;\nservice A {{ rpc Get(M) returns (M); }}\nmessage M {{ {fields} }}\n"
        )
    };
    let configuration = |name: &str| {
        write(
            &format!("{name}.yaml"),
            &format!(
                "descriptors: [{{protos: {{include: [.], files: [{name}.proto]}}}}]\nupstreams: {{shop: \
                 \"http://127.0.0.1:1\"}}\nservices: [\"**\"]\n"
            ),
        )
    };
    write("old.proto", &proto("string id = 1; int32 count = 2;"));
    write("new.proto", &proto("string id = 1; int64 count = 2; string more = 3;"));
    let (old, new) = (configuration("old"), configuration("new"));
    let output = transom(&["diff", &old, &new]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "a.v1.M.count: was 2: int32, is 2: int64. Breaks json: values have another form in JSON.\n1 change breaks \
         callers.\n"
    );
    let set = root().join("examples/bookstore/bookstore.binpb");
    let set = set.to_str().unwrap();
    let output = run(&mut transom(&["diff", set, set]));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Nothing breaks for callers.\n");
    let output = transom(&["diff", set, "no-such-set.binpb"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("The file no-such-set.binpb cannot be read: it does not exist."), "{text}");
}
