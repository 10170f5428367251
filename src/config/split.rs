//! `services[].split` and `services[].shadow`: which other upstreams answer a service, and who gets copies.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::limits::DAY;
use super::node::{Node, Value};
use super::place::{Located, Place};
use super::problem::Problem;
use super::schema::Schemas;
use super::settings::Setting;
use super::settings::collection::{Named, NonEmpty};
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::cookie::CookieName;
use super::value::name::RequestKey;
use super::value::percent::Percent;

/// How long a browser keeps a cookie, when nothing else is said.
const FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest time: what browsers cut longer ones to.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);
/// How long a copy may take, when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A mapping of names to what their values must be.
type Pairs = Option<Named<Located<String>>>;

settings! {
    /// An upstream that answers some of the calls of a service: those for which all that is written here holds. The first
    /// entry that takes a call has it, and the upstream of the service has all others.
    pub struct Split {
        /// The upstream. It defines the services too, so that callers meet nothing that breaks them.
        upstream: Located<String>,
        /// Roles of the caller, of which it must have one.
        roles: Vec<Located<String>> = Vec::new(),
        /// Claims of the caller: a name and its values, of which it must have one.
        claims: Option<Named<NonEmpty<Located<String>>>> = None,
        /// The host that the request is for: a name, or `"*.example"` for all names below it.
        host: Option<Located<String>> = None,
        /// Headers of the request, each with its value, or `"*"` for any.
        headers: Pairs = None,
        /// Parameters of the query, in the same way. They may be fields of the request, and need not be.
        query: Pairs = None,
        /// Cookies, in the same way.
        cookies: Pairs = None,
        /// What part of the calls, or of the callers where it is sticky.
        share: Option<Located<Percent>> = None,
        /// What keeps a caller in the share or out of it: `principal`, `address`, `{cookie: NAME}` or `{header: NAME}`. With
        /// `none`, chance decides about each call.
        sticky: Option<StickyBy> = None,
    }
    check check(upstream, roles, claims, host, headers, query, cookies, share, sticky)
    example "Write `- {upstream: NAME, share: 5%, sticky: principal}`."
}

/// What keeps a caller in a share: a word, or a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum StickyBy {
    /// Something that every call has.
    Plain(Located<StickyWord>),
    /// Something by its name.
    Key(StickyKey),
}

settings! {
    /// What keeps a caller in a share.
    pub enum StickyWord {
        /// Nothing: chance decides about each call.
        "none" => None,
        /// Who it is, as policy has found out.
        "principal" => Principal,
        /// Its address. Of IPv6 the first 64 bits count.
        "address" => Address,
    }
}

settings! {
    /// What keeps a caller in a share, by its name: a cookie or a header.
    pub struct StickyKey {
        /// A cookie that Transom sets when a caller has none, with a number that was drawn for it.
        cookie: Option<Located<CookieName>> = None,
        /// How long a browser keeps that cookie.
        r#for: Located<Duration> = FOR.into() => Duration::from_secs(1)..=LONGEST,
        /// A header of the request.
        header: Option<Located<RequestKey>> = None,
    }
    check check(cookie, r#for, header)
    example "Write `sticky: {cookie: canary, for: 1h}` or `sticky: {header: x-user}`."
}

settings! {
    /// An upstream that gets copies of the calls of a service, whose answers nobody gets.
    pub struct Shadow {
        /// The upstream. It defines the services too.
        upstream: Located<String>,
        /// The methods whose calls are copied, such as `GetOrder` or `List*`. All of them if this is left out, but for those
        /// that take streams.
        methods: Vec<Located<String>> = Vec::new(),
        /// What part of the calls is copied.
        share: Located<Percent> = Percent::of(100).into(),
        /// How many copies may be with the upstream at a time. Further ones are not sent, and counted.
        max_in_flight: Located<u32> = 100.into() => 1..=100_000,
        /// How long a copy may take.
        timeout: Located<Duration> = TIMEOUT.into() => Duration::from_millis(1)..=DAY,
    }
    check check(upstream)
    example "Write `shadow: {upstream: NAME, share: 10%}`."
}

impl Setting for StickyBy {
    const WHAT: &'static str =
        "one of the words `none`, `principal`, `address`, or a mapping with the key `cookie` or `header`";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "cookie" || text == "header" => {
                let message = format!("{} does not say which {text}.", reader.path());
                let hint = format!("Write `sticky: {{{text}: NAME}}`.");
                reader.error(Problem::error(message).at(node.place).hint(hint))
            }
            Value::Map(_) => StickyKey::read(node, reader).map(Self::Key),
            _ => Located::read(node, reader).map(Self::Plain),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [StickyWord::schema(schemas), StickyKey::schema(schemas)] })
    }

    fn written(&self) -> Option<Json> {
        match self {
            Self::Plain(word) => word.written(),
            Self::Key(key) => key.written(),
        }
    }
}

impl StickyBy {
    /// Where it is written.
    fn place(&self) -> Option<Place> {
        match self {
            Self::Plain(word) => word.place,
            Self::Key(StickyKey { cookie: Some(cookie), .. }) => cookie.place,
            Self::Key(key) => key.header.as_ref().and_then(|header| header.place),
        }
    }

    /// On one line: `principal`, `cookie canary`. Nothing where chance decides.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Plain(word) => match word.value {
                StickyWord::None => None,
                StickyWord::Principal => Some("principal".to_owned()),
                StickyWord::Address => Some("address".to_owned()),
            },
            Self::Key(StickyKey { cookie: Some(cookie), .. }) => Some(format!("cookie {}", &***cookie)),
            Self::Key(key) => key.header.as_ref().map(|header| format!("header {}", &***header)),
        }
    }
}

impl StickyKey {
    fn check(
        reader: &mut Reader<'_>,
        cookie: Option<&Option<Located<CookieName>>>,
        time: Option<&Located<Duration>>,
        header: Option<&Option<Located<RequestKey>>>,
    ) {
        let path = reader.path();
        let mut error = |text: String, place: Option<Place>, hint: &str| {
            let _: Option<()> = reader.error(Problem::error(text).at(place).hint(hint));
        };
        match (cookie, header) {
            (Some(Some(_)), Some(Some(header))) => {
                let text = "Callers are told apart either by a cookie or by a header, but here are both.";
                error(text.to_owned(), header.place, "Remove one of the two.");
            }
            (Some(None), Some(None)) => {
                let text = format!("{path} names neither a cookie nor a header.");
                let hint = "Write `sticky: {cookie: canary}` or `sticky: {header: x-user}`.";
                error(text, time.and_then(|time| time.place), hint);
            }
            (Some(None), Some(Some(_))) => {
                if let Some(place) = time.and_then(|time| time.place) {
                    let text =
                        "`for` says how long a cookie is kept, but callers are told apart by a header.";
                    error(text.to_owned(), Some(place), "Remove it.");
                }
            }
            _ => {}
        }
    }
}

impl Split {
    #[expect(clippy::too_many_arguments, reason = "one for each key")]
    fn check(
        reader: &mut Reader<'_>,
        upstream: Option<&Located<String>>,
        roles: Option<&Vec<Located<String>>>,
        claims: Option<&Option<Named<NonEmpty<Located<String>>>>>,
        host: Option<&Option<Located<String>>>,
        headers: Option<&Pairs>,
        query: Option<&Pairs>,
        cookies: Option<&Pairs>,
        share: Option<&Option<Located<Percent>>>,
        sticky: Option<&Option<StickyBy>>,
    ) {
        if let Some(name) = upstream {
            reader.refers_to_upstream(name);
        }
        let (Some(roles), Some(claims), Some(share), Some(sticky)) = (roles, claims, share, sticky) else {
            return;
        };
        if let (None, Some(sticky)) = (share, sticky) {
            let text = format!("{} has no share that a caller could stay in.", reader.path());
            let hint = "Write a `share`, such as 5%, or remove `sticky`.";
            let _: Option<()> = reader.error(Problem::error(text).at(sticky.place()).hint(hint));
        }
        let is_left_out = [headers, query, cookies].map(|pairs| pairs == Some(&None));
        let has_no_head = host == Some(&None) && is_left_out == [true; 3];
        if roles.is_empty() && claims.is_none() && has_no_head && share.is_none() {
            let text = format!("{} takes every call, so that nothing is left for the others.", reader.path());
            let hint = "Write which calls it takes, such as `share: 5%` or `roles: [beta]`, or make it the `upstream` of the \
                        service.";
            let _: Option<()> =
                reader.error(Problem::error(text).at(upstream.and_then(|name| name.place)).hint(hint));
        }
    }

    /// What it asks for, each as `role beta` or `header x-beta=1`.
    pub fn conditions(&self) -> Vec<String> {
        let joined =
            |texts: &[Located<String>]| texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("|");
        let mut all = Vec::new();
        if !self.roles.is_empty() {
            all.push(format!("role {}", joined(&self.roles)));
        }
        for (name, values) in self.claims.iter().flat_map(|claims| claims.iter()) {
            all.push(format!("claim {}={}", name.value, joined(values)));
        }
        all.extend(self.host.as_ref().map(|host| format!("host {}", host.value)));
        for (what, pairs) in [("header", &self.headers), ("query", &self.query), ("cookie", &self.cookies)] {
            let pairs = pairs.iter().flat_map(|pairs| pairs.iter());
            all.extend(pairs.map(|(name, value)| format!("{what} {}={}", name.value, value.value)));
        }
        all
    }

    /// Where it asks for something that only a caller has who is known, if it does.
    pub fn needs_identity(&self) -> Option<Option<Place>> {
        if let Some(role) = self.roles.first() {
            return Some(role.place);
        }
        if let Some((name, _)) = self.claims.iter().flat_map(|claims| claims.iter()).next() {
            return Some(name.place);
        }
        match &self.sticky {
            Some(StickyBy::Plain(word)) if word.value == StickyWord::Principal => Some(word.place),
            _ => None,
        }
    }
}

impl Shadow {
    fn check(reader: &mut Reader<'_>, upstream: Option<&Located<String>>) {
        if let Some(name) = upstream {
            reader.refers_to_upstream(name);
        }
    }
}
