//! The text of a starter configuration.

use std::collections::BTreeMap;
use std::fmt;

use crate::snapshot::Snapshot;

/// Where the descriptors come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// The backend itself.
    Reflection,
    /// A descriptor set, by the path that the configuration names.
    Set(String),
}

/// What a starter configuration is about. Displayed, it is the file.
#[derive(Debug)]
pub(super) struct Starter {
    url: String,
    origin: Origin,
    /// The services by name; never none.
    services: BTreeMap<String, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    methods: usize,
    routes: usize,
}

impl Starter {
    /// A configuration for the services of a snapshot, with their backend at `url`.
    pub(super) fn new(url: &str, origin: Origin, snapshot: &Snapshot) -> Self {
        let mut services: BTreeMap<String, Counts> = BTreeMap::new();
        for endpoint in snapshot.exposed().map(|own| &own.endpoint) {
            services.entry(service(&endpoint.full_name).to_owned()).or_default().methods += 1;
        }
        for route in snapshot.surface.routes.routes() {
            let method = &route.target().endpoint.full_name;
            services.entry(service(method).to_owned()).or_default().routes += 1;
        }
        Self { url: url.to_owned(), origin, services }
    }

    /// What it exposes, in a few words.
    pub(super) fn summary(&self) -> String {
        let methods = self.services.values().map(|counts| counts.methods).sum();
        format!("{} with {}", count(self.services.len(), "service"), count(methods, "method"))
    }

    /// A name for the upstream: the first part of the package, such as `shop` of `shop.v1.Orders`.
    fn upstream(&self) -> &str {
        let package = |name: &str| name.contains('.');
        let first = self.services.keys().find(|name| package(name)).and_then(|name| name.split('.').next());
        first
            .filter(|name| name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_alphanumeric()))
            .unwrap_or("backend")
    }
}

/// The service of a method's full name.
fn service(method: &str) -> &str {
    method.rsplit_once('/').map_or(method, |(service, _)| service)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A text as a YAML scalar in which no variable is looked for.
fn quoted(text: &str) -> String {
    // JSON's strings are YAML's, in double quotes.
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

impl fmt::Display for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        match &self.origin {
            Origin::Reflection => f.write_str(REFLECTION)?,
            Origin::Set(path) => write!(f, "{SET}  - set: {}\n\n", quoted(path))?,
        }
        let (name, url) = (self.upstream(), quoted(&self.url));
        write!(f, "upstreams:\n  {name}:\n    targets: [{url}]\n{UPSTREAM}{SERVICES}")?;
        for (index, (service, counts)) in self.services.iter().enumerate() {
            let what = format!("{}, {}", count(counts.methods, "method"), count(counts.routes, "route"));
            match index {
                0 => write!(f, "  - service: {service}    # {what}\n{SETTINGS}")?,
                _ => writeln!(f, "  - {service}    # {what}")?,
            }
        }
        f.write_str(TAIL)
    }
}

const HEAD: &str = "\
# yaml-language-server: $schema=transom.schema.json
#
# Transom makes gRPC services a REST/JSON API. With this file:
#
#     transom check     says what is wrong with it, all at once
#     transom routes    lists what is reachable
#     transom serve     runs it
#
# A key directly behind a # shows what holds without it; take the # away to change that. ${NAME:-value} is the
# environment variable NAME, or the value when it is not set.

listeners:
  # HTTP/1.1 and HTTP/2 without TLS on one port. Only this machine reaches it; 0.0.0.0:8080 is for all that can.
  - address: ${TRANSOM_ADDRESS:-127.0.0.1:8080}

";

const REFLECTION: &str = "\
# What the services look like is asked of the backend, by gRPC reflection, when Transom starts. A descriptor set, made
# with `protoc --include_imports -o` or `buf build -o`, takes its place with
#     descriptors:
#       - set: FILE

";

const SET: &str = "\
descriptors:
  # What the services look like. A relative path starts at the folder of this file.
";

const UPSTREAM: &str = "    \
    # Several targets share the calls (docs/upstreams.md). How long a unary call may take, and making a connection:
    #timeout: 15s
    #connect_timeout: 1s

";

const SERVICES: &str = "\
services:
  # What is exposed; what is not listed is not reachable. a.b.* stands for a package, \"**\" for all. Methods with a
  # google.api.http annotation get its routes, the others POST /package.Service/Method.
";

const SETTINGS: &str = "    \
    #http: auto
    #json: { names: camel, defaults: omit, enums: name, unknown_fields: reject, unknown_query: reject }
    #errors: { form: status, expose: [] }
    #metadata: { request: [], response: [] }
";

const TAIL: &str = "
# Routes that no annotation declares:
#     routes:
#       - { path: \"/v1/orders/{id}\", method: GET, call: shop.v1.Orders/GetOrder }

# What is larger is refused, what is slower is cut.
#http: { body: 4MiB, headers: 60KiB, uri: 8KiB, request_timeout: 60s, idle_timeout: 60s, drain_timeout: 30s }
#codec: { message: 4MiB, json_depth: 64, message_depth: 100 }
";

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::config::load::parse;

    fn starter(origin: Origin, services: &[&str]) -> Starter {
        let services = services.iter().map(|name| ((*name).to_owned(), Counts { methods: 1, routes: 2 }));
        Starter { url: "http://127.0.0.1:50051".into(), origin, services: services.collect() }
    }

    fn read(text: &str) -> Config {
        let read = parse("transom.yaml", text, Path::new(""), &|_: &str| Err(VarError::NotPresent));
        let (config, problems) = read.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert!(problems.is_empty(), "{problems}");
        config
    }

    /// The text with all settings that are shown as comments.
    fn uncommented(text: &str) -> String {
        let line = |line: &str| match line.split_once('#') {
            Some((space, rest)) if space.trim().is_empty() && rest.starts_with(char::is_alphabetic) => {
                format!("{space}{rest}\n")
            }
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn what_is_written_is_valid_and_shows_the_defaults() {
        let table = [
            (Origin::Reflection, &["a.v1.B", "a.v1.C"][..]),
            (Origin::Set("sets/a \"b\" ${HOME} #1: é.binpb".into()), &["Unpackaged"]),
        ];
        for (origin, services) in table {
            let text = starter(origin, services).to_string();
            let config = read(&text);
            assert_eq!(config.services.iter().count(), services.len());
            let all = uncommented(&text);
            assert_eq!(all.lines().count(), text.lines().count());
            assert_eq!(all.matches('#').count() + 8, text.matches('#').count(), "{all}");
            assert_eq!(read(&all), config);
        }
    }

    #[test]
    fn upstreams_are_named_for_their_package() {
        let table = [
            (&["shop.v1.Orders", "store.v1.A"][..], "shop"),
            (&["Plain", "shop.v1.Orders"], "shop"),
            (&["Plain"], "backend"),
            (&["_odd.Service"], "backend"),
        ];
        for (services, expected) in table {
            assert_eq!(starter(Origin::Reflection, services).upstream(), expected);
        }
    }

    #[test]
    fn services_are_listed_with_what_they_have() {
        let starter = starter(Origin::Reflection, &["a.v1.B", "a.v1.C"]);
        assert_eq!(starter.summary(), "2 services with 2 methods");
        let text = starter.to_string();
        assert!(text.starts_with("# yaml-language-server: $schema=transom.schema.json\n"));
        assert!(text.contains("\n  - service: a.v1.B    # 1 method, 2 routes\n"), "{text}");
        assert!(text.contains("\n  - a.v1.C    # 1 method, 2 routes\n"), "{text}");
    }
}
