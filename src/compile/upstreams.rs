//! Upstreams: the channels to the backends.

use std::sync::Arc;

use crate::call::service::CallService;
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::config::value::address;
use crate::upstream::channel::{Channel, Settings};
use crate::upstream::target::Target;

/// An upstream of the configuration, ready to be called.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) service: Arc<dyn CallService>,
}

/// Builds every upstream, in the order of the configuration. Nothing is connected yet.
pub(super) fn build(config: &Config, problems: &mut Problems, cores: usize) -> Vec<Upstream> {
    let mut built = Vec::new();
    for (name, upstream) in config.upstreams.iter() {
        let mut targets = Vec::new();
        for target in upstream.targets.iter() {
            match Target::parse(&text(&target.value)) {
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
        built.push(Upstream { name: name.value.clone(), targets, service: Arc::new(channel) });
    }
    built
}

fn text(target: &address::Target) -> String {
    match target {
        address::Target::Tcp { .. } => format!("http://{}", target.authority()),
        address::Target::Unix(path) => format!("unix:{}", path.display()),
    }
}
