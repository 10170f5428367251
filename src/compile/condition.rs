//! Conditions of the configuration.

use http::HeaderName;

use crate::config::place::Located;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::settings::collection::Named;
use crate::route::condition::{Condition, Host, Wanted};

/// A mapping of names to what their values must be.
type Pairs = Option<Named<Located<String>>>;

/// What a section of the configuration says about requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written<'a> {
    pub(super) host: Option<&'a Located<String>>,
    pub(super) headers: Option<&'a Named<Located<String>>>,
    pub(super) query: Option<&'a Named<Located<String>>>,
    pub(super) cookies: Option<&'a Named<Located<String>>>,
}

impl<'a> Written<'a> {
    /// That of keys which may all be left out.
    pub(super) fn of(
        host: &'a Option<Located<String>>,
        headers: &'a Pairs,
        query: &'a Pairs,
        cookies: &'a Pairs,
    ) -> Self {
        Self {
            host: host.as_ref(),
            headers: headers.as_ref(),
            query: query.as_ref(),
            cookies: cookies.as_ref(),
        }
    }

    /// The condition. What is wrong with it is told, and left out.
    pub(super) fn condition(self, problems: &mut Problems) -> Condition {
        Condition {
            host: self.host.and_then(|host| read_host(host, problems)),
            headers: pairs(self.headers, |name| header(name, problems)),
            query: pairs(self.query, |name| Some(name.value.as_str().into())),
            cookies: pairs(self.cookies, |name| Some(name.value.as_str().into())),
        }
    }
}

fn read_host(host: &Located<String>, problems: &mut Problems) -> Option<Host> {
    let read = Host::parse(host);
    if read.is_none() {
        let text = format!("{} is not the name of a host.", quote(host));
        let hint = "Write a name without scheme and port, such as api.example, or \"*.example\" for all names below it.";
        problems.push(Problem::error(text).at(host.place).hint(hint));
    }
    read
}

/// The name of a header, of which requests have it in lower case.
fn header(name: &Located<String>, problems: &mut Problems) -> Option<Box<str>> {
    match HeaderName::from_bytes(name.as_bytes()) {
        // It names the host that is looked at elsewhere, and what an absolute target says goes first.
        Ok(name_of) if name_of == http::header::HOST => {
            let text =
                "The header `host` cannot be a condition: the target of a request may name another one.";
            problems.push(Problem::error(text).at(name.place).hint("Write `host: NAME` in its place."));
            None
        }
        Ok(name) => Some(name.as_str().into()),
        Err(_) => {
            let text = format!("{} is not the name of a header.", quote(name));
            let hint = "Write a name such as x-beta, in letters, digits, `-`, `_` and `.`.";
            problems.push(Problem::error(text).at(name.place).hint(hint));
            None
        }
    }
}

fn pairs(
    written: Option<&Named<Located<String>>>,
    mut read: impl FnMut(&Located<String>) -> Option<Box<str>>,
) -> Vec<(Box<str>, Wanted)> {
    let pairs = written.into_iter().flat_map(|pairs| pairs.iter());
    let pair = |(name, value): &(Located<String>, Located<String>)| {
        let wanted = match value.as_str() {
            "*" => Wanted::Any,
            value => Wanted::Is(value.into()),
        };
        Some((read(name)?, wanted))
    };
    pairs.filter_map(pair).collect()
}
