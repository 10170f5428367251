//! Beginnings of paths that stand for others, before a route is looked for.

use super::condition::{Asked, Condition};
use super::prefix::Prefix;

/// A beginning of paths that stands for another one.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// What paths begin with.
    pub prefix: Prefix,
    /// What stands in its place.
    pub to: Prefix,
    /// For which requests.
    pub condition: Condition,
}

/// All rewrites. Of those that fit a request one is taken, once: the longest, and of several of the same length the one
/// whose condition is the most specific, or else the first.
#[derive(Clone, Debug, Default)]
pub struct Rewrites(Vec<Rewrite>);

impl Rewrites {
    /// Those of a configuration, in its order.
    pub fn new(mut list: Vec<Rewrite>) -> Self {
        list.sort_by(|one, other| {
            let longer = other.prefix.segments().len().cmp(&one.prefix.segments().len());
            longer.then_with(|| one.condition.order(&other.condition))
        });
        Self(list)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Rewrite> {
        self.0.iter()
    }

    /// What stands for the path of a request; `None` where that stays.
    pub fn apply(&self, path: &str, asked: &impl Asked) -> Option<String> {
        let mut fitting = self.0.iter().filter_map(|rewrite| Some((rewrite, rewrite.prefix.rest(path)?)));
        let (rewrite, rest) = fitting.find(|(rewrite, _)| rewrite.condition.holds(asked))?;
        (rewrite.prefix != rewrite.to).then(|| rewrite.to.with(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::condition::Host;

    struct At(&'static str);

    impl Asked for At {
        fn host(&self) -> Option<&str> {
            Some(self.0)
        }

        fn header<'a>(&'a self, _: &'a str) -> impl Iterator<Item = &'a [u8]> {
            std::iter::empty()
        }

        fn query(&self) -> &str {
            ""
        }
    }

    #[test]
    fn the_longest_is_taken_once() {
        let rewrite = |prefix, to, host| Rewrite {
            prefix: Prefix::parse(prefix).unwrap(),
            to: Prefix::parse(to).unwrap(),
            condition: Condition { host: Host::parse(host), ..Condition::default() },
        };
        let rewrites = Rewrites::new(vec![
            rewrite("/api", "/", ""),
            rewrite("/api", "/a", "*.example"),
            rewrite("/api", "/b", "b.example"),
            rewrite("/api/v1", "/api/v1", ""),
            rewrite("/api/v2/x", "/api", ""),
            rewrite("/only", "/", "c.example"),
        ]);
        for (host, path, expected) in [
            ("other", "/api/orders/a%2Fb", Some("/orders/a%2Fb")),
            ("other", "/api", Some("/")),
            ("other", "/api/api/x", Some("/api/x")),
            ("a.example", "/api/orders", Some("/a/orders")),
            ("b.example", "/api/orders", Some("/b/orders")),
            ("b.example", "/api/v1/orders", None),
            ("other", "/api/v2/x/y", Some("/api/y")),
            ("other", "/only/x", None),
            ("c.example:80", "/only/x", Some("/x")),
            ("other", "/orders", None),
        ] {
            assert_eq!(rewrites.apply(path, &At(host)).as_deref(), expected, "{host} {path}");
        }
    }
}
