//! What calls are counted by: `principal`, `owner`, `ip`, `everybody`, `claim NAME` or `header NAME`.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::name::is_token;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write principal, owner, ip, everybody, `claim NAME` or `header NAME`.";

/// What calls are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CountedBy {
    /// What a caller has shown: a key, a user, a certificate.
    Principal,
    /// Whom it belongs to.
    Owner,
    /// The address, of IPv6 the network of 64 bits.
    Ip,
    /// All callers together.
    Everybody,
    /// A claim of the caller.
    Claim(String),
    /// A header of the request, in lower case.
    Header(String),
}

impl CountedBy {
    /// Whether only a caller has it who is known.
    pub const fn needs_identity(&self) -> bool {
        matches!(self, Self::Principal | Self::Owner | Self::Claim(_))
    }
}

impl fmt::Display for CountedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal => f.write_str("principal"),
            Self::Owner => f.write_str("owner"),
            Self::Ip => f.write_str("ip"),
            Self::Everybody => f.write_str("everybody"),
            Self::Claim(name) => write!(f, "claim {name}"),
            Self::Header(name) => write!(f, "header {name}"),
        }
    }
}

impl Scalar for CountedBy {
    const WHAT: &'static str = "what calls are counted by, such as principal or ip";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let mut words = text.split_ascii_whitespace();
        let counted = match (words.next(), words.next(), words.next()) {
            (Some("principal"), None, _) => Self::Principal,
            (Some("owner"), None, _) => Self::Owner,
            (Some("ip"), None, _) => Self::Ip,
            (Some("everybody"), None, _) => Self::Everybody,
            (Some("claim"), Some(name), None) => Self::Claim(name.to_owned()),
            (Some("header"), Some(name), None) if is_token(name) => Self::Header(name.to_ascii_lowercase()),
            (Some("header"), Some(name), None) => {
                let text = format!("{} is not the name of a header.", quote(name));
                return Err(Flaw::new(text, "Write its name, such as `header x-tenant`."));
            }
            (Some("claim"), None, _) => {
                return Err(Flaw::new("The name of the claim is missing.", "Write `claim NAME`."));
            }
            (Some("header"), None, _) => {
                return Err(Flaw::new("The name of the header is missing.", "Write `header NAME`."));
            }
            _ => return Err(Flaw::new(format!("Calls are not counted by {}.", quote(text)), HINT)),
        };
        Ok(counted)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(principal|owner|ip|everybody|claim +[^ ]+|header +[^ ]+)$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn what_is_counted_by() {
        check::<CountedBy>(&[
            ("principal", Ok("principal")),
            ("owner", Ok("owner")),
            ("ip", Ok("ip")),
            ("everybody", Ok("everybody")),
            ("claim org.id", Ok("claim org.id")),
            ("header X-Tenant", Ok("header x-tenant")),
            (
                "header x:y",
                Err(("`x:y` is not the name of a header.", "Write its name, such as `header x-tenant`.")),
            ),
            ("header", Err(("The name of the header is missing.", "Write `header NAME`."))),
            ("claim", Err(("The name of the claim is missing.", "Write `claim NAME`."))),
            ("claim a b", Err(("Calls are not counted by `claim a b`.", HINT))),
            ("key", Err(("Calls are not counted by `key`.", HINT))),
            ("ip x", Err(("Calls are not counted by `ip x`.", HINT))),
            ("", Err(("Calls are not counted by ``.", HINT))),
        ]);
    }
}
