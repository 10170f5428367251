//! API keys: a caller sends a secret, of which only the hash is known here.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, HeaderValue};

use super::recall::Recall;
use super::refusal::Reason;
use super::verify::{Term, Verdict, Verifier};
use crate::call::Origin;
use crate::call::credential::Credential;
use crate::call::identity::Identity;

/// The longest key, in bytes. What is longer is not even hashed.
const MAX_KEY: usize = 512;

/// The SHA-256 hash of a key.
pub type Hash = [u8; 32];

/// The hash that a file writes as `sha256:` and 64 hexadecimal digits.
pub fn parse_hash(text: &str) -> Option<Hash> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let digit = |at: usize| char::from(digits.as_bytes()[at]).to_digit(16);
        *byte = (digit(2 * index)? << 4 | digit(2 * index + 1)?) as u8;
    }
    Some(hash)
}

/// A key, as far as it is known.
#[derive(Clone, Debug)]
pub struct Key {
    /// The hash of its text.
    pub hash: Hash,
    /// Who calls with it.
    pub identity: Arc<Identity>,
    /// Whether it holds.
    pub term: Term,
}

/// All keys.
#[derive(Debug)]
pub struct Keys {
    all: Vec<Key>,
    /// Their positions by the beginning of their hashes. Those are of no use to who does not know the key, so the time
    /// that it takes to find one may be seen; the rest is compared in constant time.
    by_hash: HashMap<u64, Vec<usize>>,
    /// The positions of those that have called.
    recall: Recall,
}

impl FromIterator<Key> for Keys {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Self {
        let all: Vec<_> = keys.into_iter().collect();
        let mut by_hash = HashMap::<_, Vec<_>>::new();
        for (position, key) in all.iter().enumerate() {
            by_hash.entry(beginning(&key.hash)).or_default().push(position);
        }
        let recall = Recall::new(all.len());
        Self { all, by_hash, recall }
    }
}

impl Keys {
    /// Who calls with a key.
    ///
    /// # Errors
    /// Nobody has it, or it does not hold.
    fn find(&self, key: &[u8]) -> Result<&Arc<Identity>, Reason> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Reason::Invalid);
        }
        let mark = self.recall.mark(key);
        let position = match self.recall.find(&mark) {
            Some(position) => position,
            None => {
                let position = self.position(key).ok_or(Reason::Invalid)?;
                self.recall.note(mark, position);
                position
            }
        };
        let found = &self.all[position];
        found.term.flaw().map_or(Ok(&found.identity), Err)
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        let digest = digest(&SHA256, key);
        let hash = digest.as_ref();
        let mut candidates = self.by_hash.get(&beginning(hash))?.iter().copied();
        candidates.find(|position| verify_slices_are_equal(&self.all[*position].hash, hash).is_ok())
    }
}

fn beginning(hash: &[u8]) -> u64 {
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Asks for an API key.
#[derive(Debug)]
pub struct ApiKey {
    keys: Arc<Keys>,
    header: HeaderName,
    /// Whose keys are accepted; those of every owner if it is empty.
    owners: Vec<Box<str>>,
    wanted: String,
    challenge: HeaderValue,
}

impl ApiKey {
    /// Asks for one of `keys`, of one of these owners if there are any, in a header, or in the query if it has a name
    /// there.
    pub fn new(keys: Arc<Keys>, header: HeaderName, query: Option<&str>, owners: Vec<Box<str>>) -> Self {
        let mut wanted = format!("an API key in the header {header}");
        if let Some(query) = query {
            wanted.push_str(&format!(" or the query parameter {query}"));
        }
        // The name of a header needs no quotes that could be broken.
        let challenge = HeaderValue::try_from(format!("ApiKey realm=\"Transom\", header=\"{header}\""));
        let challenge = challenge.unwrap_or(HeaderValue::from_static("ApiKey"));
        Self { keys, header, owners, wanted, challenge }
    }
}

impl Verifier for ApiKey {
    fn verify(&self, origin: &Origin) -> Verdict {
        let sent = origin.headers.as_deref().map(|headers| headers.get_all(&self.header));
        let mut sent = sent.iter().flatten().map(HeaderValue::as_bytes);
        let mut others = origin.credentials.iter().filter_map(|credential| match credential {
            Credential::ApiKey(key) => Some(key.as_bytes()),
            Credential::Password { .. } | Credential::Bearer(_) => None,
        });
        let key = match (sent.next(), others.next()) {
            (None, None) => return Verdict::Absent,
            (Some(key), None) | (None, Some(key)) => key,
            (Some(_), Some(_)) => return Verdict::Refused(Reason::Several),
        };
        if sent.next().or_else(|| others.next()).is_some() {
            return Verdict::Refused(Reason::Several);
        }
        match self.keys.find(key) {
            Ok(identity) if is_of(identity, &self.owners) => Verdict::Known(Arc::clone(identity)),
            Ok(_) => Verdict::Refused(Reason::Invalid),
            Err(reason) => Verdict::Refused(reason),
        }
    }

    fn wanted(&self) -> &str {
        &self.wanted
    }

    fn challenge(&self, _: &Origin) -> &HeaderValue {
        &self.challenge
    }
}

/// Whether somebody belongs to one of these owners. Everybody does if there is none.
pub(super) fn is_of(identity: &Identity, owners: &[Box<str>]) -> bool {
    owners.is_empty() || identity.owner.as_ref().is_some_and(|owner| owners.contains(owner))
}
