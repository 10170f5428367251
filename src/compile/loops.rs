//! Redirects that lead in a circle.
//!
//! It is tried out: a request that a redirect answers is followed, through rewrites and the table of routes as they will
//! be, until something else answers it. What stands for variables is made up, and fixed to a text where the path that
//! comes out would lead to another redirect with that text. So what is reported does happen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};
use crate::config::route;
use crate::route::condition::{Asked, Condition, Host, Wanted};
use crate::route::location::escaped;
use crate::route::rewrite::Rewrites;
use crate::route::table::{Found, Table};
use crate::route::template::{Segment, Template};
use crate::snapshot::case::{Action, Case};
use crate::snapshot::fixed::{Content, Fixed, Redirect};

/// After so many redirects in a row clients give up.
const MAX_HOPS: usize = 20;

/// How often a path is held against the template of another redirect, in all: some tenths of a second.
const MAX_COMPARED: usize = 1_000_000;

/// A redirect of the configuration.
#[derive(Debug)]
pub(super) struct Sent {
    fixed: Arc<Fixed>,
    /// The verb of a request that it answers.
    verb: String,
    condition: Condition,
    template: Template,
    place: Option<Place>,
}

impl Sent {
    /// That of a route, if it is one.
    pub(super) fn of(
        fixed: Arc<Fixed>,
        verb: &str,
        condition: Condition,
        route: &route::Route,
    ) -> Option<Self> {
        let place = route.redirect.as_ref()?.to.place;
        let template = Template::parse(&fixed.template).ok()?;
        let verb = if verb == "*" { "GET" } else { verb }.to_owned();
        Some(Self { fixed, verb, condition, template, place })
    }

    fn redirect(&self) -> Option<&Redirect> {
        match &self.fixed.content {
            Content::Redirect(redirect) => Some(redirect),
            Content::Page(_) => None,
        }
    }
}

/// What redirects are followed through.
pub(super) struct Map<'a> {
    pub(super) table: &'a Table<Case>,
    pub(super) rewrites: &'a Rewrites,
    /// Beginnings of paths that routes are looked for without, as they name a version.
    pub(super) stripped: Vec<&'a str>,
    /// Scheme and host under which callers reach the gateway, if that is known.
    pub(super) own: Option<&'a str>,
}

impl Map<'_> {
    /// The path that a route is looked for with.
    fn found_as(&self, path: &str, request: &Request) -> String {
        let path = self.rewrites.apply(path, request).unwrap_or_else(|| path.to_owned());
        let rest = |prefix: &&str| match path.strip_prefix(prefix) {
            Some("") => Some("/"),
            rest => rest.filter(|rest| rest.starts_with('/')),
        };
        self.stripped.iter().find_map(rest).map_or_else(|| path.clone(), str::to_owned)
    }
}

/// Reports redirects that lead in a circle, each circle once.
pub(super) fn refuse(map: &Map<'_>, sent: &[Sent], problems: &mut Problems) {
    let by_answer = sent.iter().enumerate().map(|(index, sent)| (Arc::as_ptr(&sent.fixed), index)).collect();
    let mut search = Search { map, sent, by_answer, compared: 0 };
    let mut known: HashSet<Vec<usize>> = HashSet::new();
    for start in 0..sent.len() {
        let Some(circle) = search.circle(start, &mut HashMap::new()) else { continue };
        let mut members = circle.members.clone();
        members.sort_unstable();
        if known.insert(members) {
            problems.push(report(&circle, sent));
        }
    }
}

/// Redirects that follow one another without an end.
struct Circle {
    members: Vec<usize>,
    /// The paths that are asked for on the way.
    paths: Vec<String>,
}

fn report(circle: &Circle, sent: &[Sent]) -> Problem {
    let text = match circle.members.len() {
        1 => format!("The redirect leads to itself: {}.", shown(&circle.paths)),
        _ => format!("Redirects lead in a circle: {}.", shown(&circle.paths)),
    };
    let place = circle.members.first().and_then(|&first| sent[first].place);
    let problem = Problem::error(text)
        .at(place)
        .hint("Let one of them lead to a path that is answered with something else.");
    circle
        .members
        .iter()
        .skip(1)
        .fold(problem, |problem, &next| problem.related(sent[next].place, "and on from here"))
}

/// Paths up to where one comes for the second time. They may differ in their queries, or become longer each time.
fn shown(paths: &[String]) -> String {
    /// Of those that become longer.
    const SHOWN: usize = 4;
    let again = (1..paths.len()).find_map(|end| {
        let start = paths[..end].iter().position(|path| *path == paths[end])?;
        Some(start..=end)
    });
    let (range, end) = match again {
        Some(range) => (range, ""),
        None => (0..=SHOWN.min(paths.len() - 1), " and so on"),
    };
    let shown: Vec<_> = paths[range].iter().map(|path| readable(path)).collect();
    shown.join(" -> ") + end
}

/// A path in which `*` stands for what may be anything.
fn readable(path: &str) -> String {
    let segments = path.split('/').map(|segment| if position_of(segment).is_some() { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Where a request that is followed comes out.
enum Outcome {
    Circle(Circle),
    /// At this path, on which no redirect is met.
    End(String),
}

struct Search<'a> {
    map: &'a Map<'a>,
    sent: &'a [Sent],
    /// The redirects by what they answer.
    by_answer: HashMap<*const Fixed, usize>,
    compared: usize,
}

impl Search<'_> {
    /// The circle that a request which the redirect at `start` answers comes into. `fixed` are texts for variables.
    fn circle(&mut self, start: usize, fixed: &mut HashMap<usize, String>) -> Option<Circle> {
        let end = match self.follow(start, fixed) {
            Outcome::Circle(circle) => return Some(circle),
            Outcome::End(path) => path,
        };
        if !end.split('/').any(|segment| position_of(segment).is_some()) {
            return None;
        }
        let sent = self.sent;
        for next in sent {
            self.compared += 1;
            if self.compared > MAX_COMPARED {
                return None;
            }
            let Some(more) = unify(next.template.segments(), &end) else { continue };
            if more.is_empty() {
                // It fits already, and something else goes before it.
                continue;
            }
            let mut tighter = fixed.clone();
            tighter.extend(more);
            if let Some(circle) = self.circle(start, &mut tighter) {
                return Some(circle);
            }
        }
        None
    }

    fn follow(&self, start: usize, fixed: &HashMap<usize, String>) -> Outcome {
        let first = &self.sent[start];
        let mut request = Request::for_condition(&first.condition);
        let mut path = sample(&first.template, fixed);
        let mut verb = first.verb.clone();
        let (mut members, mut paths) = (Vec::new(), Vec::new());
        let mut seen: HashMap<(String, Option<String>, String), usize> = HashMap::new();
        loop {
            let Some((index, values)) = self.redirect_at(&verb, &path, &request) else {
                return Outcome::End(path);
            };
            let state = (path.clone(), request.host.clone(), request.query.clone());
            if let Some(&from) = seen.get(&state) {
                paths.push(path);
                return Outcome::Circle(Circle {
                    members: members.split_off(from),
                    paths: paths.split_off(from),
                });
            }
            seen.insert(state, members.len());
            members.push(index);
            paths.push(path.clone());
            if members.len() > MAX_HOPS {
                members.dedup();
                let mut once = HashSet::new();
                members.retain(|member| once.insert(*member));
                return Outcome::Circle(Circle { members, paths });
            }
            let Some(redirect) = self.sent[index].redirect() else { return Outcome::End(path) };
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let kept = redirect.keeps_query.then_some(&*request.query);
            let target = redirect.location.write(&values, kept);
            let origin = redirect.location.origin();
            if !origin.is_empty() {
                if Some(origin) != self.map.own {
                    return Outcome::End(String::new());
                }
                request.host = origin.split_once("://").map(|(_, host)| host.to_owned());
            }
            let local = target.split('#').next().unwrap_or_default();
            let local = local.strip_prefix(origin).unwrap_or(local);
            let (next, query) = local.split_once('?').unwrap_or((local, ""));
            request.query = query.to_owned();
            path = self.map.found_as(next, &request);
            if redirect.status.as_u16() == 303 || (redirect.status.as_u16() < 303 && verb == "POST") {
                verb = "GET".to_owned();
            }
        }
    }

    /// The redirect that answers a request, and what its path has for the variables.
    fn redirect_at(&self, verb: &str, path: &str, request: &Request) -> Option<(usize, Vec<String>)> {
        let holds = |case: &Case| case.is_for(|condition| condition.holds(request));
        let Found::Match { route, .. } = self.map.table.find_where(verb, path, holds) else { return None };
        let Action::Fixed(found) = &route.target().action else { return None };
        let index = *self.by_answer.get(&Arc::as_ptr(found))?;
        Some((index, route.raw(path).into_iter().map(str::to_owned).collect()))
    }
}

/// What stands for a segment that may be anything: no text that a route has.
fn anything(position: usize) -> String {
    format!("~{position}~")
}

/// The position of a segment that may be anything, by what stands for it.
fn position_of(text: &str) -> Option<usize> {
    text.strip_prefix('~')?.strip_suffix('~')?.parse().ok()
}

/// A path that a template fits.
fn sample(template: &Template, fixed: &HashMap<usize, String>) -> String {
    let segments = template.segments().iter().enumerate().map(|(position, segment)| match segment {
        Segment::Literal(text) => escaped(text),
        Segment::Any | Segment::Rest => {
            fixed.get(&position).map_or_else(|| anything(position), |text| escaped(text))
        }
    });
    let mut path: String = segments.map(|segment| format!("/{segment}")).collect();
    if path.is_empty() {
        path.push('/');
    }
    if let Some(verb) = template.verb() {
        path.push(':');
        path.push_str(&escaped(verb));
    }
    path
}

/// The texts that what may be anything in a path must have for a template to fit; `None` if it fits with none.
fn unify(segments: &[Segment], path: &str) -> Option<Vec<(usize, String)>> {
    let mut found: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    if path == "/" {
        found.clear();
    }
    let is_open = segments.last() == Some(&Segment::Rest);
    let inner = if is_open { &segments[..segments.len() - 1] } else { segments };
    if found.len() < inner.len() || (found.len() > inner.len() && !is_open) {
        return None;
    }
    let mut texts = Vec::new();
    for (segment, found) in inner.iter().zip(found) {
        if let Segment::Literal(text) = segment {
            match position_of(found) {
                Some(position) => texts.push((position, text.to_string())),
                None if found == escaped(text) => {}
                None => return None,
            }
        }
    }
    Some(texts)
}

/// A request for which a condition holds.
struct Request {
    host: Option<String>,
    headers: Vec<(String, String)>,
    query: String,
}

impl Request {
    fn for_condition(condition: &Condition) -> Self {
        let value = |wanted: &Wanted| match wanted {
            Wanted::Any => "any".to_owned(),
            Wanted::Is(text) => text.to_string(),
        };
        let mut headers: Vec<_> =
            condition.headers.iter().map(|(name, wanted)| (name.to_string(), value(wanted))).collect();
        let cookies = condition.cookies.iter();
        headers
            .extend(cookies.map(|(name, wanted)| ("cookie".to_owned(), format!("{name}={}", value(wanted)))));
        let query = condition
            .query
            .iter()
            .map(|(name, wanted)| format!("{}={}", escaped(name), escaped(&value(wanted))));
        Self {
            host: condition.host.as_ref().map(|host| match host {
                Host::Exact(name) => name.to_string(),
                Host::Below(name) => format!("any.{name}"),
            }),
            headers,
            query: query.collect::<Vec<_>>().join("&"),
        }
    }
}

impl Asked for Request {
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_bytes())
    }

    fn query(&self) -> &str {
        &self.query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_anything_takes_the_text_of_the_template() {
        for (template, path, expected) in [
            ("/a/{x}", "/a/~1~", Some(vec![])),
            ("/a/b", "/a/~1~", Some(vec![(1, "b")])),
            ("/a/{x}/c", "/a/~1~/~3~", Some(vec![(3, "c")])),
            ("/a/{x=**}", "/~0~/~1~/~2~", Some(vec![(0, "a")])),
            ("/a/{x=**}", "/~0~", Some(vec![(0, "a")])),
            ("/a/b", "/a/c", None),
            ("/a/b", "/a", None),
            ("/a", "/a/b", None),
            ("/a/b", "/a/x-~1~", None),
            ("/", "/", Some(vec![])),
        ] {
            let template = Template::parse(template).unwrap();
            let expected: Option<Vec<_>> = expected.map(|texts: Vec<(usize, &str)>| {
                texts.into_iter().map(|(at, text)| (at, text.to_owned())).collect()
            });
            assert_eq!(unify(template.segments(), path), expected, "{template} {path}");
        }
    }
}
