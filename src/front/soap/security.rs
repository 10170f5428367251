//! WS-Security: the credentials in an envelope's header.
//!
//! Specifications: <https://docs.oasis-open.org/wss/v1.1/wss-v1.1-spec-os-SOAPMessageSecurity.pdf> and its
//! UsernameToken profile. Nothing is verified here. Signatures and time stamps are passed over, as they prove nothing
//! to anybody behind; a credential is what can be sent on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::envelope::Header;
use crate::call::credential::Credential;
use crate::codec::xml::error::ReadError;
use crate::codec::xml::lexer::Lexer;
use crate::status::{Code, Status};

/// The namespace of WS-Security.
pub(super) const NAMESPACE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 << 10;

/// Reads the element `Security`, which the lexer is in.
///
/// # Errors
/// When the text is not well-formed. What is wrong with a credential is noted in the header.
pub(super) fn read(
    lexer: &mut Lexer<'_>,
    is_secure: bool,
    header: &mut Header,
) -> Result<(), Box<ReadError>> {
    while lexer.child()? {
        let found = if lexer.is(NAMESPACE, "UsernameToken") {
            user(lexer, is_secure)?
        } else if lexer.is(NAMESPACE, "BinarySecurityToken") {
            token(lexer)?
        } else {
            lexer.skip()?;
            None
        };
        match found {
            None => {}
            Some(Err(status)) => header.refused = Some(status),
            Some(Ok(_)) if header.credential.is_some() => {
                header.refused = Some(refusal("The envelope offers several credentials. Offer one."));
            }
            Some(Ok(credential)) => header.credential = Some(credential),
        }
    }
    Ok(())
}

/// A credential, or what is wrong with it; `None` for what is none.
type Found = Option<Result<Credential, Status>>;

fn user(lexer: &mut Lexer<'_>, is_secure: bool) -> Result<Found, Box<ReadError>> {
    let (mut user, mut password, mut is_digest) = (None, None, false);
    while lexer.child()? {
        let (is_user, is_password) = (lexer.is(NAMESPACE, "Username"), lexer.is(NAMESPACE, "Password"));
        if !is_user && !is_password {
            lexer.skip()?;
            continue;
        }
        let kind = lexer.attribute("", "Type").map(|kind| kind.value().ends_with(b"#PasswordDigest"));
        let mut buffer = Vec::new();
        let text = lexer.leaf(&mut buffer)?;
        let text = Some(String::from_utf8_lossy(text.of(&buffer)).into_owned());
        if is_user {
            user = text.map(|user| user.trim().to_owned());
        } else {
            (password, is_digest) = (text, kind.unwrap_or(false));
        }
    }
    let (Some(user), Some(password)) = (user, password) else { return Ok(None) };
    let credential = Credential::Password { user, password };
    Ok(Some(if is_digest {
        Err(refusal("A digest of a password cannot be sent on. Send the password as PasswordText, over TLS."))
    } else if !is_secure {
        Err(refusal(
            "A password is only taken over TLS, as others could read it. Call this service by https.",
        ))
    } else if credential.authorization().is_none() {
        Err(refusal("The name of the user or the password has characters that are not supported."))
    } else {
        Ok(credential)
    }))
}

fn token(lexer: &mut Lexer<'_>) -> Result<Found, Box<ReadError>> {
    let kind = lexer.attribute("", "ValueType").map(|kind| kind.value().to_ascii_lowercase());
    let mut buffer = Vec::new();
    let leaf = lexer.leaf(&mut buffer)?;
    // Others, such as certificates, say who has signed, and prove nothing.
    if !kind.is_some_and(|kind| kind.ends_with(b"jwt")) {
        return Ok(None);
    }
    let text: String = leaf
        .of(&buffer)
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|&byte| char::from(byte))
        .collect();
    let decoded = || STANDARD.decode(&text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    // The token as it is, or as base64 as the profile of binary tokens has it.
    let token = if is_jwt(&text) { Some(text) } else { decoded().filter(|token| is_jwt(token)) };
    Ok(Some(token.map(Credential::Bearer).ok_or_else(|| {
        refusal("The BinarySecurityToken is no JWT of at most 8 KiB, as it is or as base64.")
    })))
}

/// Whether it is of the form of a JWT: three parts in base64url.
fn is_jwt(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    text.len() <= MAX_TOKEN
        && text.split('.').count() == 3
        && text.split('.').all(|part| part.bytes().all(is_part))
        && text.len() > 2
}

fn refusal(text: &str) -> Status {
    Status::caller(Code::Unauthenticated, text)
}
