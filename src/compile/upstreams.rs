//! Upstreams: the channels to the backends.

use std::sync::Arc;

use super::tls;
use crate::call::service::CallService;
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::config::value::address;
use crate::tls::client::Connector;
use crate::upstream::channel::{Channel, Settings};
use crate::upstream::target::Target;

/// An upstream of the configuration, ready to be called.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) service: Arc<dyn CallService>,
    /// What opens TLS to its targets, if one of them has it.
    pub(super) connector: Option<Arc<Connector>>,
}

/// Builds every upstream, in the order of the configuration. Nothing is connected yet.
pub(super) fn build(config: &Config, problems: &mut Problems, cores: usize) -> Vec<Upstream> {
    let mut built = Vec::new();
    for (name, upstream) in config.upstreams.iter() {
        let connector = tls::connector(upstream, problems);
        let server_name = upstream.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        let mut targets = Vec::new();
        for target in upstream.targets.iter() {
            let parsed = match (&target.value, &connector) {
                (address::Target::Tls { .. }, None) => continue,
                (address::Target::Tls { .. }, Some(connector)) => Target::secure(
                    &target.value.to_string(),
                    Arc::clone(connector),
                    server_name.map(|name| name.as_str()),
                ),
                _ => Target::parse(&target.value.to_string()),
            };
            match parsed {
                Ok(target) => targets.push(target),
                Err(error) => problems.push(Problem::error(format!("{error}.")).at(target.place)),
            }
        }
        let settings = Settings {
            timeout: upstream.timeout.value,
            connect_timeout: upstream.connect_timeout.value,
            max_message: config.codec.message.as_usize(),
            idle: upstream.stream_idle_timeout.value,
        };
        let channel = Channel::new(name.as_str(), targets.clone(), settings, cores);
        built.push(Upstream { name: name.value.clone(), targets, service: Arc::new(channel), connector });
    }
    built
}
