//! The files of keys: `transom keys`, and what a running gateway makes of changes.

use std::process::Output;

use serde_json::{Value, json};
use transom::policy::new_key;

use super::{Counting, Place};
use crate::support::client::{Version, send};
use crate::support::gateway::{Gateway, transom};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn done(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).trim_end()
}

async fn status(gateway: &Gateway, key: &str) -> u16 {
    let headers = [("content-type", "application/json"), ("x-api-key", key)];
    send(gateway.address(), Version::Http1, "POST", "/v1/echo", &headers, "{}").await.status.as_u16()
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_while_a_gateway_runs() {
    let place = Place::new();
    let backend = Counting::start();
    place.write(
        "transom.yaml",
        &format!(
            "{}policies: {{partners: {{require: {{any: [api_key: {{}}]}}}}}}\n\
             services: [{{service: '**', policy: [partners]}}]\nreload: {{files: 100ms}}\n",
            place.config(&backend.address, "").replacen("callers.yaml", "keys.yaml", 1),
        ),
    );
    let config = place.file("transom.yaml").display().to_string();
    let keys = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().unwrap();
        transom(&["keys", command, "-c", &config]).args(rest).output().unwrap()
    };
    // The file need not be there before the first key is.
    let first = keys(&["new", "--owner", "acme", "--plan", "pro", "--role", "buyer", "--role", "x: y"]);
    let key = done(&first).to_owned();
    assert!(new_key::is_one(&key), "{key}");
    let said = text(&first.stderr);
    assert!(said.starts_with("The key acme-") && said.contains("it is shown once"), "{said}");
    let second = done(&keys(&["new", "--id", "second", "--expires", "2020-01-01"])).to_owned();
    let file = std::fs::read_to_string(place.file("keys.yaml")).unwrap();
    assert!(
        !file.contains(&key) && file.contains(&new_key::hash(&key)) && file.contains("\"x: y\""),
        "{file}"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(place.file("keys.yaml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    let listed: Value = serde_json::from_str(done(&keys(&["list", "--json"]))).unwrap();
    assert_eq!(
        (&listed[0]["owner"], &listed[0]["state"], &listed[1]["id"]),
        (&json!("acme"), &json!("valid"), &json!("second"))
    );
    let output = keys(&["list"]);
    let table: Vec<Vec<_>> = done(&output).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(table[0], ["ID", "OWNER", "PLAN", "ROLES", "CREATED", "EXPIRES", "STATE"]);
    assert_eq!((table[2][0], table[2][5], table[2][6]), ("second", "2020-01-01T00:00:00Z", "expired"));

    let gateway = Gateway::with_file(&place.file("transom.yaml"), &[]);
    assert_eq!([status(&gateway, &key).await, status(&gateway, &second).await], [200, 401]);
    let third = done(&keys(&["new", "--owner", "acme"])).to_owned();
    gateway.wait_for_log("\"generation\":2");
    assert_eq!([status(&gateway, &key).await, status(&gateway, &third).await], [200, 200]);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(done(&keys(&["revoke", id])), format!("The key {id} is revoked."));
    gateway.wait_for_log("\"generation\":3");
    assert_eq!([status(&gateway, &key).await, status(&gateway, &third).await], [401, 200]);
    // By the key itself, when it was found somewhere.
    assert!(done(&keys(&["revoke", &third])).ends_with(" is revoked."));
    assert!(done(&keys(&["revoke", &third])).ends_with(" was revoked before."));
    gateway.wait_for_log("\"generation\":4");
    assert_eq!(status(&gateway, &third).await, 401);

    // A file that is broken changes nothing.
    place.write("keys.yaml", "keys: [{id: a, hash: 'sha256:00'}, {id: a, hash: plain, owner: 7}, {ID: b}]\n");
    gateway.wait_for_log("the new configuration is refused");
    assert_eq!(status(&gateway, &second).await, 401);
    for (arguments, said) in
        [(&["revoke", "nobody"][..], "The key `a` stands twice"), (&["new"], "The key `a` stands twice")]
    {
        let output = keys(arguments);
        assert!(output.status.code() == Some(1) && text(&output.stderr).contains(said), "{output:?}");
    }
    place.write("keys.yaml", "keys: []\n");
    for (arguments, code, said) in [
        (&["revoke", "nobody"][..], 1, "There is no key \"nobody\" in "),
        (&["revoke", &key], 1, "There is no key that was given in "),
        (&["new", "--expires", "tomorrow"], 2, "`tomorrow` is no moment."),
        (&["new", "--id", ""], 1, "A key is called by a text without control characters."),
        (&["new", "--file", "x.yaml"], 2, "cannot be used with"),
    ] {
        let output = keys(arguments);
        let told = text(&output.stderr);
        assert!(output.status.code() == Some(code) && told.contains(said), "{arguments:?}: {output:?}");
        assert!(!told.contains(&key), "{told}");
    }
}
