//! The bans of `deny.toml`, without the tool that reads it: so that every run of the tests checks them.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use crate::support::process::run;
use crate::support::root;

/// What is built counts, and not what is locked: Cargo locks what optional features of dependencies might want, as
/// those of rustls do with a second provider of cryptography.
#[test]
fn no_banned_crate_is_built() {
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    let banned: Vec<_> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect();
    assert!(banned.contains(&"ring"), "the list of bans was not found: {banned:?}");
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(root()).args(["tree", "--locked", "--offline", "--workspace", "--all-features"]);
    let output = run(tree.args(["--edges", "all", "--prefix", "none", "--format", "{p}"]));
    let tree = String::from_utf8(output.stdout).unwrap();
    let built: HashSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(built.contains("rustls") && built.contains("aws-lc-rs"), "the crates were not found: {tree}");
    for name in banned {
        assert!(
            !built.contains(name),
            "{name} is banned by deny.toml. `cargo tree -i {name}` says who wants it."
        );
    }
}
