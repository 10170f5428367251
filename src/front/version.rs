//! Which version of an API a request asks for, and what its answer says of that version.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::Uri;
use http::header::{ACCEPT, CONTENT_TYPE, LINK, VARY};

use super::head::Head;
use super::seen::Seen;
use super::target;
use super::view::View;
use crate::call;
use crate::codec::multipart::parameters;
use crate::route::prefix::Prefix;
use crate::route::query::pairs;
use crate::snapshot::surface::Surface;
use crate::snapshot::version::{Version, Versions, Way};
use crate::snapshot::{Endpoint, Snapshot};
use crate::status::Status;

/// How many media types of Accept are looked at.
const MAX_RANGES: usize = 50;

/// What a request asks for where there are versions.
#[derive(Debug)]
pub(super) struct Asked<'s> {
    versions: &'s Versions,
    /// Absent where it names none and there is no default.
    version: Option<&'s Version>,
    /// The way in which it names the version; absent for the default.
    way: Option<&'s Way>,
    /// What has been taken away from the beginning of its path.
    pub(super) prefix: &'s str,
    /// Whether the version has ended.
    is_over: bool,
}

/// What calls for a version are told that has ended.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    status: Status,
    /// Whether the version was named, so that it holds for whatever it shares with other versions too.
    is_named: bool,
}

impl Gone {
    /// What is told in place of what all versions share.
    pub(super) fn of_shared(&self) -> Option<&Status> {
        self.is_named.then_some(&self.status)
    }

    /// What a call of a method is told in place of being made.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Option<&Status> {
        (self.is_named || endpoint.version.is_some()).then_some(&self.status)
    }
}

/// Finds the version that a request asks for. What names it in path and query is taken out of its target.
pub(super) fn asked<'s>(
    versions: &'s Versions,
    head: &mut Head,
    now: impl FnOnce() -> SystemTime,
) -> Asked<'s> {
    let way = versions.ways.iter().find(|way| holds(way, head));
    let position = way.map_or(versions.default, |way| Some(way.version));
    let version = position.and_then(|position| versions.list.get(position));
    let mut prefix = "";
    if let Some((way, version)) = way.zip(version) {
        let begins = way.prefix.as_ref();
        let path = head.uri.path();
        let rest = begins.and_then(|begins| begins.rest(path));
        let stripped = rest.filter(|rest| way.strips || is_fixed(&version.surface, rest));
        prefix = begins.filter(|_| stripped.is_some()).map_or("", Prefix::as_str);
        let length = stripped.map_or(0, |rest| path.len() - rest.len());
        let names: Vec<&str> = way.condition.query.iter().map(|(name, _)| &**name).collect();
        if stripped.is_some() || !names.is_empty() {
            take_out(length, &names, &mut head.uri);
        }
    }
    let is_over = version.is_some_and(|version| version.is_over(now));
    Asked { versions, version, way, prefix, is_over }
}

impl<'s> Asked<'s> {
    /// What the request can reach; absent for what belongs to no version.
    pub(super) fn surface(&self) -> Option<&'s Surface> {
        self.version.map(|version| &*version.surface)
    }

    /// What else requests can reach that say the same with the headers that a browser does not send with the question
    /// whether it may send them.
    pub(super) fn others(&self) -> impl Iterator<Item = &'s Surface> {
        let is_known = self.way.is_some_and(|way| way.prefix.is_some());
        self.versions.list.iter().filter(move |_| !is_known).map(|version| &*version.surface)
    }

    /// What calls are told if the version has ended.
    pub(super) fn gone(&self) -> Option<Box<Gone>> {
        let status = self.over()?.clone();
        Some(Box::new(Gone { status, is_named: self.way.is_some() }))
    }

    /// What is told in place of that there is nothing.
    pub(super) fn over(&self) -> Option<&'s Status> {
        self.version.filter(|_| self.is_over).map(|version| &version.gone)
    }

    /// Completes the headers of an answer.
    pub(super) fn tell(&self, seen: &Seen, headers: &mut HeaderMap) {
        let vary = self.way.map_or(&self.versions.vary, |way| &way.vary);
        if let Some(vary) = vary {
            // What one request is answered is not for one that names another version.
            headers.append(VARY, vary.clone());
        }
        let Some(version) = self.version.filter(|_| self.is_of_version(seen)) else { return };
        for (name, value) in &version.headers {
            // What a backend says of itself is not of the whole version, but its links stay.
            match *name == LINK {
                true => drop(headers.append(name, value.clone())),
                false => drop(headers.insert(name, value.clone())),
            }
        }
    }

    /// Counts the request.
    pub(super) fn count(&self, seen: &Seen, now: impl FnOnce() -> SystemTime) {
        let Some(version) = self.version.filter(|_| self.is_of_version(seen)) else { return };
        version.usage.add();
        if version.is_deprecated() {
            let identity = seen.noted.as_ref().and_then(|noted| noted.identity());
            version.usage.note(identity.map(Arc::as_ref), now());
        }
    }

    /// Whether the answer is one of the version: to a request that has named it, or of one of its own methods.
    fn is_of_version(&self, seen: &Seen) -> bool {
        let is_own =
            |seen: &Seen| seen.route.as_ref().is_some_and(|(route, _)| route.endpoint.version.is_some());
        self.way.is_some() || self.is_over && seen.route.is_none() || is_own(seen)
    }
}

/// Whether a request names a version in this way.
fn holds(way: &Way, head: &Head) -> bool {
    let begins = way.prefix.as_ref().is_none_or(|prefix| prefix.rest(head.uri.path()).is_some());
    let asked = call::asked::Asked::of(&head.uri, &head.headers);
    begins
        && way.condition.holds(&asked)
        && way.media_type.iter().all(|wanted| has_parameter(&head.headers, wanted))
}

/// Whether a path is one that Transom gives to methods, services and documents of the surface.
fn is_fixed(surface: &Surface, path: &str) -> bool {
    if let Some(service) = path.strip_prefix("/soap/") {
        return surface.services.find(service).is_some();
    }
    if path.starts_with("/xsd/") {
        return surface.documents.is_some();
    }
    let method = path.strip_prefix("/ws/").or_else(|| path.strip_prefix('/'));
    method.is_some_and(|name| surface.methods.contains_key(name))
}

/// Whether the media type that is sent, or one that is accepted, has a parameter.
fn has_parameter(headers: &HeaderMap, (name, value): &(Box<str>, Box<str>)) -> bool {
    let has = |media_type: &str| {
        parameters(media_type).is_some_and(|(_, parameters)| {
            parameters.iter().any(|(found, is)| found.eq_ignore_ascii_case(name) && **is == **value)
        })
    };
    let texts = |header| headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    // No parameter that names a version holds a comma, whatever others do.
    let mut ranges = texts(ACCEPT).flat_map(|accept| accept.split(',')).take(MAX_RANGES);
    texts(CONTENT_TYPE).any(has) || ranges.any(|range| has(range.trim()))
}

/// Takes the first bytes of its path, which are a prefix of it, and the parameters with these names out of a target.
fn take_out(prefix: usize, names: &[&str], uri: &mut Uri) {
    let path = uri.path().get(prefix..).filter(|path| !path.is_empty()).unwrap_or("/");
    let is_kept = |part: &&str| match pairs(part, 1).next() {
        Some(Ok((key, _))) => !names.contains(&&*key),
        _ => true,
    };
    let query = uri.query().into_iter().flat_map(|query| query.split('&')).filter(is_kept);
    let left = target::joined(path, &query.collect::<Vec<_>>());
    target::put(uri, left);
}

/// What a request is answered from.
pub(super) fn view<'s>(snapshot: &'s Snapshot, asked: Option<&'s Asked<'s>>) -> View<'s> {
    let surface = asked.and_then(Asked::surface).unwrap_or(&snapshot.surface);
    View { snapshot, surface, asked }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn targets_without_what_names_a_version() {
        for (target, prefix, names, expected) in [
            ("/v1/users?a=1", "/v1", &[][..], "/users?a=1"),
            ("/v1", "/v1", &[], "/"),
            ("/v1/", "/v1", &[], "/"),
            ("/v1?version=2", "/v1", &["version"], "/"),
            ("/a?version=2&b=c%20d&version=3&&e", "", &["version"], "/a?b=c%20d&&e"),
            ("/a?v%65rsion=2", "", &["version"], "/a"),
            ("/a?version", "", &["version"], "/a"),
            ("/a?%zz=2&Version=1", "", &["version"], "/a?%zz=2&Version=1"),
            ("http://host:1/v1/a?b", "/v1", &[], "http://host:1/a?b"),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            take_out(prefix.len(), names, &mut uri);
            assert_eq!(uri.to_string(), expected, "{target}");
        }
    }

    #[test]
    fn prefixes_hold_for_whole_segments() {
        let way = Way {
            version: 0,
            prefix: Some(Prefix::parse("/v1").unwrap()),
            strips: false,
            condition: Default::default(),
            media_type: Vec::new(),
            vary: None,
        };
        // However they are spelt, as routes are.
        for (path, expected) in [
            ("/v1", true),
            ("/v1/", true),
            ("/v1/a", true),
            ("/%76%31/a", true),
            ("/v10", false),
            ("/v1:a", false),
            ("/", false),
        ] {
            let (parts, ()) = http::Request::get(path).body(()).unwrap().into_parts();
            assert_eq!(holds(&way, &Head::from(parts)), expected, "{path}");
        }
    }

    #[test]
    fn media_types_have_parameters() {
        let wanted = ("version".into(), "2".into());
        for (name, value, expected) in [
            ("content-type", "application/json; version=2", true),
            ("content-type", "application/json;charset=utf-8;VERSION=\"2\"", true),
            ("content-type", "application/json; version=3", false),
            ("content-type", "application/json; xversion=2", false),
            ("content-type", "application/json; version", false),
            ("accept", "text/html, application/json; version=2;q=0.5", true),
            ("accept", "text/html;version=1,application/json;version=2", true),
            ("accept", "application/json", false),
            ("x-accept", "application/json;version=2", false),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            assert_eq!(has_parameter(&headers, &wanted), expected, "{name}: {value}");
        }
        let many = format!("{}a/b;version=2", "a/b,".repeat(MAX_RANGES));
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::try_from(many).unwrap())]);
        assert!(!has_parameter(&headers, &wanted), "no more than these are looked at");
    }
}
