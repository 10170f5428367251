//! Server-sent events in a browser.

use std::process::Command;

use super::Setting;
use crate::support::process::run;
use crate::support::root;

#[test]
fn chromium_reads_events() {
    let setting = Setting::new();
    let script = root().join("tests/browser/events.mjs");
    run(Command::new("node").arg(script).arg(setting.gateway.url("")));
}
