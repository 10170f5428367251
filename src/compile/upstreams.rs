//! Upstreams: the channels to the backends.

use std::sync::Arc;

use super::live::Live;
use crate::call::service::CallService;
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::config::upstream;
use crate::config::value::address;
use crate::upstream::channel::{Channel, Settings};
use crate::upstream::target::Target;

/// An upstream of the configuration, ready to be called.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) settings: Settings,
    pub(super) channel: Channel,
    pub(super) service: Arc<dyn CallService>,
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
        let targets = targets(upstream, problems);
        let settings = Settings {
            timeout: upstream.timeout.value,
            connect_timeout: upstream.connect_timeout.value,
            max_message: config.codec.message.as_usize(),
            ..Settings::default()
        };
        let kept = live.and_then(|live| live.channel(name, &targets, &settings));
        let channel =
            kept.unwrap_or_else(|| Channel::new(name.as_str(), targets.clone(), settings.clone(), cores));
        let service = Arc::new(channel.clone());
        built.push(Upstream { name: name.value.clone(), targets, settings, channel, service });
    }
    built
}

/// The targets of an upstream, as far as they are valid.
pub(super) fn targets(upstream: &upstream::Upstream, problems: &mut Problems) -> Vec<Target> {
    let mut targets = Vec::new();
    for target in upstream.targets.iter() {
        match Target::parse(&text(&target.value)) {
            Ok(target) => targets.push(target),
            Err(error) => problems.push(Problem::error(format!("{error}.")).at(target.place)),
        }
    }
    targets
}

fn text(target: &address::Target) -> String {
    match target {
        address::Target::Tcp { .. } => format!("http://{}", target.authority()),
        address::Target::Unix(path) => format!("unix:{}", path.display()),
    }
}
