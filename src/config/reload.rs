//! `reload`

use std::time::Duration;

use super::limits::DAY;
use super::place::Located;
use super::settings::declare::settings;

const HUNDRED_MILLIS: Duration = Duration::from_millis(100);

settings! {
    /// How changes are taken up while Transom runs.
    pub struct Reload default {
        /// How often this file and the files that it names are looked at. What has changed is loaded once it
        /// looks the same twice.
        files: Located<Duration> = Duration::from_secs(2).into() => HUNDRED_MILLIS..=Duration::from_secs(3600),
        /// How often upstreams are asked again for their descriptors, where these come by reflection.
        reflection: Located<Duration> = Duration::from_secs(30).into() => HUNDRED_MILLIS..=DAY,
        /// What happens when new descriptors would break callers of routes in use: their JSON, or what
        /// protobuf clients send and expect.
        breaking_changes: Located<BreakingChanges> = BreakingChanges::Warn.into(),
    }
}

settings! {
    /// What happens with descriptors that would break callers.
    pub enum BreakingChanges {
        /// They are used, and the log lists what breaks.
        "warn" => Warn,
        /// They are refused with the list, and the old ones go on.
        "refuse" => Refuse,
    }
}
