//! From the origin of a configuration to everything that a generation needs. It runs on no serving core and not on
//! the thread that answers operators.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Origin;
use super::maintenance;
use super::watch::{self, Item, Watch};
use crate::admin::guard::Token;
use crate::compile::changes::{Generation, breaking};
use crate::compile::live::Live;
use crate::compile::reflections::{Failure, PATIENCE, Reflections};
use crate::compile::supplies::{self, Supplies};
use crate::compile::{Compiled, Terms, compile, tls};
use crate::config::Config;
use crate::config::files::read_secret;
use crate::config::place::Sources;
use crate::config::problem::{Problem, Problems};
use crate::config::reload::BreakingChanges;
use crate::schema::diff::Change;
use crate::snapshot::Snapshot;

/// How long a target may take to tell its descriptors at the start, where others wait to be served. It is asked again
/// with more patience.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);

/// The files that a generation is made of.
pub(super) struct Watches {
    /// Those for which everything is loaded anew.
    pub(super) whole: Watch<()>,
    /// Certificates and keys, which are read again by themselves: for each file those of the same listener or
    /// upstream.
    pub(super) tls: Watch<Arc<[PathBuf]>>,
    /// The file that switches maintenance, which nothing is loaded for.
    pub(super) maintenance: Watch<PathBuf>,
    /// Lists of targets, which are read again by themselves.
    pub(super) lists: Watch<PathBuf>,
}

/// A configuration with its texts, to which the places of problems point.
#[derive(Clone)]
pub(super) struct Configured {
    pub(super) config: Arc<Config>,
    sources: Sources,
}

/// What is served now, as far as the next generation needs to know it.
#[derive(Clone)]
pub(super) struct Before {
    pub(super) live: Live,
    pub(super) snapshot: Arc<Snapshot>,
}

/// Everything that a generation needs.
pub(super) struct Loaded {
    pub(super) configured: Configured,
    pub(super) compiled: Compiled,
    pub(super) token: Option<Token>,
    /// What the file says that switches maintenance.
    pub(super) said: maintenance::Said,
}

/// What came of an attempt to load.
pub(super) struct Attempt {
    /// Absent if `problems` holds an error.
    pub(super) loaded: Option<Loaded>,
    pub(super) problems: Problems,
    /// The files that were read, or would have been. Absent if the configuration itself cannot be read: then those
    /// of the last one are still of interest.
    pub(super) watches: Option<Watches>,
    /// What was tried of what upstreams told.
    pub(super) reflections: Reflections,
    /// The upstreams that were asked.
    pub(super) asked: BTreeSet<String>,
    /// Those of them that could not answer.
    pub(super) failures: Vec<Failure>,
}

/// Loads everything anew. What cannot be had of an upstream is no error.
pub(super) async fn load(origin: &Origin, before: Option<&Before>, cores: usize) -> Attempt {
    let mut watches = Watches::new();
    if let Some(file) = &origin.file {
        watches.whole.add(Item::File(file.clone()), ());
    }
    let (config, mut problems) = match (origin.load)() {
        Ok(loaded) => loaded,
        Err(problems) => return Attempt::failed(problems),
    };
    watches.add(&config);
    let known = before.map(|before| before.live.reflections().clone()).unwrap_or_default();
    let needed = Reflections::needed(&config);
    let time = if before.is_none() { FIRST_PATIENCE } else { PATIENCE };
    let supplies = Supplies::new(&config, before.map(|before| &before.live), &mut problems);
    supplies.look_up(FIRST_PATIENCE).await;
    supplies.report(&mut problems);
    let targets = |name: &str| supplies.targets(name);
    let (reflections, failures) = Reflections::ask(&config, &needed, &known, &targets, time).await;
    let configured = Configured { sources: problems.sources.clone(), config: Arc::new(config) };
    let mut attempt = finish(configured, problems, (reflections, supplies), before, cores, watches);
    (attempt.asked, attempt.failures) = (needed, failures);
    attempt
}

/// Compiles the same configuration with what upstreams tell now.
pub(super) fn reload(
    configured: Configured,
    reflections: Reflections,
    before: &Before,
    cores: usize,
) -> Attempt {
    let mut problems = Problems::default();
    problems.sources = configured.sources.clone();
    let supplies = Supplies::new(&configured.config, Some(&before.live), &mut problems);
    let told = (reflections, supplies);
    let attempt = finish(configured, problems, told, Some(before), cores, Watches::new());
    // The files are those of the configuration, and their changes are seen to.
    Attempt { watches: None, ..attempt }
}

fn finish(
    configured: Configured,
    mut problems: Problems,
    (reflections, supplies): (Reflections, Supplies),
    before: Option<&Before>,
    cores: usize,
    mut watches: Watches,
) -> Attempt {
    let live = before.map(|before| &before.live);
    let terms =
        Terms { cores, live, reflections: reflections.clone(), supplies, lenient: true, guarded: true };
    let (compiled, files): (_, Vec<PathBuf>) = compile(&configured.config, &mut problems, terms);
    for file in files {
        watches.whole.add(Item::File(file), ());
    }
    super::check_log(&configured.config, &mut problems);
    let token = token(&configured.config, &mut problems);
    if let (Some(before), Some(compiled)) = (before, &compiled) {
        let old = Generation { snapshot: &before.snapshot, live: &before.live };
        report(&configured.config, breaking(old, compiled.generation()), &mut problems);
    }
    let compiled = compiled.filter(|_| problems.errors() == 0);
    let loaded = compiled.map(|compiled| {
        let said = maintenance::said(&configured.config);
        Loaded { configured, compiled, token, said }
    });
    Attempt {
        loaded,
        problems,
        watches: Some(watches),
        reflections,
        failures: Vec::new(),
        asked: BTreeSet::new(),
    }
}

impl Watches {
    fn new() -> Self {
        Self { whole: Watch::new(), tls: Watch::new(), lists: Watch::new(), maintenance: Watch::new() }
    }

    /// Adds the files that a configuration names. To be called before they are read.
    fn add(&mut self, config: &Config) {
        self.maintenance = maintenance::watch(config);
        watch::named(config).into_iter().for_each(|item| self.whole.add(item, ()));
        for file in supplies::lists(config) {
            self.lists.add(Item::File(file.clone()), file);
        }
        for files in tls::watched(config) {
            let files: Arc<[PathBuf]> = files.into();
            for file in &*files {
                self.tls.add(Item::File(file.clone()), Arc::clone(&files));
            }
        }
    }
}

impl Attempt {
    fn failed(problems: Problems) -> Self {
        Self {
            loaded: None,
            problems,
            watches: None,
            reflections: Reflections::default(),
            failures: Vec::new(),
            asked: BTreeSet::new(),
        }
    }
}

/// Reports what breaks for callers: errors where the configuration refuses that, or else warnings.
fn report(config: &Config, changes: Vec<Change>, problems: &mut Problems) {
    let setting = &config.reload.breaking_changes;
    for change in changes {
        let text = format!("The new descriptors break callers: {change}");
        problems.push(match setting.value {
            BreakingChanges::Warn => Problem::warning(text),
            BreakingChanges::Refuse => Problem::error(text)
                .at(setting.place)
                .hint("Take the change back, or allow it once with `reload: {breaking_changes: warn}`."),
        });
    }
}

/// Reads the token of the admin listener.
fn token(config: &Config, problems: &mut Problems) -> Option<Token> {
    let secret = config.admin.as_ref()?.token.as_ref()?;
    match Token::new(&read_secret(secret, problems)?) {
        Ok(token) => Some(token),
        Err(error) => {
            let hint = "Make one with `openssl rand -hex 32`, for example.";
            problems.push(
                Problem::error(format!("The token of `admin` cannot be used: {error}."))
                    .at(secret.place)
                    .hint(hint),
            );
            None
        }
    }
}
