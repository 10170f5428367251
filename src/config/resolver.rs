//! `resolver`

use std::time::Duration;

use super::failing::warn;
use super::place::Located;
use super::problem::Problem;
use super::settings::collection::Named;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::upstream::Upstream;
use super::value::server::NameServer;

settings! {
    /// How the names of `dns://` and `srv://` targets are looked up.
    pub struct Resolver default {
        /// The name servers that are asked. Without any, as the system says: those of /etc/resolv.conf, and before them
        /// what /etc/hosts holds.
        servers: Vec<Located<NameServer>> = Vec::new(),
        /// How long a name server may take.
        timeout: Located<Duration> = Duration::from_secs(2).into()
            => Duration::from_millis(50)..=Duration::from_secs(30),
    }
}

impl Resolver {
    /// Warns of servers that nobody asks.
    pub(super) fn check(&self, reader: &mut Reader<'_>, upstreams: &Named<Upstream>) {
        let mut targets = upstreams.iter().flat_map(|(_, upstream)| upstream.targets.iter());
        let Some(server) = self.servers.first().filter(|_| !targets.any(|target| target.url.is_looked_up()))
        else {
            return;
        };
        let text = "The servers of `resolver` are not asked: no target begins with dns:// or srv://.";
        let hint = "Write such a target, or remove `resolver`. The names of http:// targets are looked up as the system does.";
        warn(reader, Problem::warning(text).at(server.place).hint(hint));
    }
}
