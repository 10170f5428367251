//! Signed tokens in compact form (RFC 7515 section 7.1), read strictly.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::Algorithm;
use crate::policy::claims::Object;

/// The longest name of a key, in bytes.
const MAX_KID: usize = 512;

/// A token whose signature is not checked yet.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    /// The name of the key that it is signed with. It is compared with names and used for nothing else.
    pub(super) kid: Option<String>,
    /// What kind of token it is, in lower case and without `application/`.
    pub(super) typ: Option<String>,
    /// What is signed.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    pub(super) claims: Object,
}

impl<'t> Token<'t> {
    /// Reads a token. Its size is bounded by the caller.
    ///
    /// Parameters of the header that name keys or where keys are (`jwk`, `jku`, `x5u`, `x5c`) are not looked at: keys
    /// come from the configuration.
    ///
    /// # Errors
    /// What is wrong with it, in a few words for the log.
    pub(super) fn read(token: &'t [u8]) -> Result<Self, &'static str> {
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err("it does not have three parts");
        };
        let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of it is not base64url");
        let header = decode(&token[..first])?;
        let header = Object::parse(&header).ok_or("its header is not a JSON object with single names")?;
        // No extension is understood here (RFC 7515 section 4.1.11).
        if header.get("crit").is_some() {
            return Err("it has critical extensions");
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::by_name);
        let algorithm = algorithm.ok_or("its algorithm is none that is known here")?;
        let kid = header.text("kid").map_err(|_| "its kid is not a text")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err("its kid is too long");
        }
        let typ = header.text("typ").map_err(|_| "its typ is not a text")?.map(kind);
        let claims = decode(&token[first + 1..second])?;
        let claims = Object::parse(&claims).ok_or("its claims are not a JSON object with single names")?;
        Ok(Self {
            algorithm,
            kid: kid.map(str::to_owned),
            typ,
            signed: &token[..second],
            signature: decode(&token[second + 1..])?,
            claims,
        })
    }
}

/// A kind of token as it is compared: without case, and without `application/` (RFC 7515 section 4.1.9).
pub fn kind(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").map_or_else(|| text.clone(), str::to_owned)
}
