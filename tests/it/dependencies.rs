//! The bans of `deny.toml`, without the tool that reads it: so that every run of the tests checks them.

use std::fs;

use crate::support::root;

#[test]
fn no_banned_crate_is_locked() {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let banned: Vec<_> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect();
    assert!(banned.contains(&"ring"), "the list of bans was not found: {banned:?}");
    for name in banned {
        assert!(
            !lock.contains(&format!("\nname = \"{name}\"\n")),
            "{name} is banned by deny.toml and in Cargo.lock. `cargo tree -i {name}` says who wants it."
        );
    }
}
