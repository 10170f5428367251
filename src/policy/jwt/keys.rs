//! The keys of an issuer: a JWK Set (RFC 7517), of which only what is fit to verify signatures is taken.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::Algorithm;

/// The largest set, in bytes, and how many keys of it are looked at.
pub const MAX_SET: usize = 1024 * 1024;
const MAX_KEYS: usize = 256;
/// How many keys are tried for one token: several may have the same name, or none.
const MAX_TRIED: usize = 4;
/// The sizes of RSA keys, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Keys that verify signatures.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    /// Of what the set was made, so that it is noticed when another one comes.
    digest: [u8; 32],
}

#[derive(Debug)]
struct Key {
    kid: Option<Box<str>>,
    /// The key for each algorithm that it may be used with.
    uses: Vec<(Algorithm, Check)>,
}

#[derive(Debug)]
enum Check {
    Signature(ParsedPublicKey),
    Code(Box<hmac::Key>),
}

/// A key as JSON has it (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part. A key with it is known to everybody who may read the set.
    d: Option<Value>,
}

impl KeySet {
    /// Reads a set. Keys that are of no use are left out: those for encryption, of unknown kinds, secrets, private keys,
    /// RSA keys below 2048 bits, points that are not on their curve.
    ///
    /// # Errors
    /// It is no set, or nothing is left of it: a sentence without its end.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }

        if text.len() > MAX_SET {
            return Err("it is larger than 1 MiB");
        }
        let set: Set =
            serde_json::from_slice(text).map_err(|_| "it is not a JWK Set: JSON with a list `keys`")?;
        let keys: Vec<_> = set.keys.into_iter().take(MAX_KEYS).filter_map(key).collect();
        if keys.is_empty() {
            return Err("it has no key with which a signature could be verified");
        }
        Ok(Self { keys, digest: digest_of(text) })
    }

    /// The one secret that issuer and verifier share, for these algorithms.
    pub fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let uses = algorithms.iter().filter_map(|algorithm| {
            Some((*algorithm, Check::Code(Box::new(hmac::Key::new(algorithm.secret()?.0, secret)))))
        });
        Self { keys: vec![Key { kid: None, uses: uses.collect() }], digest: digest_of(secret) }
    }

    /// The digest of what it was made of.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a signature was made with a key that a token may mean: of this name if it has one, and for this algorithm.
    /// `None` if there is no such key.
    pub(super) fn verify(
        &self,
        (algorithm, kid): (Algorithm, Option<&str>),
        signed: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        // A secret has no name; whoever shares it may call it what they like.
        let is_meant = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid || key.is_secret();
        let checks = self.keys.iter().filter(is_meant).flat_map(|key| &key.uses);
        let checks = checks.filter(|(used, _)| *used == algorithm).map(|(_, check)| check);
        let mut found = None;
        for check in checks.take(MAX_TRIED) {
            let is_good = match check {
                Check::Signature(key) => key.verify_sig(signed, signature).is_ok(),
                Check::Code(key) => hmac::verify(key, signed, signature).is_ok(),
            };
            if is_good {
                return Some(true);
            }
            found = Some(false);
        }
        found
    }
}

impl Key {
    fn is_secret(&self) -> bool {
        self.uses.iter().any(|(_, check)| matches!(check, Check::Code(_)))
    }
}

fn digest_of(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().unwrap_or_default()
}

/// A key that is fit to verify signatures.
fn key(value: Value) -> Option<Key> {
    let jwk = Jwk::deserialize(value).ok()?;
    let verifies = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
        && jwk.key_ops.as_ref().is_none_or(|all| all.iter().any(|operation| operation == "verify"));
    if !verifies || jwk.d.is_some() {
        return None;
    }
    let meant = |algorithm: &Algorithm| jwk.alg.as_deref().is_none_or(|name| name == algorithm.name());
    let uses: Vec<_> = Algorithm::ALL
        .into_iter()
        .filter(meant)
        .filter_map(|algorithm| Some((algorithm, Check::Signature(jwk.parsed(algorithm)?))))
        .collect();
    (!uses.is_empty()).then(|| Key { kid: jwk.kid.map(Into::into), uses })
}

impl Jwk {
    /// The key for an algorithm, if it is of its kind and size.
    fn parsed(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self.kty.as_str(), algorithm.rsa(), algorithm.curve()) {
            ("RSA", Some(parameters), _) => {
                let (n, e) = (number(self.n.as_deref()?)?, number(self.e.as_deref()?)?);
                let bits = (n.len() * 8).checked_sub(n.first()?.leading_zeros() as usize)?;
                if !RSA_BITS.contains(&bits) || e.len() > 8 || e.last()? % 2 == 0 || e == [1] {
                    return None;
                }
                RsaPublicKeyComponents { n: &n, e: &e }.to_parsed_public_key(parameters).ok()
            }
            ("EC", _, Some((curve, size, verification))) if self.crv.as_deref() == Some(curve) => {
                let (x, y) = (bytes(self.x.as_deref()?, size)?, bytes(self.y.as_deref()?, size)?);
                // The point in its uncompressed form (SEC 1 section 2.3.3).
                ParsedPublicKey::new(verification, [&[4], &*x, &y].concat()).ok()
            }
            ("OKP", _, Some((curve, size, verification))) if self.crv.as_deref() == Some(curve) => {
                ParsedPublicKey::new(verification, bytes(self.x.as_deref()?, size)?).ok()
            }
            _ => None,
        }
    }
}

/// Bytes of exactly this size.
fn bytes(text: &str, size: usize) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == size)
}

/// The bytes of a positive number, without zeros before it, which some write.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}
