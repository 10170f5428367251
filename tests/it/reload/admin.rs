//! The admin listener and those who ask it.

use serde_json::json;

use super::{HEAD, Setting};
use crate::support::client::{self, Version};
use crate::support::gateway::{serve, transom};
use crate::support::process::run;
use crate::support::{backend, root};

fn body() -> String {
    format!("upstreams: {{shop: \"http://{}\"}}\nservices: [\"**\"]\n", backend::bookstore())
}

#[tokio::test]
async fn operators_see_what_is_served() {
    let setting = Setting::new(&body());
    assert_eq!(setting.ask("/livez").await.json(), json!({"live": true}));
    let ready =
        json!({"ready": true, "draining": false, "maintenance": false, "generation": 1, "missing": []});
    assert_eq!(setting.ask("/readyz").await.json(), ready);
    let routes = setting.ask("/routes").await.json();
    let file = setting.file();
    let output = run(&mut transom(&["routes", "--json", "-c", file.to_str().unwrap()]));
    assert_eq!(routes, serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap());
    assert_eq!(setting.status("/v1/shelves").await, 200);
    let upstreams = setting.ask("/upstreams").await.json();
    assert_eq!((&upstreams[0]["name"], &upstreams[0]["missing"]), (&json!("shop"), &json!(null)));
    assert!(upstreams[0]["targets"][0]["open"].as_u64().unwrap() >= 1, "{upstreams}");
    let config = setting.ask("/config").await.json();
    assert_eq!(config["http"]["uri"], json!("8KiB"), "{config}");
    assert_eq!(config["services"][0]["service"], json!("**"), "{config}");
    for version in [Version::Http1, Version::Http2] {
        let answer = client::send(setting.admin, version, "GET", "/reload", &[], "").await;
        assert_eq!(answer.status, 405, "{version:?}");
    }
}

#[tokio::test]
async fn the_token_is_asked_for_and_shown_to_nobody() {
    let setting = Setting::prepared("", |folder| {
        std::fs::write(folder.path().join("token"), "0123456789abcdef-secret\n").unwrap();
        let text = format!("{}{}", HEAD.replace("admin: ", "admin: {token: file:token, address: "), body());
        let text = text.replacen("address: 127.0.0.1:0\n", "address: 127.0.0.1:0}\n", 1);
        std::fs::write(folder.path().join("transom.yaml"), text).unwrap();
    });
    let ask = async |method: &str, target: &str, headers: &[(&str, &str)]| {
        client::send(setting.admin, Version::Http1, method, target, headers, "").await
    };
    let right = ("authorization", "Bearer 0123456789abcdef-secret");
    let wrong = ("authorization", "Bearer 0123456789abcdef-sacret");
    let evil = ("origin", "https://evil.example");
    for (method, target, headers, status) in [
        ("GET", "/livez", &[][..], 200),
        ("GET", "/readyz", &[], 200),
        ("GET", "/config", &[], 401),
        ("GET", "/config", &[wrong], 401),
        ("GET", "/config", &[right], 200),
        ("POST", "/reload", &[], 401),
        ("POST", "/reload", &[right, evil], 403),
        ("POST", "/reload", &[right], 200),
    ] {
        let answer = ask(method, target, headers).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {target} {headers:?}: {answer:?}");
    }
    let config = ask("GET", "/config", &[right]).await;
    assert_eq!(config.json()["admin"]["token"], json!("file:token"));
    assert!(!String::from_utf8_lossy(&config.body).contains("secret"), "{config:?}");
    // Another token counts from the next reload on.
    std::fs::write(setting.folder.path().join("token"), "short").unwrap();
    let refused = ask("POST", "/reload", &[right]).await;
    assert_eq!(refused.status, 422);
    let message =
        "The token of `admin` cannot be used: it has fewer than 16 characters, so that it could be guessed.";
    assert_eq!(refused.json()["errors"][0]["message"], message);
    std::fs::write(setting.folder.path().join("token"), "fedcba9876543210").unwrap();
    assert_eq!(ask("POST", "/reload", &[right]).await.status, 200);
    assert_eq!(ask("GET", "/config", &[right]).await.status, 401);
    assert!(!setting.server.printed().contains("secret"));
}

#[tokio::test]
async fn pages_of_browsers_cannot_ask() {
    let setting = Setting::new(&body());
    let port = setting.admin.port();
    let rebound = format!("rebound.example:{port}");
    let own = format!("http://{}", setting.admin);
    for (headers, status) in [
        (&[("origin", "https://evil.example")][..], 403),
        (&[("origin", "null")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("origin", own.as_str())], 200),
    ] {
        let answer = client::send(setting.admin, Version::Http1, "POST", "/reload", headers, "").await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    }
    let text = format!("POST /reload HTTP/1.1\r\nhost: {rebound}\r\nconnection: close\r\n\r\n");
    let answer = raw(setting.admin, &text).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("Without a token, the host must be an IP address or localhost."), "{answer}");
}

async fn raw(address: std::net::SocketAddr, text: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn other_machines_need_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, format!("admin: 0.0.0.0:0\n{}", body())).unwrap();
    let output = serve(&["-c", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("can be reached from other machines and has no token"), "{text}");
}

#[tokio::test]
async fn health_is_an_exit_code() {
    let setting = Setting::new(&body());
    let url = format!("http://{}", setting.admin);
    let output = run(&mut transom(&["health", "--url", &url]));
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"ready\": true"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, format!("admin: {}\n{}", setting.admin, body())).unwrap();
    run(&mut transom(&["health", "-c", file.to_str().unwrap()]));

    let failure = |arguments: &[&str]| {
        let output = transom(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let text = failure(&["health", "-c", root().join("examples/bookstore/transom.yaml").to_str().unwrap()]);
    assert!(text.starts_with("The configuration has no `admin`"), "{text}");
    let text = failure(&["health", "--url", "https://127.0.0.1"]);
    assert!(text.starts_with("The URL is not one of an admin listener."), "{text}");
    drop(setting);
    let text = failure(&["health", "--url", &url]);
    assert!(text.contains("cannot be reached"), "{text}");
    // Somebody who never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let text = failure(&["health", "--url", &url, "--timeout", "300ms"]);
    assert!(text.contains("did not answer within 300 ms."), "{text}");
    // One with nothing to serve.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setting = Setting::new(&format!("upstreams: {{shop: \"http://{nobody}\"}}\nservices: [\"**\"]\n"));
    let text = failure(&["health", "--url", &format!("http://{}", setting.admin)]);
    assert!(text.contains("is not ready (503 Service Unavailable)") && text.contains("shop"), "{text}");
}
