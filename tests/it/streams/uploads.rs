//! Files of multipart forms that are streams of messages.

use std::process::Command;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Setting, VERSIONS};
use crate::support::client;
use crate::support::process::{python, run};
use crate::support::stream;

const MB: usize = 1_000_000;
const FORM: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=b")];

/// The start of a part: what stands in its content-disposition, and its other headers.
fn head(parameters: &str, headers: &str) -> String {
    format!("--b\r\ncontent-disposition: form-data; {parameters}\r\n{headers}\r\n")
}

const FILE: &str = "name=content; filename=f";

#[test]
fn files_of_httpx() {
    let setting = Setting::new();
    run(python("tests/python/uploads.py").arg(setting.gateway.url("")));
}

#[test]
fn files_of_curl() {
    let setting = Setting::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, vec![b'x'; 3 * MB]).unwrap();
    let file = file.to_str().unwrap();
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let curl = |arguments: &[&str]| -> Value {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", version]).args(arguments);
            serde_json::from_slice(&run(curl.arg(setting.gateway.url("/v1/files/curl"))).stdout).unwrap()
        };
        let answer = curl(&["--form", "title=a page", "--form", &format!("page=@{file}")]);
        let stored = &answer["files"][0];
        assert_eq!((&stored["title"], &stored["contentType"]), (&json!("a page"), &json!("text/html")));
        assert_eq!(stored["size"], json!("3000000"));
        assert_eq!((&stored["messages"], &stored["largest"]), (&json!(46), &json!(65_536)));
        let answer = curl(&["--form", &format!("content=@{file}"), "--form", "title=too late"]);
        let expected = "The form field \"title\" is not valid: it comes after the last file; send fields before the file \
                        that they belong to.";
        assert_eq!(answer["message"], expected);
    }
}

#[tokio::test]
async fn files_of_any_length_take_little_memory() {
    let mut setting = Setting::new();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();
    let piece = Bytes::from(vec![b'-'; MB]);
    for version in VERSIONS {
        let (body, answer) = stream::upload(setting.address(), version, "/v1/files/large", &FORM).await;
        assert!(body.send(head("name=title", "") + "large\r\n" + &head(FILE, "")).await);
        let mut most = 0;
        for _ in 0..100 {
            assert!(body.send(piece.clone()).await);
            most = most.max(setting.gateway.server().memory());
        }
        assert!(body.send("\r\n--b--\r\n").await);
        drop(body);
        let answer: Value = serde_json::from_str(&answer.await.rest().await).unwrap();
        let stored = &answer["files"][0];
        assert_eq!((&stored["title"], &stored["size"]), (&json!("large"), &json!("100000000")), "{answer}");
        assert_eq!((&stored["messages"], &stored["largest"]), (&json!(1526), &json!(65_536)));
        let grown = most.saturating_sub(before);
        assert!(grown < 20 * MB, "{grown} bytes more on {version:?}");
    }
}

#[tokio::test]
async fn wrong_forms_are_refused_by_the_part() {
    let mut setting = Setting::new();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();
    let file = head(FILE, "") + "data\r\n";
    let behind = |name: &str, what: &str| {
        format!("The multipart body is not valid behind the start of the part {name:?}: {what}.")
    };
    let long = format!("x: {}\r\n", "x".repeat(9_000));
    let table = [
        (
            head("name=page", "content-type: multipart/mixed; boundary=c\r\n") + "--c--\r\n--b--",
            400,
            "The multipart body is not valid: the part \"page\" is multipart itself; send each file as a part of this name \
             instead."
                .to_owned(),
        ),
        (
            (head("name=page; filename=f", "content-type: a/b\r\n") + "x\r\n").repeat(10_000) + "--b--",
            400,
            behind("page", "it has more than 1000 parts"),
        ),
        (file.clone(), 400, behind("content", "it ends before its last boundary")),
        (
            file.clone() + &head(FILE, &long.repeat(1_000)),
            400,
            behind("content", "the headers of a part have more than 8192 bytes"),
        ),
        (
            file.clone() + "--b\r\n" + &"a: b\r\n".repeat(1_000_000),
            400,
            behind("content", "the headers of a part have more than 8192 bytes"),
        ),
        (
            head("name=title", "") + &"x".repeat(5 * MB),
            413,
            "The form field \"title\" is too large: the fields before a file may have 4194304 bytes together. Send what is \
             larger as a file."
                .to_owned(),
        ),
        (
            file.clone() + &head("name=nothing; filename=f", "") + "x\r\n--b--",
            400,
            "The form field \"nothing\" is not valid: echo.v1.Piece has no field \"nothing\".".to_owned(),
        ),
    ];
    for version in VERSIONS {
        for (body, status, message) in &table {
            let answer =
                client::send(setting.address(), version, "POST", "/v1/files/wrong", &FORM, body.clone())
                    .await;
            let found = answer.json();
            assert_eq!((answer.status.as_u16(), found["message"].as_str()), (*status, Some(&**message)));
        }
    }
    let grown = setting.gateway.server().memory().saturating_sub(before);
    assert!(grown < 40 * MB, "{grown} bytes more");
    setting.is_alive().await;
}

/// Nobody takes the part that came for the whole.
#[tokio::test]
async fn files_that_break_off_are_cancelled() {
    let setting = Setting::new();
    for version in VERSIONS {
        let id = format!("broken-{version:?}");
        let (body, answer) =
            stream::upload(setting.address(), version, &format!("/v1/files/{id}"), &FORM).await;
        assert!(body.send(head(FILE, "") + &"x".repeat(100_000)).await);
        setting.reaches("STARTED", &id).await;
        // The client leaves.
        drop((answer, body));
        setting.reaches("CANCELLED", &id).await;
    }
    // A length that promises more than comes.
    let id = "short";
    let start = head(FILE, "") + &"x".repeat(100_000);
    let request = format!(
        "POST /v1/files/{id} HTTP/1.1\r\nhost: x\r\ncontent-type: {}\r\ncontent-length: 200000\r\n\r\n{start}",
        FORM[0].1
    );
    let mut socket = super::bounds::raw(setting.address(), request).await;
    setting.reaches("STARTED", id).await;
    tokio::io::AsyncWriteExt::shutdown(&mut socket).await.unwrap();
    let answer = super::bounds::read_all(socket).await;
    assert!(answer.is_empty() || answer.contains("\"code\":3"), "{answer}");
    setting.reaches("CANCELLED", id).await;
    setting.is_alive().await;
}
