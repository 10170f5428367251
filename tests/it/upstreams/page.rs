//! `docs/upstreams.md`, typed into a shell from top to bottom.

#[test]
fn the_page_about_failing_backends_works() {
    assert!(crate::operating::type_in("docs/upstreams.md", &[":8080", ":9901"]) > 15);
}
