//! Tokens that mean something only to whom they are from, who is asked about them (OAuth 2.0 Token Introspection,
//! RFC 7662).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::bearer::{self, MAX_TOKEN};
use super::claims::{Mapping, Object, Strange};
use super::meters::{ASKED, Asked, Judged, TOKENS};
use super::refusal::Reason;
use super::remote::{Failure, Remote, Url};
use super::verdicts::{Until, Verdicts};
use super::verify::{Verdict, Verifier};
use crate::call::Origin;
use crate::call::identity::Identity;

/// The largest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// How many tokens are asked about at a time.
const MAX_FLIGHTS: usize = 64;
/// How long it is remembered that a token is not good, and that nobody could tell.
const BAD_FOR: Duration = Duration::from_secs(10);
const AWAY_FOR: Duration = Duration::from_secs(1);

/// Whom to ask, and what is asked of the answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub url: Url,
    /// As whom: the header `authorization` of [`credentials`].
    pub authorization: HeaderValue,
    /// What `iss` must be, if that is asked for.
    pub issuer: Option<Box<str>>,
    /// Of what `aud` must name one, if there are any.
    pub audience: Vec<Box<str>>,
    /// How long an answer is believed at most.
    pub keep: Duration,
    /// What is known of callers by which claim.
    pub mapping: Mapping,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The credentials of a client in HTTP Basic, as OAuth encodes them (RFC 6749 section 2.3.1).
pub fn credentials(id: &str, secret: &[u8]) -> HeaderValue {
    let mut text = String::new();
    encode(&mut text, id.as_bytes());
    text.push(':');
    encode(&mut text, secret);
    let value = format!("Basic {}", STANDARD.encode(text));
    let mut value = HeaderValue::try_from(value).expect("base64 is a header value");
    value.set_sensitive(true);
    value
}

/// Writes bytes as a form has them (application/x-www-form-urlencoded).
fn encode(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                out.push(char::from(*byte));
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Somebody who knows what tokens mean, and what they have said.
#[derive(Debug)]
pub struct Introspector {
    name: Box<str>,
    settings: Settings,
    remote: Remote,
    good: Verdicts<Arc<Identity>>,
    /// By themselves, so that made-up tokens do not have good ones forgotten.
    bad: Verdicts<Reason>,
    flights: Mutex<HashMap<Box<[u8]>, Flight>>,
    failure: Mutex<Option<Failure>>,
}

type Outcome = Result<Arc<Identity>, Reason>;

/// Where the outcome of a question appears.
type Flight = watch::Receiver<Option<Outcome>>;

/// What is told of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Where it is asked.
    pub place: String,
    /// Why it cannot be asked now.
    pub failure: Option<String>,
}

impl Introspector {
    /// Asks with these settings.
    pub fn new(name: &str, settings: Settings, remote: Remote) -> Self {
        Self {
            name: name.into(),
            settings,
            remote,
            good: Verdicts::default(),
            bad: Verdicts::default(),
            flights: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// What it asks with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What opens TLS to whom it asks.
    pub const fn remote_side(&self) -> &Remote {
        &self.remote
    }

    /// What is told of it.
    pub fn report(&self) -> Report {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Report { name: self.name.clone(), place: self.settings.url.to_string(), failure }
    }

    /// Who calls with a token.
    fn check(self: &Arc<Self>, token: &[u8]) -> Verdict {
        // What RFC 6750 section 2.1 calls b64token.
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        if token.is_empty() || token.len() > MAX_TOKEN || !token.iter().all(legal) {
            return Verdict::Refused(Reason::Invalid);
        }
        if let Some(identity) = self.good.find(token, 0) {
            TOKENS.add(Judged::Remembered as usize, 1);
            return Verdict::Known(identity);
        }
        if let Some(reason) = self.bad.find(token, 0) {
            return Verdict::Refused(reason);
        }
        let (introspector, token) = (Arc::clone(self), Box::<[u8]>::from(token));
        Verdict::Later(Box::pin(async move {
            let Some(mut flight) = introspector.begin(token) else { return Verdict::Refused(Reason::Busy) };
            let outcome = flight.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
            match outcome.ok().flatten() {
                Some(Ok(identity)) => Verdict::Known(identity),
                Some(Err(reason)) => Verdict::Refused(reason),
                // What asked has ended before its time.
                None => Verdict::Refused(Reason::Unreachable),
            }
        }))
    }

    /// The question about this token that is on its way, or one that begins now. None if there are too many.
    fn begin(self: &Arc<Self>, token: Box<[u8]>) -> Option<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&token).filter(|flight| flight.has_changed().is_ok()) {
            return Some(flight.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            // Those whose task has ended before its time.
            flights.retain(|_, flight| flight.has_changed().is_ok());
            if flights.len() >= MAX_FLIGHTS {
                return None;
            }
        }
        let (flying, flight) = watch::channel(None);
        flights.insert(token.clone(), flight.clone());
        let introspector = Arc::clone(self);
        // By itself, as whoever has asked may leave and others wait for the same.
        tokio::spawn(async move {
            let outcome = introspector.ask(&token).await;
            introspector.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
            flying.send_replace(Some(outcome));
        });
        Some(flight)
    }

    /// Asks about a token, and remembers what was said.
    async fn ask(&self, token: &[u8]) -> Outcome {
        let mut form = "token=".to_owned();
        encode(&mut form, token);
        form.push_str("&token_type_hint=access_token");
        let Settings { url, authorization, .. } = &self.settings;
        let answer = self.remote.post(url, form, authorization, MAX_ANSWER).await.and_then(|answer| {
            let object = Object::parse(&answer.body);
            let object = object.filter(|object| object.get("active").is_some_and(Value::is_boolean));
            object.ok_or_else(|| format!("{url} answered with something that is no JSON with `active`"))
        });
        let outcome = match &answer {
            Ok(answer) => self.judge(answer),
            Err(_) => Err(Reason::Unreachable),
        };
        self.note(answer.err());
        match &outcome {
            Ok((identity, weight, until)) => {
                TOKENS.add(Judged::Checked as usize, 1);
                self.good.remember(token, 0, Arc::clone(identity), *weight, *until);
            }
            Err(reason) => {
                let time = if *reason == Reason::Unreachable { AWAY_FOR } else { BAD_FOR };
                let until = Until { time: None, instant: Some(Instant::now() + time) };
                self.bad.remember(token, 0, *reason, 0, until);
            }
        }
        outcome.map(|(identity, ..)| identity)
    }

    /// Notes whether there was an answer. Says so where that is news.
    fn note(&self, failure: Option<Failure>) {
        ASKED.add(if failure.is_none() { Asked::Token } else { Asked::TokenFailed } as usize, 1);
        let mut last = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*last, &failure) {
            (None, Some(error)) => {
                tracing::warn!(
                    introspection = &*self.name,
                    error,
                    "nobody says what tokens mean; callers get 503"
                );
            }
            (Some(_), None) => {
                tracing::info!(introspection = &*self.name, "it is said again what tokens mean");
            }
            _ => {}
        }
        *last = failure;
    }

    fn judge(&self, answer: &Object) -> Result<(Arc<Identity>, usize, Until), Reason> {
        let settings = &self.settings;
        let invalid = |_: Strange| Reason::Invalid;
        if answer.get("active") != Some(&Value::Bool(true)) {
            return Err(Reason::Invalid);
        }
        let now = SystemTime::now();
        let expires = answer.time("exp").map_err(invalid)?;
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Reason::Expired);
        }
        let is_early = answer.time("nbf").map_err(invalid)?.is_some_and(|begin| begin > now);
        let issuer = answer.text("iss").map_err(invalid)?;
        let is_other = settings.issuer.as_deref().is_some_and(|own| issuer != Some(own));
        let is_for = settings.audience.is_empty() || answer.is_for(&settings.audience).map_err(invalid)?;
        if is_early || is_other || !is_for {
            return Err(Reason::Invalid);
        }
        let names = ["sub", "username", "client_id"];
        let (identity, weight) = answer.identity(&names, &settings.mapping, expires).map_err(invalid)?;
        let until = Until { time: expires, instant: Some(Instant::now() + settings.keep) };
        Ok((Arc::new(identity), weight, until))
    }
}

/// Asks for a token that somebody knows.
#[derive(Debug)]
pub struct Introspection(pub Arc<Introspector>);

impl Verifier for Introspection {
    fn verify(&self, origin: &Origin) -> Verdict {
        bearer::verify(origin, |token| self.0.check(token))
    }

    fn wanted(&self) -> &str {
        bearer::WANTED
    }

    fn challenge(&self, origin: &Origin) -> &HeaderValue {
        bearer::challenge(origin)
    }
}
