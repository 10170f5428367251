//! Which services a rule is about.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::name::is_full_name;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a service such as shop.v1.Orders, all services of a package as shop.v1.*, those of \
                    its subpackages too as shop.**, or everything as **.";

/// A pattern for full names of services.
///
/// ```text
/// a.b.Service    this service
/// a.b.*          every service of the package a.b
/// a.b.**         every service of a.b and of the packages below it
/// **             every service
/// ```
///
/// No wildcard matches `grpc.*`: reflection, health and the like are the backend's own, and Transom has them too.
/// Only the name of a whole service does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePattern {
    /// The service or package, without the wildcard; empty for `**`.
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Tree,
    Package,
    Service,
}

/// How much a pattern says. Of two that match the same service, the greater one wins; two different
/// patterns that match the same service never have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity {
    segments: usize,
    kind: Kind,
}

impl ServicePattern {
    /// The pattern `**`.
    pub fn everything() -> Self {
        Self { name: String::new(), kind: Kind::Tree }
    }

    /// Whether the pattern covers the service with this full name, such as `shop.v1.Orders`.
    pub fn matches(&self, full_service_name: &str) -> bool {
        if self.kind == Kind::Service {
            return self.name == full_service_name;
        }
        if is_grpc(full_service_name) {
            return false;
        }
        let below = match self.name.as_str() {
            "" => Some(full_service_name),
            package => full_service_name.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')),
        };
        below.is_some_and(|below| self.kind == Kind::Tree || !below.contains('.'))
    }

    /// How much the pattern says.
    pub fn specificity(&self) -> Specificity {
        let segments = if self.name.is_empty() { 0 } else { self.name.split('.').count() };
        Specificity { segments, kind: self.kind }
    }

    /// The service, if the pattern names exactly one.
    pub fn exact(&self) -> Option<&str> {
        (self.kind == Kind::Service).then_some(self.name.as_str())
    }
}

impl fmt::Display for ServicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.name.is_empty() { "" } else { "." };
        match self.kind {
            Kind::Service => f.write_str(&self.name),
            Kind::Package => write!(f, "{}{dot}*", self.name),
            Kind::Tree => write!(f, "{}{dot}**", self.name),
        }
    }
}

impl Scalar for ServicePattern {
    const WHAT: &'static str = "a service pattern such as shop.v1.*";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let (name, kind) = if text == "**" {
            return Ok(Self::everything());
        } else if let Some(package) = text.strip_suffix(".**") {
            (package, Kind::Tree)
        } else if let Some(package) = text.strip_suffix(".*") {
            (package, Kind::Package)
        } else {
            (text, Kind::Service)
        };
        if !is_full_name(name) {
            let message = match text.split_once('/') {
                Some((service, _)) if is_full_name(service) => {
                    format!("{} is a method, but services are exposed as a whole.", quote(text))
                }
                _ => format!("{} is not a service pattern.", quote(text)),
            };
            return Err(Flaw::new(message, HINT));
        }
        if kind != Kind::Service && (is_grpc(name) || name == "grpc") {
            return Err(Flaw::new(
                "Services of the package `grpc` (reflection, health) are exposed by their whole name only.",
                "Remove the pattern: Transom answers them itself. To expose the backend's own instead, name the \
                 service, such as grpc.health.v1.Health.",
            ));
        }
        Ok(Self { name: name.to_owned(), kind })
    }

    fn schema() -> Json {
        let name = "[A-Za-z_][A-Za-z0-9_]*";
        json!({ "type": "string", "pattern": format!("^(\\*\\*|{name}(\\.{name})*(\\.\\*\\*?)?)$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

fn is_grpc(service: &str) -> bool {
    service.starts_with("grpc.")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{HINT, Scalar, ServicePattern};
    use crate::config::value::check;

    fn pattern(text: &str) -> ServicePattern {
        ServicePattern::parse(text, Path::new("")).unwrap()
    }

    #[test]
    fn patterns_are_parsed() {
        let grpc = (
            "Services of the package `grpc` (reflection, health) are exposed by their whole name only.",
            "Remove the pattern: Transom answers them itself. To expose the backend's own instead, name the service, \
             such as grpc.health.v1.Health.",
        );
        check::<ServicePattern>(&[
            ("**", Ok("**")),
            ("shop.v1.*", Ok("shop.v1.*")),
            ("shop.**", Ok("shop.**")),
            ("shop.v1.Orders", Ok("shop.v1.Orders")),
            ("Greeter", Ok("Greeter")),
            ("grpc", Ok("grpc")),
            ("grpcx.*", Ok("grpcx.*")),
            ("*", Err(("`*` is not a service pattern.", HINT))),
            ("shop.*.Orders", Err(("`shop.*.Orders` is not a service pattern.", HINT))),
            ("shop.v1.Order*", Err(("`shop.v1.Order*` is not a service pattern.", HINT))),
            (".shop.Orders", Err(("`.shop.Orders` is not a service pattern.", HINT))),
            ("shop..Orders", Err(("`shop..Orders` is not a service pattern.", HINT))),
            ("1shop.Orders", Err(("`1shop.Orders` is not a service pattern.", HINT))),
            ("", Err(("`` is not a service pattern.", HINT))),
            (
                "shop.Orders/Get",
                Err(("`shop.Orders/Get` is a method, but services are exposed as a whole.", HINT)),
            ),
            ("grpc.*", Err(grpc)),
            ("grpc.**", Err(grpc)),
            ("grpc.health.v1.*", Err(grpc)),
            ("grpc.health.v1.Health", Ok("grpc.health.v1.Health")),
        ]);
    }

    #[test]
    fn patterns_match_whole_segments_and_grpc_by_name_alone() {
        for (text, service, expected) in [
            ("**", "shop.v1.Orders", true),
            ("**", "Greeter", true),
            ("**", "grpc.health.v1.Health", false),
            ("grpc.health.v1.Health", "grpc.health.v1.Health", true),
            ("shop.v1.*", "shop.v1.Orders", true),
            ("shop.v1.*", "shop.v1.admin.Orders", false),
            ("shop.v1.*", "shop.v10.Orders", false),
            ("shop.v1.*", "shop.v1", false),
            ("shop.**", "shop.v1.Orders", true),
            ("shop.**", "shop.Orders", true),
            ("shop.**", "shopping.Orders", false),
            ("shop.**", "shop", false),
            ("shop.v1.Orders", "shop.v1.Orders", true),
            ("shop.v1.Orders", "shop.v1.OrdersV2", false),
        ] {
            assert_eq!(pattern(text).matches(service), expected, "{text} {service}");
        }
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let order = ["**", "shop.**", "shop.*", "shop.v1.**", "shop.v1.*", "shop.v1.Orders"];
        for pair in order.windows(2) {
            assert!(pattern(pair[0]).specificity() < pattern(pair[1]).specificity(), "{pair:?}");
        }
    }
}
