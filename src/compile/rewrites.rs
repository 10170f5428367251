//! Beginnings of paths that stand for others.

use crate::config::Config;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::rewrite::Rewrite as Written;
use crate::route::prefix::Prefix;
use crate::route::rewrite::{Rewrite, Rewrites};
use crate::route::template::Segment;
use crate::snapshot::surface::Surface;

/// The rewrites of a configuration. What is wrong with them is told.
pub(super) fn build(config: &Config, problems: &mut Problems) -> Rewrites {
    let mut list: Vec<(&Written, Rewrite)> = Vec::new();
    for written in &config.rewrites {
        let condition = super::condition::Written { host: written.host.as_ref(), ..Default::default() };
        let condition = condition.condition(problems);
        let (prefix, to) = (read(&written.prefix, problems), read(&written.to, problems));
        let Some((prefix, to)) = prefix.zip(to) else { continue };
        let mut same = list.iter().filter(|(_, other)| other.prefix.segments() == prefix.segments());
        if let Some((first, _)) = same.find(|(_, other)| other.condition == condition) {
            let text = format!("The prefix {} is rewritten twice.", quote(&written.prefix));
            let problem =
                Problem::error(text).at(written.prefix.place).related(first.prefix.place, "first here");
            problems.push(problem.hint("Keep one of the two, or give each a `host` of its own."));
        }
        list.push((written, Rewrite { prefix, to, condition }));
    }
    for (written, rewrite) in &list {
        warn_of_repetition(written, rewrite, &list, problems);
    }
    Rewrites::new(list.into_iter().map(|(_, rewrite)| rewrite).collect())
}

fn read(text: &Located<String>, problems: &mut Problems) -> Option<Prefix> {
    Prefix::parse(text).map_err(|error| problems.push(Problem::error(error.to_string()).at(text.place))).ok()
}

/// What a rewrite makes of a path can begin as what it takes. It is applied once, so that this ends, but who asks for what
/// it has made gets something else.
fn warn_of_repetition(
    written: &Written,
    rewrite: &Rewrite,
    all: &[(&Written, Rewrite)],
    problems: &mut Problems,
) {
    let Rewrite { prefix, to, condition } = rewrite;
    if prefix == to || !prefix.covers(to) {
        return;
    }
    let is_exempt = |other: &Rewrite| {
        other.prefix == other.to
            && prefix.covers(&other.prefix)
            && other.prefix.covers(to)
            && (other.condition.is_empty() || other.condition == *condition)
    };
    if all.iter().any(|(_, other)| is_exempt(other)) {
        return;
    }
    let text = format!(
        "The rewrite of {} to {} is applied to what begins with {} as well, which it makes {} of.",
        quote(&written.prefix),
        quote(&written.to),
        quote(&written.to),
        quote(&to.with(prefix.rest(to.as_str()).unwrap_or_default()))
    );
    let hint = format!(
        "Write `- {{prefix: {0}, to: {0}}}` beside it, which leaves these paths as they are.",
        written.to.value
    );
    problems.push(Problem::warning(text).at(written.to.place).hint(hint));
}

/// Reports routes and methods that are not reached by their own paths, as those are rewritten.
pub(super) fn review(config: &Config, rewrites: &Rewrites, surface: &Surface, problems: &mut Problems) {
    for rewrite in
        rewrites.iter().filter(|rewrite| rewrite.condition.is_empty() && rewrite.prefix != rewrite.to)
    {
        let others = || {
            rewrites.iter().filter(|other| other.prefix.segments().len() > rewrite.prefix.segments().len())
        };
        let is_hidden = |segments: &[Option<&str>]| {
            let covers = |other: &Rewrite| other.prefix.covers_segments(segments.iter().copied());
            covers(rewrite) && !others().any(|other| other.condition.is_empty() && covers(other))
        };
        let mut hidden = Vec::new();
        for route in surface.routes.routes() {
            let segments = route.template().segments().iter().map(|segment| match segment {
                Segment::Literal(text) => Some(&**text),
                Segment::Any | Segment::Rest => None,
            });
            if is_hidden(&segments.collect::<Vec<_>>()) {
                hidden.push(format!("{} {}", route.method(), route.template()));
            }
        }
        let mut methods: Vec<_> = surface.methods.keys().collect();
        methods.sort_unstable();
        for name in methods {
            if is_hidden(&name.split('/').map(Some).collect::<Vec<_>>()) {
                hidden.push(format!("/{name}"));
            }
        }
        let Some(first) = hidden.first() else { continue };
        let written = config.rewrites.iter().find(|written| written.prefix.value == rewrite.prefix.as_str());
        let more = match hidden.len() {
            1 => String::new(),
            count => format!(" and {} others", count - 1),
        };
        let text = format!(
            "The rewrite of {} hides {first}{more}: whoever asks for that path is led to another one.",
            quote(rewrite.prefix.as_str()),
        );
        let hint =
            "Choose a prefix that no route begins with, or exempt a longer one: `{prefix: /a/b, to: /a/b}`.";
        problems.push(Problem::warning(text).at(written.and_then(|written| written.prefix.place)).hint(hint));
    }
}
