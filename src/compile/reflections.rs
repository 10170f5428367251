//! Descriptors by the backends' own reflection: asked in parallel, kept between generations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::config::Config;
use crate::config::descriptors::Descriptors;
use crate::schema::Schema;
use crate::upstream::reflection::{Limits, fetch};
use crate::upstream::target::Target;
use crate::wire::writer;

/// How long a target may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How many upstreams are asked at a time.
const AT_A_TIME: usize = 8;

/// What upstreams said when they were asked for their descriptors, by their name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reflections(BTreeMap<String, Answer>);

/// What one upstream said.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Told(Arc<Told>),
    /// Why there is nothing, in sentences.
    Failed(Vec<String>),
}

/// The descriptors of an upstream.
#[derive(Debug)]
pub(super) struct Told {
    /// A `FileDescriptorSet` with its files in an order of their own, so that the same files are the same bytes.
    pub(super) set: Bytes,
    pub(super) schema: Arc<Schema>,
}

/// Two failures are the same whatever their words: it changes nothing.
impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Told(one), Self::Told(other)) => Arc::ptr_eq(one, other) || one.set == other.set,
            (Self::Failed(_), Self::Failed(_)) => true,
            _ => false,
        }
    }
}

impl Reflections {
    /// The upstreams of a configuration whose descriptors come by reflection.
    pub fn needed(config: &Config) -> BTreeSet<String> {
        let sources = |list: &[Descriptors]| -> BTreeSet<String> {
            list.iter().filter_map(Descriptors::upstream).map(|name| name.value.clone()).collect()
        };
        let has_common = config.descriptors.iter().any(is_source);
        let (mut needed, mut is_common_used) = (BTreeSet::new(), false);
        for (name, settings) in config.upstreams.iter() {
            if settings.descriptors.iter().any(is_source) {
                needed.extend(sources(&settings.descriptors));
            } else if has_common {
                is_common_used = true;
            } else {
                needed.insert(name.value.clone());
            }
        }
        for translation in &config.translations {
            // What has no descriptors of its own may be found in those at the top.
            match translation.descriptors.iter().any(is_source) {
                true => needed.extend(sources(&translation.descriptors)),
                false => is_common_used |= has_common,
            }
        }
        if is_common_used {
            needed.extend(sources(&config.descriptors));
        }
        needed
    }

    /// The upstreams that gave no descriptors.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let failed = self.0.iter().filter(|(_, answer)| matches!(answer, Answer::Failed(_)));
        failed.map(|(name, _)| name.as_str())
    }

    /// Asks some upstreams of a configuration. The others, and those that cannot answer now, keep what is known of
    /// them from `before`. Each target of an upstream has `time` to answer. Says which could not, and why.
    ///
    /// `targets` gives those of an upstream.
    pub async fn ask(
        config: &Config,
        names: &BTreeSet<String>,
        before: &Self,
        targets: &(dyn Fn(&str) -> Vec<Target> + Sync),
        time: Duration,
    ) -> (Self, Vec<Failure>) {
        let asked = config.upstreams.iter().filter(|(name, _)| names.contains(&name.value));
        let asked = asked.map(|(name, _)| (name.value.clone(), targets(name)));
        let answers = stream::iter(asked).map(|(name, targets)| async move {
            let answer = reflect(&targets, time).await;
            (name, answer)
        });
        let answers: Vec<_> = answers.buffer_unordered(AT_A_TIME).collect().await;
        let needed = Self::needed(config);
        let mut known = before.0.clone();
        known.retain(|name, _| needed.contains(name));
        let mut failures = Vec::new();
        for (name, answer) in answers {
            match answer {
                Ok(told) => {
                    known.insert(name, Answer::Told(known_or(told, before)));
                }
                Err(reasons) => {
                    let kept = known.entry(name.clone()).or_insert_with(|| Answer::Failed(reasons.clone()));
                    let goes_on = matches!(kept, Answer::Told(_));
                    if !goes_on {
                        *kept = Answer::Failed(reasons.clone());
                    }
                    failures.push(Failure { upstream: name, reasons, goes_on });
                }
            }
        }
        failures.sort_by(|one, other| one.upstream.cmp(&other.upstream));
        (Self(known), failures)
    }

    pub(super) fn answer(&self, upstream: &str) -> Option<&Answer> {
        self.0.get(upstream)
    }
}

/// An upstream that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub upstream: String,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// Whether what it told before is used on.
    pub goes_on: bool,
}

/// The same tables again where an upstream tells what it told before.
fn known_or(told: Told, before: &Reflections) -> Arc<Told> {
    let same = before.0.values().find_map(|answer| match answer {
        Answer::Told(known) if known.set == told.set => Some(Arc::clone(known)),
        _ => None,
    });
    same.unwrap_or_else(|| Arc::new(told))
}

/// Whether it brings descriptors, rather than rules for them.
pub(super) const fn is_source(source: &Descriptors) -> bool {
    !matches!(source, Descriptors::HttpRules(_))
}

/// Asks an upstream for its descriptors, one target after the other.
async fn reflect(targets: &[Target], time: Duration) -> Result<Told, Vec<String>> {
    let limits = Limits { time, ..Limits::default() };
    let mut failure = vec!["No target of it is known.".to_owned()];
    for target in targets {
        match fetch(target, &limits).await {
            Ok(reflected) => return load(reflected.files),
            Err(error) => failure = vec![error.to_string()],
        }
    }
    Err(failure)
}

fn load(mut files: Vec<Bytes>) -> Result<Told, Vec<String>> {
    files.sort_unstable();
    let mut set = Vec::with_capacity(files.iter().map(|file| file.len() + 6).sum());
    for file in files {
        // FileDescriptorSet holds its files under 1.
        writer::bytes(&mut set, 1, &file);
    }
    match Schema::load(&[&set]) {
        Ok(schema) => Ok(Told { set: set.into(), schema: Arc::new(schema) }),
        Err(error) => {
            let text = |problem| format!("What its server gave is not valid: {problem}.");
            Err(error.problems.iter().map(text).collect())
        }
    }
}
