//! Backends that change, and backends that are away.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use super::{Setting, eventually};
use crate::support::process::{Server, python};

/// A proto with a service for each name, whose methods are reached at `/NAME/METHOD`.
fn proto(name: &str, methods: &[&str], fields: &str) -> String {
    let methods: String = methods
        .iter()
        .map(|method| {
            format!("  rpc {method}(M) returns (M) {{ option (google.api.http) = {{get: \"/{name}/{method}\"}}; }}\n")
        })
        .collect();
    format!(
        "syntax = \"proto3\";\npackage {name}.v1;\nimport \"google/api/annotations.proto\";\nmessage M {{ {fields} }}\n\
         service Main {{\n{methods}}}\n"
    )
}

fn start(folder: &Path, name: &str, port: u16, text: &str) -> Server {
    let file = folder.join(format!("{name}.proto"));
    std::fs::write(&file, text).unwrap();
    let mut command = python("tests/python/proto_server.py");
    command.args(["--port", &port.to_string(), file.to_str().unwrap()]);
    Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok())
}

fn config(backends: &[(&str, SocketAddr)], more: &str) -> String {
    let upstreams: String =
        backends.iter().map(|(name, address)| format!("  {name}: http://{address}\n")).collect();
    format!("upstreams:\n{upstreams}services: [\"**\"]\n{more}")
}

#[tokio::test]
async fn three_backends_that_are_restarted_with_other_protos_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["one", "two", "three"];
    let mut backends: Vec<_> = names
        .iter()
        .map(|name| start(folder.path(), name, 0, &proto(name, &["First"], "string id = 1;")))
        .collect();
    let addresses: Vec<_> = backends.iter().map(Server::address).collect();
    let list: Vec<_> = names.into_iter().zip(addresses.iter().copied()).collect();
    let setting = Setting::new(&config(&list, "reload: {reflection: 200ms, files: 1h}\n"));
    for (index, name) in names.iter().enumerate() {
        let (first, second) = (format!("/{name}/First"), format!("/{name}/Second"));
        assert_eq!((setting.status(&first).await, setting.status(&second).await), (200, 404));
        let port = addresses[index].port();
        // The port is free again once its process has ended.
        drop(backends.remove(index));
        let text = proto(name, &["First", "Second"], "string id = 1; string more = 2;");
        backends.insert(index, start(folder.path(), name, port, &text));
        eventually("the new method", async || setting.status(&second).await == 200).await;
        assert_eq!(setting.status(&first).await, 200);
    }
    assert_eq!(setting.ask("/readyz").await.json()["missing"], json!([]));
}

#[tokio::test]
async fn a_backend_that_is_down_at_the_start_leaves_the_others_served() {
    let folder = tempfile::tempdir().unwrap();
    let up = start(folder.path(), "up", 0, &proto("up", &["Get"], "string id = 1;"));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let list = [("up", up.address()), ("down", nobody)];
    // What is named and not known yet is no error either.
    let more = "  - service: down.v1.Main\n    timeout: 1s\nroutes: [{path: /named, method: GET, call: down.v1.Main/Get}]\n\
                reload: {reflection: 1s, files: 1h}\n";
    let setting =
        Setting::new(&config(&list, more).replace("services: [\"**\"]\n", "services:\n  - \"**\"\n"));
    assert_eq!((setting.status("/up/Get").await, setting.status("/down/Get").await), (200, 404));
    let ready = setting.ask("/readyz").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["missing"][0]["upstream"]), (200, &json!("down")));
    let reason = ready.json()["missing"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&nobody.to_string()), "{reason}");
    setting.server.wait_for("The descriptors of upstream \\\"down\\\" cannot be had");

    let _down = start(folder.path(), "down", nobody.port(), &proto("down", &["Get"], "string id = 1;"));
    eventually("its routes", async || setting.status("/down/Get").await == 200).await;
    assert_eq!(setting.status("/named").await, 200);
    assert_eq!(setting.ask("/readyz").await.json()["missing"], json!([]));

    // When it is away later, what it told goes on, also over a reload.
    drop(_down);
    setting.server.wait_for("an upstream cannot be asked for its descriptors");
    assert_eq!(setting.reload().await.0, 200);
    assert_eq!((setting.status("/up/Get").await, setting.status("/down/Get").await), (200, 503));
}

/// One that takes connections and says nothing, and one that says what is no descriptor.
#[tokio::test]
async fn backends_that_hang_or_lie_leave_the_others_served() {
    let folder = tempfile::tempdir().unwrap();
    let up = start(folder.path(), "up", 0, &proto("up", &["Get"], "string id = 1;"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let liar = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let list = [
        ("up", up.address()),
        ("silent", silent.local_addr().unwrap()),
        ("liar", liar.local_addr().unwrap()),
    ];
    std::thread::spawn(move || {
        for stream in liar.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), &[0xff; 4_096]);
        }
    });
    let setting = Setting::new(&config(&list, "reload: {files: 1h}\n"));
    assert_eq!(setting.status("/up/Get").await, 200);
    let ready = setting.ask("/readyz").await;
    assert_eq!(ready.status, 200);
    let missing = ready.json()["missing"].clone();
    assert_eq!((&missing[0]["upstream"], &missing[1]["upstream"]), (&json!("silent"), &json!("liar")));
    let reason = missing[0]["reason"].as_str().unwrap();
    assert!(reason.contains("did not give its descriptors within 3000 ms."), "{reason}");
}

/// 100 MB in one answer, files of 1 MB that import one another without an end, and two that import each other.
#[tokio::test]
async fn backends_that_tell_far_too_much_leave_the_others_served() {
    /// The 64 MiB that each may tell, for the two that do and the gateway itself.
    const MEMORY: u64 = 256 << 20;
    let folder = tempfile::tempdir().unwrap();
    let up = start(folder.path(), "up", 0, &proto("up", &["Get"], "string id = 1;"));
    let kinds = ["whole", "endless", "circle"];
    let floods = kinds.map(|kind| {
        let mut command = python("tests/python/reflection_flood.py");
        command.arg(kind);
        Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok())
    });
    let mut list = vec![("up", up.address())];
    list.extend(kinds.into_iter().zip(floods.iter().map(Server::address)));
    let setting = Setting::new(&config(&list, "reload: {reflection: 100ms, files: 1h}\n"));
    assert_eq!(setting.status("/up/Get").await, 200);
    let expected = [
        ("whole", "decoded message length too large: found 104857"),
        ("endless", "has more than 67108864 bytes of descriptors, which is the limit for reflection"),
    ];
    // A busy machine may have needed more than the time that there is at the start.
    eventually("the reasons", async || {
        let (status, answer) = setting.reload().await;
        assert_eq!(status, 200, "{answer}");
        let ready = setting.ask("/readyz").await;
        assert_eq!(ready.status, 200);
        let missing = ready.json()["missing"].clone();
        // A circle of imports is odd, but has an end.
        assert_eq!(missing.as_array().unwrap().len(), expected.len(), "{missing}");
        expected.iter().zip(missing.as_array().unwrap()).all(|((name, reason), missing)| {
            assert_eq!(missing["upstream"], json!(name));
            missing["reason"].as_str().unwrap().contains(reason)
        })
    })
    .await;
    for flood in &floods {
        flood.wait_for("asked 8 times");
        assert_eq!(setting.status("/up/Get").await, 200);
    }
    let peak = setting.server.peak_memory();
    assert!(peak < MEMORY, "{peak} bytes");
    eprintln!("{peak} bytes");
}

/// Long before its turn: what was restarted may be another version.
#[tokio::test]
async fn a_backend_that_is_connected_to_anew_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let backend = start(folder.path(), "shop", 0, &proto("shop", &["Get"], "string id = 1;"));
    let address = backend.address();
    let setting = Setting::new(&config(&[("shop", address)], "reload: {reflection: 24h, files: 1h}\n"));
    assert_eq!(setting.status("/shop/Get").await, 200);
    drop(backend);
    let _backend =
        start(folder.path(), "shop", address.port(), &proto("shop", &["Get", "More"], "string id = 1;"));
    eventually("the new method", async || {
        // Only calls make connections.
        setting.status("/shop/Get").await;
        setting.status("/shop/More").await == 200
    })
    .await;
}

#[tokio::test]
async fn changes_that_break_callers_are_warned_of_or_refused() {
    for (setting_of, is_refused) in [("warn", false), ("refuse", true)] {
        let folder = tempfile::tempdir().unwrap();
        let text = proto("shop", &["Get", "List"], "string id = 1; int32 count = 2;");
        let backend = start(folder.path(), "shop", 0, &text);
        let address = backend.address();
        let more = format!("reload: {{reflection: 200ms, files: 1h, breaking_changes: {setting_of}}}\n");
        let setting = Setting::new(&config(&[("shop", address)], &more));
        drop(backend);
        let text = proto("shop", &["Get"], "string name = 1; string count = 2;");
        let _backend = start(folder.path(), "shop", address.port(), &text);
        for change in [
            "shop.v1.Main.List: was a method, is gone. Breaks calls: its callers get UNIMPLEMENTED.",
            "shop.v1.M.id: was \\\"id\\\" in JSON, is \\\"name\\\" in JSON. Breaks json: requests with the old name are \
             refused and answers have the new one.",
            "shop.v1.M.count: was 2: int32, is 2: string. Breaks wire: what is written as the one is not read as the \
             other.",
        ] {
            setting.server.wait_for(&format!("The new descriptors break callers: {change}"));
        }
        let last = if is_refused { "the new configuration is refused" } else { "\"message\":\"reloaded\"" };
        setting.server.wait_for(last);
        // The backend answers whatever it is asked; the route is the gateway's.
        assert_eq!(setting.status("/shop/List").await, if is_refused { 200 } else { 404 });
        assert_eq!(setting.generation().await, if is_refused { 1 } else { 2 });
    }
}
