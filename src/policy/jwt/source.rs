//! Where the keys of an issuer come from, and the keys that were had last.
//!
//! Keys that are asked for belong to the process. They are asked for when the gateway starts, again and again in the
//! background, and when a token names a key that is not known; by one request at a time. What was had last is kept while
//! the issuer cannot be asked.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::keys::{KeySet, MAX_SET};
use crate::policy::meters::{ASKED, Asked};
use crate::policy::remote::{Answer, Failure, Remote, Url};

/// The largest document of a discovery, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;
/// How often a key that is not known has the keys asked for.
const REST: Duration = Duration::from_secs(10);
/// The same while there are no keys at all.
const REST_WITHOUT: Duration = Duration::from_secs(1);
/// The shortest time for which keys are kept, whatever the issuer says.
const MIN_AGE: Duration = Duration::from_secs(30);
/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Where keys are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this URL.
    Jwks(Url),
    /// Where the document at this URL says (OpenID Connect Discovery 1.0 section 4), which must be that of the issuer.
    Discovery {
        /// The issuer.
        issuer: Box<str>,
        /// The document.
        url: Url,
    },
}

/// The keys of an issuer.
#[derive(Debug)]
pub struct Source {
    name: Box<str>,
    held: ArcSwap<Held>,
    asking: Option<Asking>,
}

/// Keys, and a number that is another one for other keys.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) set: Option<KeySet>,
    pub(super) mark: u64,
}

impl Held {
    fn new(set: Option<KeySet>) -> Self {
        static MARKS: AtomicU64 = AtomicU64::new(0);
        Self { set, mark: MARKS.fetch_add(1, Relaxed) }
    }
}

#[derive(Debug)]
struct Asking {
    place: Place,
    remote: Remote,
    refresh: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When it is asked in the background.
    next: Instant,
    /// When it was asked last, and when so because of a key that was not known.
    asked: Option<Instant>,
    wanted: Option<Instant>,
    /// Ends when the request does that is on its way.
    flight: Option<watch::Receiver<()>>,
    failures: u32,
    /// Why the last request failed, if it did.
    failure: Option<Failure>,
    /// When the last one succeeded.
    answered: Option<SystemTime>,
}

/// Why an issuer is asked for its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Due,
    NoKeys,
    UnknownKey,
}

/// What is told of the keys of an issuer.
#[derive(Clone, Debug)]
pub struct Report {
    /// The name of the issuer in the configuration.
    pub name: Box<str>,
    /// Where its keys are asked for. Absent where they are in a file or the configuration.
    pub place: Option<String>,
    /// How many keys there are.
    pub keys: usize,
    /// When they were had last.
    pub answered: Option<SystemTime>,
    /// Why they cannot be had now.
    pub failure: Option<String>,
}

impl Source {
    /// Keys that are there.
    pub fn fixed(name: &str, set: KeySet) -> Self {
        Self { name: name.into(), held: ArcSwap::from_pointee(Held::new(Some(set))), asking: None }
    }

    /// Keys that are asked for, at least once in `refresh`. Nothing is asked yet.
    pub fn remote(name: &str, place: Place, remote: Remote, refresh: Duration) -> Self {
        let state = State {
            next: Instant::now(),
            asked: None,
            wanted: None,
            flight: None,
            failures: 0,
            failure: None,
            answered: None,
        };
        let asking = Asking { place, remote, refresh, state: Mutex::new(state) };
        Self { name: name.into(), held: ArcSwap::from_pointee(Held::new(None)), asking: Some(asking) }
    }

    /// The keys that were had last.
    pub(super) fn held(&self) -> Guard<Arc<Held>> {
        self.held.load()
    }

    /// What opens TLS to those that are asked.
    pub fn remote_side(&self) -> Option<&Remote> {
        self.asking.as_ref().map(|asking| &asking.remote)
    }

    /// Asks for the keys if it is time for that, in a task of its own. Needs a runtime.
    pub fn tend(self: &Arc<Self>) {
        let Some(asking) = &self.asking else { return };
        let is_due = asking.lock().next <= Instant::now();
        if is_due {
            self.begin(asking, Why::Due);
        }
    }

    /// Waits until the keys were asked for, unless that was so a moment ago or there is nobody to ask.
    pub(super) async fn renew(self: &Arc<Self>) {
        let Some(asking) = &self.asking else { return };
        let why = if self.held().set.is_some() { Why::UnknownKey } else { Why::NoKeys };
        if let Some(mut flight) = self.begin(asking, why) {
            // Nothing is ever sent: it ends when the other side is dropped.
            let _ = flight.changed().await;
        }
    }

    /// Whether the issuer could not be asked the last time, so that a key that is not known may be one of it.
    pub(super) fn is_away(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.lock().failure.is_some())
    }

    /// What is told of it.
    pub fn report(&self) -> Report {
        let keys = self.held().set.as_ref().map_or(0, KeySet::len);
        let Some(asking) = &self.asking else {
            return Report { name: self.name.clone(), place: None, keys, answered: None, failure: None };
        };
        let place = match &asking.place {
            Place::Jwks(url) | Place::Discovery { url, .. } => url.to_string(),
        };
        let state = asking.lock();
        Report {
            name: self.name.clone(),
            place: Some(place),
            keys,
            answered: state.answered,
            failure: state.failure.clone(),
        }
    }

    /// The request that is on its way, or one that begins now. None if the last one is not long enough ago.
    fn begin(self: &Arc<Self>, asking: &Asking, why: Why) -> Option<watch::Receiver<()>> {
        let mut state = asking.lock();
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return Some(flight.clone());
        }
        let now = Instant::now();
        let (last, rest) = match why {
            Why::Due => (None, Duration::ZERO),
            Why::NoKeys => (state.asked, REST_WITHOUT),
            Why::UnknownKey => (state.wanted, REST),
        };
        if last.is_some_and(|last| now.duration_since(last) < rest) {
            return None;
        }
        state.asked = Some(now);
        if why == Why::UnknownKey {
            state.wanted = Some(now);
        }
        let (flying, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let source = Arc::clone(self);
        // By itself, as whoever has asked for it may leave.
        tokio::spawn(async move {
            source.ask().await;
            drop(flying);
        });
        Some(flight)
    }

    async fn ask(&self) {
        let Some(asking) = &self.asking else { return };
        let outcome = asking.ask().await;
        ASKED.add(if outcome.is_ok() { Asked::Keys } else { Asked::KeysFailed } as usize, 1);
        match outcome {
            Ok((set, max_age)) => {
                let (keys, is_new) =
                    (set.len(), self.held().set.as_ref().is_none_or(|own| own.digest() != set.digest()));
                if is_new {
                    self.held.store(Arc::new(Held::new(Some(set))));
                }
                let was_away = asking.answered(max_age);
                if was_away || is_new {
                    tracing::info!(jwt = &*self.name, keys, "the keys of an issuer are known");
                }
            }
            Err(error) => {
                if asking.failed(error.clone()) {
                    let keys = self.held().set.as_ref().map_or(0, KeySet::len);
                    tracing::warn!(
                        jwt = &*self.name,
                        error,
                        keys,
                        "the keys of an issuer cannot be had; tokens are held against those that are known"
                    );
                }
            }
        }
    }
}

impl Asking {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer. Says whether the last request failed.
    fn answered(&self, max_age: Option<Duration>) -> bool {
        let mut state = self.lock();
        let age = max_age.unwrap_or(self.refresh).max(MIN_AGE).min(self.refresh);
        state.next = Instant::now() + age;
        state.failures = 0;
        state.answered = Some(SystemTime::now());
        state.failure.take().is_some()
    }

    /// Notes a failure. Says whether it is the first.
    fn failed(&self, failure: Failure) -> bool {
        let mut state = self.lock();
        let pause = Duration::from_secs(1 << state.failures.min(6)).min(MAX_PAUSE);
        state.next = Instant::now() + pause;
        state.failures = state.failures.saturating_add(1);
        state.failure.replace(failure).is_none()
    }

    async fn ask(&self) -> Result<(KeySet, Option<Duration>), Failure> {
        let url = match &self.place {
            Place::Jwks(url) => url.clone(),
            Place::Discovery { issuer, url } => {
                let answer = self.remote.get(url, MAX_DOCUMENT).await?;
                discovered(issuer, &answer.body, self.remote.plain).map_err(|why| format!("{url} {why}"))?
            }
        };
        let Answer { body, max_age } = self.remote.get(&url, MAX_SET).await?;
        // Hundreds of keys take a while.
        let set = tokio::task::spawn_blocking(move || KeySet::parse(&body)).await;
        let set = set.map_err(|error| format!("{url} has keys that could not be read: {error}"))?;
        Ok((set.map_err(|why| format!("{url} has no keys: {why}"))?, max_age))
    }
}

/// Where a document of discovery says that the keys are.
fn discovered(issuer: &str, document: &[u8], plain: bool) -> Result<Url, String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }

    let Ok(document) = serde_json::from_slice::<Document>(document) else {
        return Err("is no discovery document: JSON with `issuer` and `jwks_uri`".to_owned());
    };
    if document.issuer != issuer {
        return Err(format!("is the document of the issuer {:?}, which is another one", document.issuer));
    }
    Url::parse(&document.jwks_uri, plain).map_err(|why| format!("names a jwks_uri that {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_is_that_of_the_issuer_alone() {
        let no_document = "is no discovery document: JSON with `issuer` and `jwks_uri`";
        for (document, expected) in [
            (r#"{"issuer": "https://id", "jwks_uri": "https://id/keys", "x": 1}"#, Ok("https://id/keys")),
            (
                r#"{"issuer": "https://id/", "jwks_uri": "https://id/keys"}"#,
                Err("is the document of the issuer \"https://id/\", which is another one"),
            ),
            (
                r#"{"issuer": "https://id", "jwks_uri": "http://id/keys"}"#,
                Err(
                    "names a jwks_uri that is a URL of http, over which everybody on the way could change the answer",
                ),
            ),
            (r#"{"issuer": "https://id", "jwks_uri": 1}"#, Err(no_document)),
            ("<html>", Err(no_document)),
        ] {
            let found = discovered("https://id", document.as_bytes(), false).map(|url| url.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{document}");
        }
    }
}
