//! Translated services: what is said of those that are wrong, and what those become that are not.

use std::env::VarError;

use super::{compile_with, compiled, unbroken};
use crate::compile::changes;
use crate::compile::tests::Snapshot;
use crate::config::load::parse;
use crate::config::problem::Problems;

/// A proto file with a service and these messages.
fn proto(package: &str, messages: &str) -> String {
    let (syntax, messages) = match messages.strip_prefix("proto2 ") {
        Some(messages) => ("proto2", messages),
        None => ("proto3", messages),
    };
    let id = if syntax == "proto2" { "optional string" } else { "string" };
    format!(
        "syntax = \"{syntax}\"; package {package}; import \"google/protobuf/timestamp.proto\"; import \
         \"google/protobuf/duration.proto\"; import \"google/protobuf/field_mask.proto\";\nservice Things {{ rpc Get(Ask) returns \
         (Thing); rpc Put(Thing) returns (Done); }}\nmessage Ask {{ {id} id = 1; }} message Done {{}} {messages}\n"
    )
}

/// Compiles a translation of `v1.Things` by `v2.Things`.
async fn compile(own: &str, other: &str, more: &str) -> (Option<Snapshot>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("v1.proto"), proto("v1", own)).unwrap();
    std::fs::write(folder.path().join("v2.proto"), proto("v2", other)).unwrap();
    let yaml = format!(
        "descriptors: [{{protos: {{include: [.], files: [v1.proto, v2.proto]}}}}]\nupstreams: {{things: \"http://127.0.0.1:1\"}}\n\
         services: [\"**\"]\ntranslations:\n  - service: v1.Things\n    by: v2.Things\n{more}"
    );
    let (snapshot, problems) = compiled(&yaml, folder.path()).await;
    (snapshot, problems.to_string().replace(folder.path().to_str().unwrap(), "DIR"))
}

/// Each case of `translations.txt` is a name, the messages of both sides, the rest of the translation, and everything that
/// is said.
#[tokio::test]
async fn problems_say_what_is_wrong_where_and_what_to_do() {
    let mut wrong = String::new();
    for case in include_str!("translations.txt").split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (input, expected) = rest.split_once("----\n").unwrap();
        let mut lines = input.splitn(3, '\n');
        let own = lines.next().unwrap().strip_prefix("v1: ").unwrap();
        let other = lines.next().unwrap().strip_prefix("v2: ").unwrap();
        let (snapshot, said) = compile(own, other, lines.next().unwrap()).await;
        if unbroken(&said) != unbroken(expected) {
            wrong.push_str(&format!("#### {name}\n{input}----\n{said}\n"));
        }
        assert_eq!(snapshot.is_some(), !said.contains("  x "), "{name}: {said}");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

const SAME: &str = "message Thing { string id = 1; }";

/// It has the settings of the pattern that fits, its own routes, and the upstream of the service that answers.
#[tokio::test]
async fn a_translated_service_is_a_service() {
    let (snapshot, said) = compile(SAME, SAME, "").await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(said, "");
    let endpoint = &snapshot.surface.methods["v1.Things/Get"].endpoint;
    assert_eq!((endpoint.upstream(), endpoint.upstreams()), (Some("things"), vec!["things"]));
    assert_eq!(endpoint.schema.text(endpoint.schema.method("v1.Things/Get").unwrap().1.name()), "Get");
    assert_eq!(snapshot.surface.services.find("v1.Things").unwrap().routes.len(), 2);
    assert_eq!(
        snapshot.surface.methods.len() - 4,
        snapshot.surface.methods.keys().filter(|name| name.starts_with("grpc.")).count()
    );

    let (snapshot, said) = compile(SAME, SAME, "    without: [Put]\n").await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{said}"));
    assert!(
        !snapshot.surface.methods.contains_key("v1.Things/Put")
            && snapshot.surface.methods.contains_key("v2.Things/Put")
    );
}

async fn said(yaml: &str, files: &[(&str, &str)]) -> (Option<Snapshot>, Problems) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    compiled(yaml, folder.path()).await
}

/// Where services come from, and which upstream answers.
#[tokio::test]
async fn services_are_found_or_it_is_said_that_they_are_not() {
    let (own, other) = (proto("v1", SAME), proto("v2", SAME));
    let (third, streams) = (
        proto("v3", SAME),
        proto("v2", SAME).replace("rpc Get(Ask) returns (Thing)", "rpc Get(Ask) returns (stream Thing)"),
    );
    let files: [(&str, &str); 4] =
        [("v1.proto", &own), ("v2.proto", &other), ("v3.proto", &third), ("streams.proto", &streams)];
    let from = |files: &str| format!("[{{protos: {{include: [.], files: [{files}]}}}}]");
    let upstream = |name: &str, port: u16, files: &str| {
        format!("  {name}: {{targets: [\"http://127.0.0.1:{port}\"], descriptors: {}}}\n", from(files))
    };
    let one = upstream("one", 1, "v2.proto");
    let two = format!("{one}{}", upstream("two", 2, "v2.proto"));
    let own = format!("descriptors: {}", from("v1.proto"));
    for (upstreams, services, translations, expected) in [
        (&one, "[v1.*]", format!("  - {{service: v1.Things, by: v2.Things, {own}}}\n"), ""),
        (
            &one,
            "[v1.*]",
            "  - {service: v1.Things, by: v2.Things}\n".to_owned(),
            "No descriptors define the service v1.Things.",
        ),
        (
            &one,
            "[v2.*]",
            format!("  - {{service: v1.Things, by: v2.Things, {own}}}\n"),
            "Nobody can call the service v1.Things, as no pattern of `services` fits.",
        ),
        (
            &one,
            "[v1.*]",
            format!("  - {{service: v1.Things, by: v2.Thing, {own}}}\n"),
            "No upstream defines the service v2.Thing.",
        ),
        (
            &one,
            "[v1.*]",
            format!("  - {{service: v1.Things, by: v1.Things, {own}}}\n"),
            "The service v1.Things answers for itself in the end.",
        ),
        (
            &two,
            "[v1.*]",
            format!("  - {{service: v1.Things, by: v2.Things, {own}}}\n"),
            "The service v2.Things is defined by several upstreams, so one must be chosen.",
        ),
        (&two, "[v1.*]", format!("  - {{service: v1.Things, by: v2.Things, upstream: two, {own}}}\n"), ""),
        (
            &two,
            "[v1.*, {service: v2.Things, upstream: two}]",
            format!("  - {{service: v1.Things, by: v2.Things, {own}}}\n"),
            "",
        ),
        (
            &upstream("one", 1, "streams.proto"),
            "[v1.*]",
            format!("  - {{service: v1.Things, by: v2.Things, {own}}}\n"),
            "v1.Things/Get takes one message and answers with one, but v2.Things/Get takes one message and answers with a stream.",
        ),
        (
            // Declared before the one that it needs.
            &upstream("one", 1, "v3.proto"),
            "[\"**\"]",
            format!(
                "  - {{service: v1.Things, by: v2.Things, {own}}}\n  - {{service: v2.Things, by: v3.Things, descriptors: {}}}\n",
                from("v2.proto")
            ),
            "",
        ),
    ] {
        let yaml = format!("upstreams:\n{upstreams}services: {services}\ntranslations:\n{translations}");
        let (snapshot, problems) = said(&yaml, &files).await;
        let text = problems.to_string();
        let is_said = unbroken(&text).contains(expected);
        assert!(is_said && problems.is_empty() == expected.is_empty(), "{yaml}\n{text}");
        let Some(snapshot) = snapshot else { continue };
        let upstream = snapshot.surface.methods["v1.Things/Get"].endpoint.upstream().unwrap().to_owned();
        assert_eq!(upstream, if yaml.contains("upstream: two") { "two" } else { "one" });
    }
}

/// A translation that is taken away by the configuration breaks nothing that descriptors say; one whose own descriptors
/// change does.
#[tokio::test]
async fn what_breaks_is_by_descriptors_alone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("v1.proto", &proto("v1", SAME));
    write("v2.proto", &proto("v2", SAME));
    let protos = |name: &str| format!("descriptors: [{{protos: {{include: [.], files: [{name}.proto]}}}}]");
    let translations =
        format!("translations: [{{service: v1.Things, by: v2.Things, {}, METHODS}}]\n", protos("v1"));
    let generation = async |translations: &str| {
        let yaml = format!(
            "{}\nupstreams: {{a: \"http://127.0.0.1:1\"}}\nservices: [\"**\"]\n{translations}",
            protos("v2")
        );
        let (config, mut problems) =
            parse("transom.yaml", &yaml, folder.path(), &|_| Err(VarError::NotPresent)).unwrap();
        compile_with(&config, &mut problems, false).await.unwrap_or_else(|| panic!("{problems}"))
    };
    let with = translations.replace(", METHODS", "");
    let old = generation(&with).await;
    let said = |new: &crate::compile::Compiled| {
        let changes = changes::breaking(old.generation(), new.generation());
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(&generation("").await), [""; 0]);
    assert_eq!(said(&generation(&translations.replace("METHODS", "without: [Put]")).await), [""; 0]);
    write("v1.proto", &proto("v1", SAME).replace("rpc Put(Thing) returns (Done);", ""));
    let said = said(&generation(&with).await);
    assert_eq!(said, ["v1.Things.Put: was a method, is gone. Breaks calls: its callers get UNIMPLEMENTED."]);
}
