//! The table of routes: which one answers a method and a path.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::decode::PathError;
use super::path::Segments;
use super::template::{Template, Variable};
use super::trie::{MAX_WEIGHT, TooManyOverlaps, Trie};

/// Most routes in a table.
pub const MAX_ROUTES: usize = 1 << 20;

/// Longest method name, in bytes.
pub const MAX_METHOD: usize = 64;

/// The method of a rule for every method, the custom kind `*` of `google.api.HttpRule`.
const EVERY: &str = "*";

/// What a route for every method answers, for `Allow`.
const COMMON_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Routes by template and method, generic over what they lead to.
///
/// - The most specific template that has the method answers, whatever the order of insertion. Templates are
///   compared segment by segment from the left: a literal is more specific than `*`, `*` than `**`, and a
///   template that ends than one that goes on with `**`.
/// - `:word` at the end of a path is a verb if a route with this verb fits, and then more specific than every
///   reading as data; otherwise it is data. An encoded colon, `%3A`, is always data.
/// - The method `*` answers every method but TRACE and CONNECT; on the same template a route for the very
///   method wins. HEAD is answered by a route for GET where there is none for HEAD.
/// - Literals are compared with decoded segments. Empty segments match nothing outside of `**`, and a trailing
///   slash is an empty segment.
///
/// # Cost
/// Finding takes one lookup per segment of the path, and a bounded number of them where templates overlap; it
/// does not grow with the number of routes beyond the logarithm of such a lookup. A path without captures and
/// escapes allocates nothing. See [`Table::insert`] for the bound.
///
/// ```
/// use transom::route::table::{Found, Table};
/// use transom::route::template::Template;
///
/// let mut table = Table::new();
/// table.insert("GET", Template::parse("/v1/{name=shelves/*}")?, "GetShelf")?;
/// let Found::Match { route, captures } = table.find("GET", "/v1/shelves/poems") else { panic!("no match") };
/// assert_eq!(*route.target(), "GetShelf");
/// assert_eq!(captures[0].value, "shelves/poems");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Table<T> {
    routes: Vec<Route<T>>,
    trie: Trie<Methods>,
    /// Every verb of every template, so that a colon in a path of data costs one lookup.
    verbs: BTreeSet<Box<str>>,
}

/// The first route of each method at the end of one template, as an index.
type Methods = BTreeMap<Box<str>, usize>;

/// One route of a table.
#[derive(Debug)]
pub struct Route<T> {
    method: Box<str>,
    template: Template,
    target: T,
    /// The one that is tried after it, on the same template with the same method.
    next: Option<usize>,
}

impl<T> Route<T> {
    /// The method, or `*` for every method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The template. A [`Capture`] refers to its variables.
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// What the route leads to.
    pub const fn target(&self) -> &T {
        &self.target
    }

    /// What a path that the template fits has for each of its variables, in their order and as it was sent: nothing of
    /// it is decoded, so that it says the same in another path.
    pub fn raw<'p>(&self, path: &'p str) -> Vec<&'p str> {
        let variables = self.template.variables();
        let Ok(Some(whole)) = Segments::split(path) else { return vec![""; variables.len()] };
        let colon = if self.template.verb().is_some() { whole.verb() } else { None };
        let path = colon.and_then(|(colon, _)| whole.without_verb(colon).ok()).unwrap_or(whole);
        variables.iter().map(|variable| path.raw(variable.span(), variable.is_open())).collect()
    }
}

/// What became of a rule that was inserted.
#[derive(Debug)]
#[must_use]
pub enum Inserted<'t, T> {
    /// It is a route now.
    New,
    /// A route with the same method, verb and segments, whatever its variables are called, was there before and
    /// stays. The new rule is handed back, so that the caller can warn. Where routes have an order among themselves
    /// ([`Table::insert_among`]), it is one that has none with the new one.
    Conflict {
        /// The route that was declared first.
        first: &'t Route<T>,
        /// The rule that was not inserted.
        refused: Route<T>,
    },
}

/// Why a rule cannot be inserted at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The method is not `*` and not a token of RFC 9110 section 5.6.2 of at most [`MAX_METHOD`] bytes.
    Method(String),
    /// With this template too many templates would fit one path.
    Overlaps(Box<str>),
    /// The table has [`MAX_ROUTES`] routes.
    Full,
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(
                f,
                "`{}` is not an HTTP method. Write a name such as GET, POST or PURGE, of at most {MAX_METHOD} \
                 letters, digits and !#$%&'*+-.^_`|~ characters, or `*` for every method.",
                method.chars().take(MAX_METHOD).collect::<String>().escape_debug()
            ),
            Self::Overlaps(template) => write!(
                f,
                "The path template `{template}` overlaps with too many others: a single path could fit more than \
                 {MAX_WEIGHT} beginnings of templates. Replace `*` by text in some of them."
            ),
            Self::Full => write!(
                f,
                "There are more than {MAX_ROUTES} routes. Divide the services among several gateways."
            ),
        }
    }
}

impl std::error::Error for InsertError {}

/// A value that a path gives to a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture<'p> {
    /// The index of the variable among those of the route's template.
    pub variable: usize,
    /// The value, decoded once; `%2F` stays as it was sent in a variable of several segments. It is a slice of
    /// the path where nothing had to be decoded.
    pub value: Cow<'p, str>,
}

/// The answer of [`Table::find`].
#[derive(Debug)]
pub enum Found<'a, T> {
    /// A route answers.
    Match {
        /// The route.
        route: &'a Route<T>,
        /// A value for every variable of its template, in their order.
        captures: Vec<Capture<'a>>,
    },
    /// Templates fit the path, but none of them has the method.
    MethodNotAllowed {
        /// The methods that would be answered, sorted, with HEAD where there is GET, and with OPTIONS.
        allow: Vec<&'a str>,
    },
    /// No template fits the path.
    NotFound,
    /// The path cannot be decoded, or has dot segments.
    BadPath(PathError),
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} routes)", self.routes.len())
    }
}

impl<T> Table<T> {
    /// A table without routes.
    pub fn new() -> Self {
        Self { routes: Vec::new(), trie: Trie::new(), verbs: BTreeSet::new() }
    }

    /// The routes in the order in which they were inserted.
    pub fn routes(&self) -> &[Route<T>] {
        &self.routes
    }

    /// Inserts a rule. The method is compared by case; `*` stands for every method.
    ///
    /// # Errors
    /// A method that is none, too many routes, or templates that overlap so much that a single path would fit
    /// more than 4,096 beginnings of templates. The table is unchanged then.
    pub fn insert(
        &mut self,
        method: &str,
        template: Template,
        target: T,
    ) -> Result<Inserted<'_, T>, InsertError> {
        self.insert_among(method, template, target, |_, _| None)
    }

    /// Inserts a rule beside others of the same method on the same template, of which [`Table::find_where`] takes the
    /// first that holds. `order` compares the target of the new one with that of another: it is tried before those that
    /// it is less than, and behind all others. Without an order among the two only the first can be there.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert_among(
        &mut self,
        method: &str,
        template: Template,
        target: T,
        order: impl Fn(&T, &T) -> Option<Ordering>,
    ) -> Result<Inserted<'_, T>, InsertError> {
        if !is_method(method) {
            return Err(InsertError::Method(method.to_owned()));
        }
        if self.routes.len() == MAX_ROUTES {
            return Err(InsertError::Full);
        }
        let verb = template.verb().unwrap_or_default();
        let methods = match self.trie.end_mut(template.segments(), verb) {
            Ok(methods) => methods,
            Err(TooManyOverlaps) => return Err(InsertError::Overlaps(template.as_str().into())),
        };
        let mut route = Route { method: method.into(), template, target, next: None };
        let new = self.routes.len();
        match methods.get_mut(method) {
            None => drop(methods.insert(method.into(), new)),
            Some(first) => {
                let among = Among::of(&self.routes, *first, |other| order(&route.target, other));
                let (before, behind) = match among {
                    Among::Unordered(index) => {
                        return Ok(Inserted::Conflict { first: &self.routes[index], refused: route });
                    }
                    Among::Between(before, behind) => (before, behind),
                };
                route.next = behind;
                match before {
                    Some(before) => self.routes[before].next = Some(new),
                    None => *first = new,
                }
            }
        }
        if let Some(verb) = route.template.verb()
            && !self.verbs.contains(verb)
        {
            self.verbs.insert(verb.into());
        }
        self.routes.push(route);
        Ok(Inserted::New)
    }

    /// Finds the route for a method and the path of a request, without its query.
    ///
    /// A path that is refused is refused whether or not a template would have fitted.
    pub fn find<'a>(&'a self, method: &str, path: &'a str) -> Found<'a, T> {
        self.find_where(method, path, |_| true)
    }

    /// The same among the routes whose target `holds`, as if there were no others.
    pub fn find_where<'a>(&'a self, method: &str, path: &'a str, holds: impl Fn(&T) -> bool) -> Found<'a, T> {
        let readings = match self.readings(path) {
            Ok(readings) => readings,
            Err(error) => return Found::BadPath(error),
        };
        for Reading { path, verb } in readings.iter().flatten() {
            let pick = |methods: &Methods| pick(methods, method, |first| self.holding(first, &holds));
            if let Some(index) = self.trie.walk(path, verb, pick) {
                let route = &self.routes[index];
                return Found::Match { route, captures: captures(route.template.variables(), path) };
            }
        }
        match self.allow(&readings, &holds) {
            Some(allow) => Found::MethodNotAllowed { allow },
            None => Found::NotFound,
        }
    }

    /// How the path can be read, in the order in which the readings are tried: with a verb, if it ends with one
    /// that some template has, and as data. None at all for a path that does not begin with a slash.
    fn readings<'a>(&self, path: &'a str) -> Result<[Option<Reading<'a>>; 2], PathError> {
        let Some(path) = Segments::split(path)? else { return Ok([None, None]) };
        let verb = if self.verbs.is_empty() { None } else { path.verb() };
        let cut = match verb.filter(|(_, verb)| self.verbs.contains(&**verb)) {
            Some((colon, verb)) => Some(Reading { path: path.without_verb(colon)?, verb }),
            None => None,
        };
        Ok([cut, Some(Reading { path, verb: Cow::Borrowed("") })])
    }

    /// The first route that holds, of this one and those behind it.
    fn holding(&self, first: usize, holds: &impl Fn(&T) -> bool) -> Option<usize> {
        let mut at = Some(first);
        while let Some(index) = at {
            let route = &self.routes[index];
            if holds(&route.target) {
                return at;
            }
            at = route.next;
        }
        None
    }

    /// The methods of all templates that fit and have a route that holds; `None` if none does.
    fn allow(&self, readings: &[Option<Reading<'_>>], holds: &impl Fn(&T) -> bool) -> Option<Vec<&str>> {
        let mut allow = BTreeSet::new();
        for Reading { path, verb } in readings.iter().flatten() {
            self.trie.walk(path, verb, |methods| {
                let holding = methods.iter().filter(|(_, first)| self.holding(**first, holds).is_some());
                allow.extend(holding.map(|(method, _)| &**method));
                None::<()>
            });
        }
        if allow.is_empty() {
            return None;
        }
        if allow.remove(EVERY) {
            allow.extend(COMMON_METHODS);
        }
        if allow.contains("GET") {
            allow.insert("HEAD");
        }
        allow.insert("OPTIONS");
        Some(allow.into_iter().collect())
    }
}

/// A path as templates may fit it: its segments, and its verb or the empty text.
struct Reading<'p> {
    path: Segments<'p>,
    verb: Cow<'p, str>,
}

/// Where a new route belongs among those of its method and template.
enum Among {
    /// It has no order with this one.
    Unordered(usize),
    /// Between these two.
    Between(Option<usize>, Option<usize>),
}

impl Among {
    fn of<T>(routes: &[Route<T>], first: usize, order: impl Fn(&T) -> Option<Ordering>) -> Self {
        let (mut before, mut behind, mut is_found) = (None, None, false);
        let mut at = Some(first);
        while let Some(index) = at {
            match order(&routes[index].target) {
                None => return Self::Unordered(index),
                Some(Ordering::Less) if !is_found => (behind, is_found) = (at, true),
                Some(_) if !is_found => before = at,
                Some(_) => {}
            }
            at = routes[index].next;
        }
        Self::Between(before, behind)
    }
}

/// The route among those of one template that answers a method: the first one that `holding` finds among those of the
/// method.
fn pick(methods: &Methods, method: &str, holding: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    let by_name = |name: &str| methods.get(name).and_then(|&first| holding(first));
    by_name(method)
        .or_else(|| if method == "HEAD" { by_name("GET") } else { None })
        .or_else(|| if matches!(method, "TRACE" | "CONNECT") { None } else { by_name(EVERY) })
}

fn captures<'p>(variables: &[Variable], path: &Segments<'p>) -> Vec<Capture<'p>> {
    let value = |variable: &Variable| path.value(variable.span(), variable.is_open());
    variables.iter().map(value).enumerate().map(|(variable, value)| Capture { variable, value }).collect()
}

/// A token of RFC 9110 section 5.6.2; `*` is one.
fn is_method(method: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !method.is_empty() && method.len() <= MAX_METHOD && method.bytes().all(is_token)
}

#[cfg(test)]
mod tests;
