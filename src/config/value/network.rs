//! Ranges of IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write an address such as 192.0.2.7, or a range such as 10.0.0.0/8 or 2001:db8::/32.";

/// An IP address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The address as it was written, of which no bit behind the prefix is set.
    pub address: IpAddr,
    /// How many of its bits count.
    pub prefix: u32,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl Scalar for Network {
    const WHAT: &'static str = "a range of addresses such as 10.0.0.0/8";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, prefix)| (a, Some(prefix)));
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(Flaw::new(format!("{} is no IP address and no range of them.", quote(text)), HINT));
        };
        let most = width(address);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => Some(most),
            Some(prefix) => prefix.parse().ok().filter(|bits| digits(prefix) && *bits <= most),
        };
        let Some(prefix) = prefix else {
            let text = format!("{} does not end in a number of bits from 0 to {most}.", quote(text));
            return Err(Flaw::new(text, HINT));
        };
        let first = first_of(address, prefix);
        if first != address {
            let meant = Self { address: first, prefix };
            let text = format!("{} is not the first address of its range.", quote(text));
            return Err(Flaw::new(text, format!("Did you mean `{meant}`, or `{address}` alone?")));
        }
        Ok(Self { address, prefix })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn first_of(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn ranges_of_addresses() {
        let none = |text: &str| format!("`{text}` is no IP address and no range of them.");
        let bits = |text: &str, most| format!("`{text}` does not end in a number of bits from 0 to {most}.");
        check::<Network>(&[
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("192.0.2.7", Ok("192.0.2.7")),
            ("192.0.2.7/32", Ok("192.0.2.7")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:DB8::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1")),
            ("::/0", Ok("::/0")),
            (
                "10.1.0.0/8",
                Err((
                    "`10.1.0.0/8` is not the first address of its range.",
                    "Did you mean `10.0.0.0/8`, or `10.1.0.0` alone?",
                )),
            ),
            ("10.0.0.0/33", Err((&bits("10.0.0.0/33", 32), HINT))),
            ("::/129", Err((&bits("::/129", 128), HINT))),
            ("10.0.0.0/+8", Err((&bits("10.0.0.0/+8", 32), HINT))),
            ("10.0.0.0/", Err((&bits("10.0.0.0/", 32), HINT))),
            ("10.0.0/8", Err((&none("10.0.0/8"), HINT))),
            ("office", Err((&none("office"), HINT))),
            ("", Err((&none(""), HINT))),
        ]);
    }
}
