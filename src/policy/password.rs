//! Names and passwords, of which only what argon2 makes of them is known here (RFC 9106).
//!
//! A check is expensive on purpose. It runs on threads that may wait, a few at a time, with a bound on how many wait for
//! their turn; what it came to is remembered for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::api_key::is_of;
use super::refusal::Reason;
use super::verify::{One, Term, Verdict, Verifier, authorization, with_scheme};
use crate::call::Origin;
use crate::call::credential::Credential;
use crate::call::identity::Identity;

const SCHEME: &str = "basic";
/// The longest name and the longest password, in bytes. What is longer is not even hashed.
const MAX_NAME: usize = 256;
const MAX_PASSWORD: usize = 1024;
/// How many wait for their turn at most.
const MAX_WAITING: usize = 64;
/// How many verdicts are remembered, and for how long.
const MAX_REMEMBERED: usize = 10_000;
const GOOD_FOR: Duration = Duration::from_secs(300);
const BAD_FOR: Duration = Duration::from_secs(10);

/// What is accepted of the parameters of argon2: with more, one check could take the machine.
const MAX_MEMORY: u32 = 1 << 20;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 16;

/// What argon2 made of a password.
#[derive(Clone)]
pub struct Hash {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hash").field(self.argon2.params()).finish()
    }
}

impl Hash {
    /// Reads the PHC form, `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<_> = text.split('$').collect();
        let ["", algorithm, "v=19", params, salt, output] = *parts else {
            return Err("it is not in PHC form with version 19: $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH");
        };
        let algorithm = match algorithm {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return Err("it is of neither argon2id nor argon2i"),
        };
        let params: Vec<_> = params.split(',').collect();
        let number = |text: &str, name: &str| text.strip_prefix(name)?.strip_prefix('=')?.parse::<u32>().ok();
        let [memory, passes, lanes] = *params else { return Err("it has other parameters than m, t and p") };
        let (Some(memory), Some(passes), Some(lanes)) =
            (number(memory, "m"), number(passes, "t"), number(lanes, "p"))
        else {
            return Err("it has other parameters than m, t and p");
        };
        if memory > MAX_MEMORY || passes > MAX_PASSES || lanes > MAX_LANES {
            return Err("checking it would take too much: at most m=1048576, t=32 and p=16 are accepted");
        }
        let decode = |text: &str| STANDARD_NO_PAD.decode(text).ok();
        let (Some(salt), Some(output)) = (decode(salt), decode(output)) else {
            return Err("its salt or hash is not base64 without padding");
        };
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&output.len()) {
            return Err("it has a salt outside 8 to 64 bytes or a hash outside 16 to 64");
        }
        let params = Params::new(memory, passes, lanes, Some(output.len()));
        let params = params.map_err(|_| "argon2 does not take its parameters")?;
        Ok(Self { argon2: Argon2::new(algorithm, Version::V0x13, params), salt, output })
    }

    /// A mark of it together with the name of who has it.
    fn mark(&self, name: &str) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        // No name has a zero byte, and salt and output cannot both be others.
        [name.as_bytes(), &[0], &self.salt, &self.output].iter().for_each(|part| context.update(part));
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn fits(&self, password: &[u8]) -> bool {
        let mut output = vec![0; self.output.len()];
        let made = self.argon2.hash_password_into(password, &self.salt, &mut output);
        made.is_ok() && verify_slices_are_equal(&output, &self.output).is_ok()
    }
}

/// A user, as far as it is known.
#[derive(Clone, Debug)]
pub struct User {
    /// What the password becomes.
    pub hash: Hash,
    /// Who calls with it.
    pub identity: Arc<Identity>,
    /// Whether it holds.
    pub term: Term,
}

/// All users, and what was found out about passwords.
pub struct Users {
    by_name: HashMap<Box<str>, User>,
    /// What a password of nobody is checked against, so that it takes as long.
    nobody: Option<Hash>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    remembered: Mutex<HashMap<[u8; 32], (bool, Instant)>>,
    secret: hmac::Key,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("users", &self.by_name.len()).finish_non_exhaustive()
    }
}

impl Users {
    /// These users, by their names. So many passwords are checked at a time.
    pub fn new(users: HashMap<Box<str>, User>, at_a_time: usize) -> Self {
        let mut secret = [0; 32];
        // Without random numbers there is no TLS either, and what it protects stays in this process.
        let _ = rand::fill(&mut secret);
        Self {
            nobody: users.values().next().map(|user| user.hash.clone()),
            by_name: users,
            turns: Arc::new(Semaphore::new(at_a_time.max(1))),
            waiting: AtomicUsize::new(0),
            remembered: Mutex::default(),
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        }
    }

    fn verdict(&self, name: &str, is_right: bool, owners: &[Box<str>]) -> Verdict {
        match self.by_name.get(name).filter(|_| is_right) {
            Some(user) => match user.term.flaw() {
                None if is_of(&user.identity, owners) => Verdict::Known(Arc::clone(&user.identity)),
                None => Verdict::Refused(Reason::Invalid),
                Some(flaw) => Verdict::Refused(flaw),
            },
            None => Verdict::Refused(Reason::Invalid),
        }
    }

    /// What name and password are remembered by. It tells nothing to who does not know the secret.
    fn mark(&self, name: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.secret);
        // No name has a zero byte.
        [name.as_bytes(), &[0], password.as_bytes()].iter().for_each(|part| context.update(part));
        context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Whether it was found before that this is the password.
    fn has_proven(&self, name: &str, proven: &[[u8; 32]]) -> bool {
        !proven.is_empty()
            && self.by_name.get(name).is_some_and(|user| proven.contains(&user.hash.mark(name)))
    }

    fn recall(&self, mark: &[u8; 32]) -> Option<bool> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(mark).filter(|(_, until)| *until > Instant::now()).map(|(is_right, _)| *is_right)
    }

    fn remember(&self, mark: [u8; 32], is_right: bool) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            let now = Instant::now();
            // Wrong ones are cheap to make, right ones are not.
            remembered.retain(|_, (is_right, until)| *is_right && *until > now);
            if remembered.len() >= MAX_REMEMBERED {
                remembered.clear();
            }
        }
        let time = if is_right { GOOD_FOR } else { BAD_FOR };
        remembered.insert(mark, (is_right, Instant::now() + time));
    }

    /// Checks a password when it is its turn; `None` if too many wait.
    async fn check(self: &Arc<Self>, name: &str, password: String) -> Option<bool> {
        let _waiting = Waiting::new(&self.waiting)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        let user = self.by_name.get(name);
        let hash = user.map(|user| &user.hash).or(self.nobody.as_ref())?.clone();
        let is_known = user.is_some();
        // It runs to its end, also when the caller leaves, and its turn lasts as long.
        let check = move || {
            let _turn = turn;
            hash.fits(password.as_bytes())
        };
        let fits = tokio::task::spawn_blocking(check).await;
        Some(fits.unwrap_or(false) && is_known)
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Asks for a name and a password, by HTTP Basic (RFC 7617) or what a dialect has in its place.
#[derive(Debug)]
pub struct Basic {
    users: Arc<Users>,
    owners: Arc<[Box<str>]>,
    challenge: HeaderValue,
}

impl Basic {
    /// Asks for one of `users`, of one of these owners if there are any. Browsers show the realm, which has no quotes.
    pub fn new(users: Arc<Users>, realm: &str, owners: Vec<Box<str>>) -> Self {
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Basic realm=\"Transom\""));
        Self { users, owners: owners.into(), challenge }
    }
}

impl Verifier for Basic {
    fn verify(&self, origin: &Origin) -> Verdict {
        let offered = match offered(origin) {
            One::None => return Verdict::Absent,
            One::Several => return Verdict::Refused(Reason::Several),
            One::Single(offered) => offered,
        };
        let Some((name, password)) = offered else { return Verdict::Refused(Reason::Invalid) };
        if name.is_empty() || name.len() > MAX_NAME || password.len() > MAX_PASSWORD || name.contains('\0') {
            return Verdict::Refused(Reason::Invalid);
        }
        if self.users.has_proven(&name, &origin.proven) {
            return self.users.verdict(&name, true, &self.owners);
        }
        let mark = self.users.mark(&name, &password);
        if let Some(is_right) = self.users.recall(&mark) {
            return self.users.verdict(&name, is_right, &self.owners);
        }
        let (users, owners) = (Arc::clone(&self.users), Arc::clone(&self.owners));
        Verdict::Later(Box::pin(async move {
            let Some(is_right) = users.check(&name, password).await else {
                return Verdict::Refused(if users.by_name.is_empty() {
                    Reason::Invalid
                } else {
                    Reason::Busy
                });
            };
            users.remember(mark, is_right);
            users.verdict(&name, is_right, &owners)
        }))
    }

    fn mark(&self, origin: &Origin) -> Option<[u8; 32]> {
        let One::Single(Some((name, password))) = offered(origin) else { return None };
        let is_right = self.users.recall(&self.users.mark(&name, &password))?;
        self.users.by_name.get(&*name).filter(|_| is_right).map(|user| user.hash.mark(&name))
    }

    fn wanted(&self) -> &str {
        "a name and a password by HTTP Basic"
    }

    fn challenge(&self, _: &Origin) -> &HeaderValue {
        &self.challenge
    }

    fn withdraw(&self, metadata: &mut HeaderMap) {
        let is_basic = |value: &HeaderValue| with_scheme(value.as_bytes(), SCHEME).is_some();
        if metadata.get_all(header::AUTHORIZATION).iter().any(is_basic) {
            metadata.remove(header::AUTHORIZATION);
        }
    }
}

/// A name and a password. `None` if what should be them is not.
type Offered = Option<(String, String)>;

fn offered(origin: &Origin) -> One<Offered> {
    let others = origin.credentials.iter().filter_map(|credential| match credential {
        Credential::Password { user, password } => Some(Some((user.clone(), password.clone()))),
        Credential::Bearer(_) | Credential::ApiKey(_) => None,
    });
    match authorization(origin, SCHEME) {
        One::Several => One::Several,
        One::None => One::of(others),
        One::Single(encoded) => One::of(std::iter::once(decoded(encoded)).chain(others)),
    }
}

fn decoded(encoded: &[u8]) -> Offered {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
