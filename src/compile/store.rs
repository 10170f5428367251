//! Where rates and quotas are counted.

use std::sync::Arc;

use rustls::pki_types::ServerName;

use super::tls;
use crate::config::Config;
use crate::config::files::read_secret_text;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems};
use crate::config::store::{OnStoreError, Redis as Written, Store as Kind};
use crate::config::tls::UpstreamTls;
use crate::config::value::redis_url::Server;
use crate::config::value::secret::Secret;
use crate::policy::limit::memory::Memory;
use crate::policy::limit::redis::connect::{Address, Tls};
use crate::policy::limit::redis::{OnError, Password, Redis, Servers, Settings};
use crate::policy::limit::store::Store;
use crate::tls::client::Connector;

/// The ports of servers and of sentinels that name none.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A store that others share, and what opens TLS to it. One generation hands it to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    redis: Option<Arc<Redis>>,
    pub(super) connector: Option<Arc<Connector>>,
}

impl Shared {
    /// The store of a configuration: that of the last generation, with its connections, if it is the same. Nothing else is
    /// connected to yet.
    pub(super) fn build(
        config: &Config,
        kept: &Self,
        memory: &Arc<Memory>,
        cores: usize,
        problems: &mut Problems,
    ) -> Self {
        let Kind::Redis(written) = &config.rate_limits.store else { return Self::default() };
        let connector = match is_secure(written) {
            true => match tls::store_connector(written, problems) {
                Some(loaded) => Some(super::supplies::same(kept.connector.as_ref(), loaded)),
                None => return Self::default(),
            },
            false => None,
        };
        let Some(settings) = settings(written, connector.as_ref(), problems) else { return Self::default() };
        let on_error = match config.rate_limits.on_store_error.value {
            OnStoreError::Local => OnError::Local,
            OnStoreError::Deny => OnError::Deny,
        };
        let same = kept.redis.iter().find(|redis| redis.is_made_of(&settings, on_error));
        let local: Arc<dyn Store> = Arc::clone(memory) as Arc<dyn Store>;
        let redis = same.cloned().unwrap_or_else(|| Arc::new(Redis::new(settings, on_error, local, cores)));
        Self { redis: Some(redis), connector }
    }

    /// Who counts.
    pub(super) fn store(&self, memory: &Arc<Memory>) -> Arc<dyn Store> {
        match &self.redis {
            Some(redis) => Arc::clone(redis) as Arc<dyn Store>,
            None => Arc::clone(memory) as Arc<dyn Store>,
        }
    }
}

/// Whether there is TLS to the servers.
pub(super) fn is_secure(written: &Written) -> bool {
    written.url.as_ref().map_or(written.tls.is_some(), |url| url.is_secure)
}

fn settings(
    written: &Written,
    connector: Option<&Arc<Connector>>,
    problems: &mut Problems,
) -> Option<Settings> {
    let url = written.url.as_ref();
    let mut secret = |secret: &Option<Located<Secret>>| match secret {
        None => Some(None),
        Some(secret) => read_secret_text(secret, problems).map(|text| Some(Password(text.into()))),
    };
    let (password, sentinel_password) = (secret(&written.password), secret(&written.sentinel_password));
    let tls = match connector {
        None => Some(None),
        Some(connector) => tls_of(written.tls.as_ref(), connector, problems).map(Some),
    };
    let of_url = url.and_then(|url| url.password.as_deref()).map(|password| Password(password.into()));
    let user = written.user.as_ref().map(|user| user.as_str());
    let database = written.database.as_ref().map(|database| database.value);
    Some(Settings {
        servers: servers(written)?,
        tls: tls?,
        user: user.or_else(|| url?.user.as_deref()).map(Into::into),
        password: password?.or(of_url),
        sentinel_password: sentinel_password?,
        database: database.or_else(|| url?.database).unwrap_or(0),
        time: written.timeout.value,
        connect: written.connect_timeout.value,
        prefix: written.prefix.as_str().into(),
    })
}

/// Where the servers are. The configuration has checked that this is said once.
fn servers(written: &Written) -> Option<Servers> {
    let address = |server: &Server, port: u16| Address {
        host: server.host.as_str().into(),
        port: server.port.unwrap_or(port),
    };
    if let Some(url) = &written.url {
        return Some(match &url.master {
            None => Servers::One(address(url.servers.first()?, PORT)),
            Some(master) => Servers::Sentinels {
                sentinels: url.servers.iter().map(|server| address(server, SENTINEL_PORT)).collect(),
                name: master.as_str().into(),
            },
        });
    }
    if let Some(master) = &written.master {
        return Some(Servers::Sentinels {
            sentinels: written.sentinels.iter().map(|server| address(server, SENTINEL_PORT)).collect(),
            name: master.as_str().into(),
        });
    }
    Some(Servers::Cluster(written.cluster.iter().map(|server| address(server, PORT)).collect()))
}

fn tls_of(written: Option<&UpstreamTls>, connector: &Arc<Connector>, problems: &mut Problems) -> Option<Tls> {
    let named = written.and_then(|tls| tls.server_name.as_ref());
    let name = match named.map(|name| ServerName::try_from(name.value.clone())) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => {
            let text = "This is neither a DNS name nor an IP address, so that no certificate can be for it.";
            let hint = "Write the name that the certificate of the server is for.";
            problems.push(Problem::error(text).at(named?.place).hint(hint));
            return None;
        }
    };
    Some(Tls { connector: Arc::clone(connector), name })
}
