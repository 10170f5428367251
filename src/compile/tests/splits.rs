//! Services that several upstreams answer: what is said of those that do not fit, and what becomes of those that do.

use super::{check_cases, compiled, folder};

#[tokio::test]
async fn what_does_not_fit_is_told() {
    check_cases(include_str!("splits.txt")).await;
}

const UPSTREAMS: &str = "upstreams:
  one: {targets: [http://127.0.0.1:1], descriptors: [{protos: {include: [.], files: [one.proto]}}]}
  two: {targets: [http://127.0.0.1:2], descriptors: [{protos: {include: [.], files: [two.proto]}}]}
";
const FILES: &str = "==== one.proto
syntax = \"proto3\"; package s; message M { string id = 1; } service S { rpc Get(M) returns (M); rpc Put(stream M) returns (M); }
==== two.proto
syntax = \"proto3\"; package s; message M { string id = 1; int64 new = 2; }
service S { rpc Get(M) returns (M); rpc Put(stream M) returns (M); rpc New(M) returns (M); }
";

#[tokio::test]
async fn methods_are_told_with_the_upstreams_that_they_have() {
    let folder = folder(FILES);
    let yaml = format!(
        "{UPSTREAMS}services:\n  - service: s.S\n    upstream: one\n    split: [{{upstream: two, query: {{beta: '1'}}, \
         share: 1%}}]\n    shadow: {{upstream: two, share: 10%}}\n"
    );
    let (snapshot, problems) = compiled(&yaml, folder.path()).await;
    assert_eq!((problems.errors(), problems.warnings()), (0, 1), "{problems}");
    let snapshot = snapshot.unwrap();
    // What is served is what the own upstream defines.
    assert_eq!(snapshot.exposed().count(), 2);
    for (method, shown) in [
        ("s.S/Get", "1% two by query beta=1, shadow 10% two"),
        // A stream is not copied.
        ("s.S/Put", "1% two by query beta=1"),
    ] {
        let endpoint = &snapshot.surface.methods[method].endpoint;
        let query: Vec<_> = endpoint.split.query.iter().map(|name| &**name).collect();
        assert_eq!(
            (&*endpoint.upstream, &*endpoint.split.to_string(), &*query),
            ("one", shown, &["beta"][..])
        );
        assert!(endpoint.split.needs_head);
    }
    // Without any of it nothing has to come along.
    let (snapshot, _) =
        compiled(&format!("{UPSTREAMS}services: [{{service: s.S, upstream: one}}]\n"), folder.path()).await;
    let endpoint = &snapshot.unwrap().surface.methods["s.S/Get"].endpoint;
    assert!(endpoint.split == Default::default());
}

/// What answers for a method that is translated chooses by the same head of the request.
#[tokio::test]
async fn translated_methods_bring_along_what_upstreams_are_chosen_by() {
    let old = "==== old.proto\nsyntax = \"proto3\"; package o; message M { string id = 1; } service S { rpc Get(M) returns (M); }\n";
    let folder = folder(&format!("{FILES}{old}"));
    let yaml = |upstream: &str| {
        format!(
            "{UPSTREAMS}services:\n  - o.S\n  - service: s.S\n    upstream: one\n    split: [{{upstream: two, query: {{beta: \
             '1'}}}}]\ntranslations:\n  - {{service: o.S, by: s.S, upstream: {upstream}, descriptors: [{{protos: {{include: \
             [.], files: [old.proto]}}}}]}}\n"
        )
    };
    let (snapshot, problems) = compiled(&yaml("one"), folder.path()).await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{problems}"));
    let split = &snapshot.surface.methods["o.S/Get"].endpoint.split;
    assert!(split.needs_head && split.query.iter().any(|name| &**name == "beta"), "{split:?}");

    // From another upstream it would be answered without the policies that it has.
    let (snapshot, problems) = compiled(&yaml("two"), folder.path()).await;
    let said = problems.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(snapshot.is_none(), "{said}");
    for text in [
        "is exposed from the upstream \"one\"",
        "Name the same upstream in both, or a service that is not exposed.",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
