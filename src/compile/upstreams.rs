//! Upstreams: the channels to the backends.

use std::sync::Arc;

use super::live::Live;
use super::tls;
use crate::call::service::CallService;
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::config::upstream;
use crate::config::value::address;
use crate::tls::client::Connector;
use crate::upstream::channel::{Channel, Settings};
use crate::upstream::target::Target;

/// An upstream of the configuration, ready to be called.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) settings: Settings,
    pub(super) channel: Channel,
    pub(super) service: Arc<dyn CallService>,
    /// What opens TLS to its targets, if one of them has it.
    pub(super) connector: Option<Arc<Connector>>,
}

/// Builds every upstream, in the order of the configuration. One whose targets and settings are those of the last
/// generation keeps its connections; nothing else is connected yet.
pub(super) fn build(
    config: &Config,
    problems: &mut Problems,
    cores: usize,
    live: Option<&Live>,
) -> Vec<Upstream> {
    let mut built = Vec::new();
    for (name, upstream) in config.upstreams.iter() {
        let connector = tls::connector(upstream, problems).map(|loaded| kept(name, loaded, live));
        let targets = targets(upstream, connector.as_ref(), problems);
        let settings = Settings {
            timeout: upstream.timeout.value,
            connect_timeout: upstream.connect_timeout.value,
            max_message: config.codec.message.as_usize(),
            idle: upstream.stream_idle_timeout.value,
        };
        let kept = live.and_then(|live| live.channel(name, &targets, &settings));
        let channel =
            kept.unwrap_or_else(|| Channel::new(name.as_str(), targets.clone(), settings.clone(), cores));
        let service = Arc::new(channel.clone());
        built.push(Upstream { name: name.value.clone(), targets, settings, channel, service, connector });
    }
    built
}

/// What opens TLS to an upstream: what did so before if its settings are the same, so that the channel stays too. It
/// takes over what the files hold now.
fn kept(name: &str, loaded: Arc<Connector>, live: Option<&Live>) -> Arc<Connector> {
    same(live.and_then(|live| live.connector(name)), loaded)
}

/// What opened TLS before, with what the files hold now, if its settings are the same.
pub(super) fn same(kept: Option<&Arc<Connector>>, loaded: Arc<Connector>) -> Arc<Connector> {
    match kept {
        Some(kept) if kept.settings() == loaded.settings() => {
            kept.replace(&loaded);
            Arc::clone(kept)
        }
        _ => loaded,
    }
}

/// The targets of an upstream, as far as they are valid. Those with TLS need a connector.
pub(super) fn targets(
    upstream: &upstream::Upstream,
    connector: Option<&Arc<Connector>>,
    problems: &mut Problems,
) -> Vec<Target> {
    let server_name = upstream.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    let mut targets = Vec::new();
    for target in upstream.targets.iter() {
        let text = target.value.to_string();
        let parsed = match (&target.value, connector) {
            (address::Target::Tls { .. }, None) => continue,
            (address::Target::Tls { .. }, Some(connector)) => {
                Target::secure(&text, Arc::clone(connector), server_name.map(|name| name.as_str()))
            }
            _ => Target::parse(&text),
        };
        match parsed {
            Ok(target) => targets.push(target),
            Err(error) => problems.push(Problem::error(format!("{error}.")).at(target.place)),
        }
    }
    targets
}
