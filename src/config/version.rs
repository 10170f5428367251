//! `versions`

use std::ops::Deref;

use serde_json::{Value as Json, json};

use super::node::{Key, Node, Value};
use super::place::Located;
use super::problem::{Problem, quote};
use super::schema::Schemas;
use super::settings::collection::Named;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::settings::{Scalar, Setting};
use super::value::link::Link;
use super::value::moment::Moment;
use super::value::pattern::ServicePattern;
use super::value::prefix::Prefix;

/// How many versions there may be: each has tables of its own.
const MAX_VERSIONS: usize = 100;
/// In how many ways a version may be named.
const MAX_WAYS: usize = 20;

settings! {
    /// A version of the API, beside others: how requests name it, and which services it has.
    pub struct Version {
        /// What it is called, in metrics and in what operators see.
        name: Located<String>,
        /// How requests name it. One of these has to hold.
        r#match: Vec<Located<Match>> = Vec::new(),
        /// Whether requests are for this version that name none.
        default: Located<bool> = false.into(),
        /// Whether routes are looked for without the path that names the version. If not, they have to begin with it.
        strip: Located<bool> = false.into(),
        /// The services that belong to it and to no other that does not name them too: patterns, each with the upstream
        /// that answers (`shop.v1.Users: users-v1`), or as a list where there is nothing to choose. What no version names is
        /// in all of them. A version without services has ended.
        services: Services = Services::default(),
        /// Since when callers should use another one; it may be still to come. Answers say so (RFC 9745).
        deprecated: Option<Located<Moment>> = None,
        /// When it ends. Answers say so (RFC 8594), and are 410 from then on.
        sunset: Option<Located<Moment>> = None,
        /// Where people can read about that.
        link: Option<Located<Link>> = None,
        /// Where the version is that comes after it.
        successor: Option<Located<Link>> = None,
    }
    check check(name)
    example "Write `- {name: v1, match: [{path: /v1}], services: {shop.v1.Users: users-v1}}`."
}

settings! {
    /// A way in which requests name a version. All of what is written has to hold.
    pub struct Match {
        /// The beginning of the path, such as `/v1`.
        path: Option<Located<Prefix>> = None,
        /// The host, such as `v1.api.example`, or `*.v1.example` for all names below one.
        host: Option<Located<String>> = None,
        /// Headers and what they say, such as `{x-api-version: "2"}`; `"*"` stands for anything.
        header: Option<Named<Located<String>>> = None,
        /// Parameters of the query and what they say. They are taken out before the request is read.
        query: Option<Named<Located<String>>> = None,
        /// Parameters of the media type of Content-Type, or of one in Accept: `{version: "2"}` for
        /// `application/json; version=2`.
        media_type: Option<Named<Located<String>>> = None,
    }
    example "Write `{path: /v1}`, or header, query, media_type or host: `{header: {x-api-version: \"1\"}}`."
}

impl Match {
    /// Whether it says nothing, so that it holds for every request.
    fn is_empty(&self) -> bool {
        let pairs = [&self.header, &self.query, &self.media_type];
        self.path.is_none() && self.host.is_none() && pairs.iter().all(|pairs| pairs.is_none())
    }

    /// The names of the parameters of the query.
    pub fn queries(&self) -> impl Iterator<Item = &Located<String>> {
        self.query.iter().flat_map(|query| query.iter()).map(|(name, _)| name)
    }
}

/// The services of a version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Services(Vec<Assigned>);

/// Services of a version, and what answers them.
#[derive(Clone, Debug, PartialEq)]
pub struct Assigned {
    /// Which services.
    pub service: Located<ServicePattern>,
    /// The upstream; absent for the one of the service's settings, or the only one that defines it.
    pub upstream: Option<Located<String>>,
}

impl Deref for Services {
    type Target = [Assigned];

    fn deref(&self) -> &[Assigned] {
        &self.0
    }
}

impl Setting for Services {
    const WHAT: &'static str = "a mapping of services to upstreams";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let all: Vec<Option<Assigned>> = if let Value::List(_) = &node.value {
            let patterns: Vec<Located<ServicePattern>> = Vec::read(node, reader)?;
            patterns.into_iter().map(|service| Some(Assigned { service, upstream: None })).collect()
        } else {
            let hint = "Write `shop.v1.Users: users-v1`, or a list: `[shop.v1.Users]`.";
            let entries = reader.entries(node, hint)?;
            reader.unique(entries);
            entries.iter().map(|(key, value)| assigned(key, value, reader)).collect()
        };
        all.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let list = Vec::<ServicePattern>::schema(schemas);
        let map = json!({
            "type": "object",
            "propertyNames": <ServicePattern as Scalar>::schema(),
            "additionalProperties": { "type": ["string", "null"] },
        });
        json!({ "anyOf": [map, list] })
    }

    fn written(&self) -> Option<Json> {
        let entry = |assigned: &Assigned| {
            let upstream = assigned.upstream.as_ref().map_or(Json::Null, |upstream| upstream.as_str().into());
            (assigned.service.value.to_string(), upstream)
        };
        Some(Json::Object(self.0.iter().map(entry).collect()))
    }
}

fn assigned(key: &Key, value: &Node, reader: &mut Reader<'_>) -> Option<Assigned> {
    let node = Node { place: key.place, value: Value::Text(key.text.clone()) };
    reader.within_key(&key.text, |reader| {
        let service = Located::<ServicePattern>::read(&node, reader);
        let upstream = match &value.value {
            Value::Null => None,
            _ => Some(Located::<String>::read(value, reader)?),
        };
        if let Some(name) = &upstream {
            reader.refers_to_upstream(name);
        }
        Some(Assigned { service: service?, upstream })
    })
}

impl Version {
    fn check(reader: &mut Reader<'_>, name: Option<&Located<String>>) {
        let Some(name) = name else { return };
        reader.once("version", name);
        let key = name.place.map(|place| Key { text: name.value.clone(), place });
        let _ = key.and_then(|key| reader.name(&key));
    }
}

impl Reader<'_> {
    /// Reports what versions say against themselves and against one another.
    pub(super) fn check_versions(&mut self, versions: &[Version]) {
        let mut defaults = versions.iter().map(|version| &version.default).filter(|default| default.value);
        if let (Some(first), Some(second)) = (defaults.next(), defaults.next()) {
            let text = "Two versions are the one of requests that name none.";
            let problem = Problem::error(text).at(second.place).related(first.place, "the other one");
            self.problems.push(problem.hint("Keep `default: true` in one of them."));
        }
        if let Some(version) = versions.get(MAX_VERSIONS) {
            let text = format!("There are {} versions. At most {MAX_VERSIONS} are allowed.", versions.len());
            let problem = Problem::error(text).at(version.name.place);
            self.problems.push(problem.hint("Leave out those that have ended long ago."));
        }
        for version in versions {
            self.check_ways(version);
            self.check_end(version);
        }
    }

    /// Reports a version that no request names, or every one.
    fn check_ways(&mut self, version: &Version) {
        let (name, ways) = (&version.name, &version.r#match);
        if ways.is_empty() && !version.default.value {
            let problem =
                Problem::error(format!("No request names the version {}.", quote(name))).at(name.place);
            let hint = "Say how requests do: `match: [{path: /v1}]`, or write `default: true`.";
            self.problems.push(problem.hint(hint));
        }
        if let Some(way) = ways.get(MAX_WAYS) {
            let count = ways.len();
            let text = format!(
                "The version {} is named in {count} ways. At most {MAX_WAYS} are allowed.",
                quote(name)
            );
            self.problems.push(Problem::error(text).at(way.place).hint("Leave some of them out."));
        }
        for way in ways.iter().filter(|way| way.is_empty()) {
            let problem = Problem::error(format!("This names the version {} in every request.", quote(name)));
            let hint =
                "Write path, host, header, query or media_type, or leave it out and write `default: true`.";
            self.problems.push(problem.at(way.place).hint(hint));
        }
        // A socket has words of its own in the query, which are taken out of it as well.
        let taken = |query: &&Located<String>| ["access_token", "trailers"].contains(&query.as_str());
        for query in ways.iter().flat_map(|way| way.queries()).filter(taken) {
            let text =
                format!("The query parameter {} has a meaning of its own on WebSockets.", quote(query));
            self.problems
                .push(Problem::error(text).at(query.place).hint("Choose another name for the version."));
        }
    }

    /// Reports dates that do not fit.
    fn check_end(&mut self, version: &Version) {
        let (name, deprecated, sunset) = (quote(&version.name), &version.deprecated, &version.sunset);
        if version.services.is_empty() && sunset.is_none() {
            let text =
                format!("The version {name} has no services, so it has ended, but it does not say when.");
            let hint = "Name its services, or write when it ended: `sunset: 2026-01-01`.";
            self.problems.push(Problem::error(text).at(version.name.place).hint(hint));
        }
        if let (Some(deprecated), Some(sunset)) = (deprecated, sunset)
            && sunset.value < deprecated.value
        {
            let problem =
                Problem::error(format!("The version {name} ends before it is deprecated.")).at(sunset.place);
            let problem = problem.related(deprecated.place, "deprecated here");
            self.problems.push(problem.hint("Put `sunset` after `deprecated`, or leave one of them out."));
        }
        if let (None, None, Some(link)) = (deprecated, sunset, &version.link) {
            let text = format!("The version {name} has a link about its end, but it is not said to end.");
            let hint = "Write `deprecated` or `sunset` with a date, or leave `link` out.";
            self.problems.push(Problem::error(text).at(link.place).hint(hint));
        }
    }
}
