//! `file:`.

use std::fs;
use std::io::Write;

use super::*;

/// Writes a list beside the file and moves it to its place.
fn replace(folder: &Path, text: &str) {
    fs::write(folder.join("next"), text).unwrap();
    fs::rename(folder.join("next"), folder.join("targets.yaml")).unwrap();
}

#[tokio::test]
async fn a_list_is_read_again_without_a_lost_call_and_a_bad_one_changes_nothing() {
    let backends: Vec<_> = (0..3).map(|_| backend()).collect();
    let urls: Vec<_> = backends.iter().map(|backend| url(backend.address())).collect();
    let first = format!("- {}\n", urls[0]);
    let setting =
        Setting::new("file:DIR/targets.yaml", &[], Names::start(), |folder| replace(folder, &first));
    let folder = setting.folder.path();
    let load = setting.load();
    setting.wait_for_targets(&urls[..1]).await;
    load.wait_for(100).await;

    replace(folder, &format!("- {}\n- {{url: '{}', weight: 3}}\n", urls[0], urls[1]));
    let upstream = setting.wait_for_targets(&urls[..2]).await;
    assert_eq!(upstream["targets"][1]["weight"], 3);
    let source = upstream["targets"][1]["source"].as_str().unwrap();
    assert!(source.starts_with("file:/") && source.ends_with("/targets.yaml"), "{source}");
    load.wait_for(200).await;

    // In place and in pieces, as some editors do, and in JSON.
    let text = format!("[\"{}\", \"{}\"]", urls[1], urls[2]);
    let mut file = fs::File::create(folder.join("targets.yaml")).unwrap();
    for piece in text.as_bytes().chunks(9) {
        file.write_all(piece).unwrap();
        file.flush().unwrap();
    }
    drop(file);
    setting.wait_for_targets(&urls[1..]).await;
    load.wait_for(200).await;

    for (bad, why) in [
        ("- http://127.0.0.1:1\n- http://127.0.0.1:x\n", "/targets.yaml:2:3: `[1]`: `x` is not a port"),
        ("", "/targets.yaml:1:1: The file lists no target"),
        ("[", "/targets.yaml:"),
        ("- https://127.0.0.1:1\n", "it has TLS, for which nothing was loaded"),
    ] {
        replace(folder, bad);
        let is_told = |upstream: &Value| {
            upstream["sources"][0]["failure"].as_str().is_some_and(|failure| failure.contains(why))
        };
        let upstream = setting.wait_for(is_told).await;
        assert_eq!(targets(&upstream), urls[1..], "{bad}");
    }
    fs::remove_file(folder.join("targets.yaml")).unwrap();
    let is_told = |upstream: &Value| {
        upstream["sources"][0]["failure"]
            .as_str()
            .is_some_and(|failure| failure.contains("it does not exist"))
    };
    setting.wait_for(is_told).await;
    load.wait_for(50).await;

    // A reload keeps the last good list, too.
    setting.gateway.server.hang_up();
    setting.gateway.server.wait_for("\"reloaded\"");
    let log = unbroken(&setting.gateway.server.printed());
    assert!(log.contains("The targets that it listed before go on."), "{log}");
    assert_eq!(targets(&setting.upstream().await), urls[1..]);

    replace(folder, &first);
    setting.wait_for_targets(&urls[..1]).await;
    load.wait_for(100).await;
    expect_none_lost(&load.stop().await);
    let log = setting.gateway.server.printed();
    assert_eq!(log.matches("files have changed: reloading").count(), 0, "only the list is read");
}

#[test]
fn the_first_list_has_to_be_good() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("transom.yaml");
    fs::write(&config, "upstreams: {echo: {targets: ['file:targets.yaml']}}\nservices: ['**']\n").unwrap();
    let check = |expected: &str| {
        let mut command = crate::support::gateway::transom(&["check", "-c", config.to_str().unwrap()]);
        let output = command.output().unwrap();
        let said = unbroken(&String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    check("it does not exist");
    fs::write(folder.path().join("targets.yaml"), "- dns://shop\n").unwrap();
    check("A file of targets lists targets, not where others are found.");
    fs::write(folder.path().join("targets.yaml"), "[]\n").unwrap();
    check("The file lists no target.");
}
