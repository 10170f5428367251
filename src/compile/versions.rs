//! Versions of an API: which has which services, what requests for it can reach, and what its answers say.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::header::LINK;
use http::{HeaderName, HeaderValue};

use super::condition::Written;
use super::descriptors::Catalogue;
use super::live::Live;
use super::loops::Sent;
use super::routes::{self, Known};
use super::services::{Exposed, Sought};
use crate::config::Config;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::service::Service as Settings;
use crate::config::settings::word::nearest;
use crate::config::value::prefix::Prefix as PathPrefix;
use crate::config::version::{self as settings, Match};
use crate::document::comments::Comments;
use crate::route::condition::{Condition, Host, Wanted};
use crate::route::prefix::Prefix;
use crate::snapshot::fixed::Fixed;
use crate::snapshot::service::{Documents, Services};
use crate::snapshot::surface::Surface;
use crate::snapshot::usage::Usage;
use crate::snapshot::version::{Version, Versions, Way};
use crate::status::{Code, Status};

static DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
static SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Which version has which services.
pub(super) struct Assignment<'c> {
    versions: &'c [settings::Version],
    names: Vec<Arc<str>>,
}

impl<'c> Assignment<'c> {
    pub(super) fn of_config(config: &'c Config) -> Self {
        let names = config.versions.iter().map(|version| version.name.as_str().into()).collect();
        Self { versions: &config.versions, names }
    }

    /// The name of a version.
    pub(super) fn name(&self, version: Option<usize>) -> Option<Arc<str>> {
        self.names.get(version?).cloned()
    }

    /// For which versions a service is, and which upstream answers it in each; once for all of them if none names it.
    /// The default comes first, as that is what is meant where no version is named. `defines` says whether an upstream has
    /// the service.
    pub(super) fn of(
        &self,
        service: &str,
        settings: &'c Settings,
        defines: impl Fn(&str) -> bool,
    ) -> Vec<Sought<'c>> {
        let mut found = Vec::new();
        for (position, version) in self.versions.iter().enumerate() {
            let fits = |entry: &&'c settings::Assigned| {
                let has = entry.upstream.as_ref().is_none_or(|upstream| defines(&upstream.value));
                entry.service.matches(service) && (has || entry.service.exact().is_some())
            };
            let entry = version.services.iter().filter(fits).max_by_key(|entry| entry.service.specificity());
            if let Some(entry) = entry {
                let upstream = entry.upstream.as_ref().or(settings.upstream.as_ref());
                found.push(Sought { version: Some(position), upstream, pattern: &entry.service });
            }
        }
        if found.is_empty() {
            let (upstream, pattern) = (settings.upstream.as_ref(), &settings.service);
            return vec![Sought { version: None, upstream, pattern }];
        }
        found.sort_by_key(|wanted| {
            !wanted.version.is_some_and(|version| self.versions[version].default.value)
        });
        found
    }

    /// Reports patterns that no exposed service fits: an error if one names a service, else a warning. `known` are the
    /// services that upstreams define, and `others` those that will be exposed besides.
    pub(super) fn report_unused<'n>(
        &self,
        exposed: &[Exposed<'_>],
        (known, others): (&[&str], impl Iterator<Item = &'n str> + Clone),
        problems: &mut Problems,
    ) {
        for version in self.versions {
            for entry in &*version.services {
                let pattern = &entry.service;
                let is_used = exposed.iter().any(|method| pattern.matches(method.service()))
                    || others.clone().any(|name| pattern.matches(name));
                if is_used {
                    continue;
                }
                let name = quote(&version.name);
                let problem = match pattern.exact() {
                    Some(service) if known.contains(&service) => {
                        let text =
                            format!("The version {name} has the service {service}, which is not exposed.");
                        Problem::error(text).hint("Add a pattern for it to `services`.")
                    }
                    Some(service) => {
                        let text = format!(
                            "The version {name} has the service {service}, which no upstream defines."
                        );
                        let problem = Problem::error(text);
                        match nearest(service, known) {
                            Some(near) => problem.hint(format!("Did you mean `{near}`?")),
                            None => problem.hint("Check its name and the descriptors of the upstreams."),
                        }
                    }
                    None => {
                        let text =
                            format!("This pattern of the version {name} fits no service that is exposed.");
                        Problem::warning(text)
                            .hint("Check it, and that `services` has a pattern for what is meant.")
                    }
                };
                problems.push(problem.at(pattern.place));
            }
        }
    }
}

/// The beginning of a path; it is told if that is none, so that nothing is served by it.
fn prefix(written: &Located<PathPrefix>, problems: &mut Problems) -> Option<Prefix> {
    let parsed = Prefix::parse(written.as_str());
    let told = parsed.inspect_err(|error| {
        let problem = Problem::error(format!("{} cannot name a version: {error}", quote(written.as_str())));
        problems.push(problem.at(written.place).hint("Write whole segments, such as /v1 or /shop/v1."));
    });
    told.ok()
}

/// What surfaces are made of.
pub(super) struct Making<'m, 'c> {
    pub(super) config: &'c Config,
    pub(super) exposed: &'m [Exposed<'c>],
    /// What routes are answered with that make no call.
    pub(super) fixed: &'m [Option<Arc<Fixed>>],
    pub(super) catalogue: &'m Catalogue,
    /// Whether the descriptors of all upstreams are there.
    pub(super) is_complete: bool,
    /// The generation before this one.
    pub(super) live: Option<&'m Live>,
}

impl<'c> Making<'_, 'c> {
    /// What requests can reach that name no version, the versions if there are any, and the redirects, which belong to all
    /// of them.
    pub(super) fn surfaces(
        &self,
        problems: &mut Problems,
    ) -> (Arc<Surface>, Option<Box<Versions>>, Vec<Sent>) {
        let versions = &self.config.versions;
        let default = versions.iter().position(|version| version.default.value);
        let (surface, sent) = self.surface(default, problems);
        let surface = Arc::new(surface);
        if versions.is_empty() {
            return (surface, None, sent);
        }
        let mut list = Vec::new();
        for (position, version) in versions.iter().enumerate() {
            let surface = if default == Some(position) {
                Arc::clone(&surface)
            } else if version.services.is_empty() {
                Arc::default()
            } else {
                Arc::new(self.surface(Some(position), problems).0)
            };
            list.push(self.version(version, surface));
        }
        self.check_keys(problems);
        let named = self.named(problems);
        check_overlaps(versions, &named, problems);
        let vary_of_none = vary(named.iter());
        let all = named;
        let ways = all.iter().enumerate().map(|(place, named)| Way {
            version: named.version,
            prefix: named.written.path.as_ref().and_then(|path| prefix(path, problems)),
            // Of what is not there any more, everything is known by what stands behind it.
            strips: versions[named.version].strip.value || versions[named.version].services.is_empty(),
            condition: named.condition.clone(),
            media_type: named.media_type.clone(),
            vary: vary(named_before(&all, place)),
        });
        let ways = ways.collect();
        (surface, Some(Box::new(Versions { list, ways, default, vary: vary_of_none })), sent)
    }

    /// What requests for a version can reach, or what they share.
    fn surface(&self, version: Option<usize>, problems: &mut Problems) -> (Surface, Vec<Sent>) {
        let here = |method: &&Exposed<'_>| method.version.is_none() || method.version == version;
        let exposed: Vec<Exposed<'_>> = self.exposed.iter().filter(here).cloned().collect();
        // What versions share is wrong in each of them.
        let mut found = problems.apart();
        let known = Known { all: self.exposed, fixed: self.fixed, is_complete: self.is_complete };
        let (methods, routes, sent) = routes::build(self.config, &exposed, known, self.catalogue, &mut found);
        problems.join(found);
        // In the order in which they are declared.
        let declared = exposed.iter().filter_map(|exposed| methods.get(&exposed.endpoint.full_name));
        let services = Services::of(declared.cloned());
        let documents = &self.config.documents;
        let comments = if documents.comments.value { Comments::Written } else { Comments::LeftOut };
        let documents = documents.enabled.value.then(|| Documents::new(comments));
        (Surface { methods, services, documents, routes }, sent)
    }

    fn version(&self, version: &settings::Version, surface: Arc<Surface>) -> Version {
        let name: &str = &version.name;
        let kept = self.live.and_then(|live| live.usage(name));
        Version {
            name: name.into(),
            surface,
            headers: headers(version),
            deprecated: version.deprecated.as_ref().map(|moment| moment.time()),
            sunset: version.sunset.as_ref().map(|moment| moment.time()),
            is_empty: version.services.is_empty(),
            gone: gone(version),
            usage: kept.unwrap_or_else(|| Arc::new(Usage::new(name))),
        }
    }

    /// The ways in which requests name versions, the more specific ones first: a longer path, then a host, headers, the
    /// query, the media type, whichever asks for more. Among equals it is the one that is declared first.
    fn named(&self, problems: &mut Problems) -> Vec<Named<'c>> {
        let mut named = Vec::new();
        for (version, settings) in self.config.versions.iter().enumerate() {
            for written in &settings.r#match {
                let (header, query) = (&written.header, &written.query);
                let condition = Written::of(&written.host, header, query, &None).condition(problems);
                let parameters = written.media_type.iter().flat_map(|parameters| parameters.iter());
                let media_type =
                    parameters.map(|(name, value)| (name.to_ascii_lowercase().into(), value.as_str().into()));
                named.push(Named { version, written, condition, media_type: media_type.collect() });
            }
        }
        named.sort_by_key(|named| Reverse(named.rank()));
        named
    }

    /// A name in the query that is to hold an API key is taken out before a version is looked for.
    fn check_keys(&self, problems: &mut Problems) {
        let keys = self.config.identity.api_keys.as_ref();
        let Some(key) = keys.and_then(|keys| keys.query.as_ref()) else { return };
        for name in queries(self.config).filter(|name| name.value == key.value) {
            let text = format!(
                "The query parameter {} is to name a version, but it is to hold API keys.",
                quote(name)
            );
            let problem = Problem::error(text).at(name.place).related(key.place, "here");
            problems.push(problem.hint("Choose another name for one of the two."));
        }
    }
}

/// The names of the parameters of a query that name versions, each once.
pub(super) fn queries(config: &Config) -> impl Iterator<Item = &Located<String>> {
    let mut known = HashSet::new();
    let ways = config.versions.iter().flat_map(|version| version.r#match.iter());
    ways.flat_map(|way| way.queries()).filter(move |name| known.insert(name.as_str()))
}

/// A way in which requests name a version.
struct Named<'c> {
    version: usize,
    written: &'c Located<Match>,
    condition: Condition,
    media_type: Vec<(Box<str>, Box<str>)>,
}

impl Named<'_> {
    /// How much it asks for, so that of two ways of which one holds wherever the other does, the other has more.
    fn rank(&self) -> [usize; 5] {
        let Condition { host, headers, query, .. } = &self.condition;
        let host = host.as_ref().map_or(0, |host| match host {
            Host::Exact(_) => usize::MAX,
            Host::Below(name) => name.len(),
        });
        let pairs = |pairs: &[(Box<str>, Wanted)]| {
            pairs.iter().map(|(_, wanted)| if *wanted == Wanted::Any { 1 } else { 2 }).sum()
        };
        let path = self.written.path.as_ref().map_or(0, |path| path.as_str().len());
        [path, host, pairs(headers), pairs(query), self.media_type.len()]
    }

    /// Whether it is the same as another one.
    fn is_as(&self, other: &Self) -> bool {
        let path = |named: &Self| named.written.path.as_ref().map(|path| path.value.clone());
        let sorted = |named: &Self| {
            let mut condition = named.condition.clone();
            condition.headers.sort_by(|(one, _), (other, _)| one.cmp(other));
            condition.query.sort_by(|(one, _), (other, _)| one.cmp(other));
            let mut media_type = named.media_type.clone();
            media_type.sort();
            (condition, media_type)
        };
        path(self) == path(other) && sorted(self) == sorted(other)
    }
}

/// Reports what names two versions.
fn check_overlaps(versions: &[settings::Version], named: &[Named<'_>], problems: &mut Problems) {
    for (position, one) in named.iter().enumerate() {
        // What is the same has the same rank, so it stands close by.
        let equal = named[..position].iter().rev().take_while(|other| other.rank() == one.rank());
        let Some(first) = equal.filter(|other| other.version != one.version).find(|other| one.is_as(other))
        else {
            continue;
        };
        let name = |named: &Named<'_>| quote(&versions[named.version].name);
        let text = format!("The versions {} and {} are named in the same way.", name(first), name(one));
        let problem =
            Problem::error(text).at(one.written.place).related(first.written.place, "the other one");
        problems.push(
            problem.hint("Change one of the two, or add a condition to one of them, which then goes first."),
        );
    }
}

/// What the answers of a version say of it.
fn headers(version: &settings::Version) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let mut add = |name: &HeaderName, value: String| {
        // The configuration has checked what stands in them.
        headers.extend(HeaderValue::try_from(value).ok().map(|value| (name.clone(), value)));
    };
    let (deprecated, sunset) = (version.deprecated.as_ref(), version.sunset.as_ref());
    if let Some(moment) = deprecated {
        // A date of structured fields. It may lie in the future (RFC 9745, section 2.1).
        add(&DEPRECATION, format!("@{}", moment.unix()));
    }
    if let Some(moment) = sunset {
        add(&SUNSET, moment.http_date());
    }
    if let Some(link) = &version.link {
        let relations = [deprecated.map(|_| "deprecation"), sunset.map(|_| "sunset")];
        for relation in relations.into_iter().flatten() {
            add(&LINK, format!("<{}>; rel=\"{relation}\"", link.as_str()));
        }
    }
    if let Some(successor) = &version.successor {
        add(&LINK, format!("<{}>; rel=\"successor-version\"", successor.as_str()));
    }
    headers
}

/// What callers of a version are told that has ended. The code is the one of methods that there are not: a client has
/// to be changed, and NOT_FOUND would tell it that what it looks for has been deleted.
fn gone(version: &settings::Version) -> Status {
    let since = version.sunset.as_ref().map(|moment| format!(" on {}", moment.value)).unwrap_or_default();
    let mut text = format!("The version {} of this API has ended{since}.", version.name.value);
    if let Some(link) = version.link.as_ref().or(version.successor.as_ref()) {
        text.push_str(&format!(" See {}.", link.as_str()));
    }
    Status::caller(Code::Unimplemented, text).with_http(410)
}

/// The headers that are looked at before a way is found: those of ways that hold for the same paths.
fn named_before<'n, 'c>(all: &'n [Named<'c>], place: usize) -> impl Iterator<Item = &'n Named<'c>> {
    let found = &all[place];
    all[..=place].iter().filter(move |other| {
        let (Some(one), Some(other)) = (&found.written.path, &other.written.path) else { return true };
        one.is_below(other) || other.is_below(one)
    })
}

fn vary<'n, 'c: 'n>(ways: impl Iterator<Item = &'n Named<'c>>) -> Option<HeaderValue> {
    let mut names = BTreeSet::new();
    for way in ways {
        names.extend(way.condition.headers.iter().map(|(name, _)| &**name));
        if !way.media_type.is_empty() {
            names.insert("accept");
        }
    }
    let names: Vec<_> = names.into_iter().collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
}
