//! `maintenance`

use std::time::Duration;

use super::limits::DAY;
use super::place::Located;
use super::settings::declare::settings;
use super::value::network::Network;
use super::value::path::FilePath;

settings! {
    /// Maintenance: while it is on, every request is answered with UNAVAILABLE, which is 503 in HTTP. A file switches it,
    /// and operators do by `POST /maintenance` and `DELETE /maintenance`.
    pub struct Maintenance default {
        /// A file that is there while maintenance is on. Its text, of which the first 1,024 bytes count, is what callers
        /// are told.
        file: Option<Located<FilePath>> = None,
        /// When callers are told to try again.
        retry_after: Located<Duration> = Duration::from_secs(300).into() => Duration::from_secs(1)..=DAY,
        /// Whose requests are answered as ever.
        except: MaintenanceExcept = MaintenanceExcept::default(),
        /// A page that browsers are shown, in HTML of at most 1 MiB.
        page: Option<Located<FilePath>> = None,
    }
    example "Write `maintenance: {file: /run/transom/maintenance, retry_after: 10m}`."
}

settings! {
    /// Whose requests are answered during maintenance.
    pub struct MaintenanceExcept default {
        /// Addresses of callers.
        ips: Vec<Located<Network>> = Vec::new(),
    }
}
