//! Credentials that callers offer in ways of their dialect, beside the headers.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// What a caller offers to show who it is. Nothing of it is checked yet.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password: a `UsernameToken` of WS-Security.
    Password {
        /// The name of the user, without colons and control characters.
        user: String,
        /// The password, without control characters.
        password: String,
    },
    /// A token that is its own proof, such as a JWT: visible ASCII.
    Bearer(String),
    /// A key that stands for its owner, from the query.
    ApiKey(String),
}

impl fmt::Debug for Credential {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password({user:?})"),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::ApiKey(_) => f.write_str("ApiKey"),
        }
    }
}

impl Credential {
    /// The same as an `authorization` header (RFC 7617 with UTF-8, RFC 6750), which is never indexed or logged. `None`
    /// if a header cannot carry it.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Password { user, password } => {
                let is_plain = |text: &str| !text.chars().any(char::is_control);
                if user.contains(':') || !is_plain(user) || !is_plain(password) {
                    return None;
                }
                format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
            }
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::ApiKey(_) => return None,
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_become_headers_and_stay_secret() {
        let password = |user: &str, password: &str| Credential::Password {
            user: user.into(),
            password: password.into(),
        };
        // The examples of RFC 7617, sections 2 and 2.1.
        for (credential, expected) in [
            (password("Aladdin", "open sesame"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            (password("test", "123£"), Some("Basic dGVzdDoxMjPCow==")),
            (password("a:b", "c"), None),
            (password("a", "b\nc"), None),
            (Credential::Bearer("mF_9.B5f-4.1JqM".into()), Some("Bearer mF_9.B5f-4.1JqM")),
            (Credential::Bearer("a\nb".into()), None),
            (Credential::ApiKey("secret".into()), None),
        ] {
            let header = credential.authorization();
            assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), expected);
            assert!(header.is_none_or(|value| value.is_sensitive()));
        }
        let all = [
            password("me", "secret"),
            Credential::Bearer("secret".into()),
            Credential::ApiKey("secret".into()),
        ];
        assert_eq!(format!("{all:?}"), "[Password(\"me\"), Bearer, ApiKey]");
    }
}
