//! What is wrong with a configuration, and how it is shown.
//!
//! Problems are collected, never thrown: a user who mends a file sees all of them at once. Each says
//! what is wrong, where, and what to write instead.

use std::fmt;
use std::io::IsTerminal;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use super::place::{Place, Source, SourceId, Sources};

/// How many problems are kept. More of them help nobody, and each costs a rendered excerpt.
pub const MAX_PROBLEMS: usize = 100;

/// Excerpts show at most this many bytes on each side of the place.
const EXCERPT: usize = 400;

/// Whether a problem keeps the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration works, but probably not as meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// A full sentence that says what is wrong.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// A full sentence that says what to write instead.
    pub hint: Option<String>,
    /// Other places that belong to the problem, each with a few words, such as `first used here`.
    pub related: Vec<(Place, String)>,
}

impl Problem {
    /// An error, so far without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            hint: None,
            related: Vec::new(),
        }
    }

    /// A warning, so far without a place.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Says where. Takes an option because a default value has no place.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second place, when there is one.
    #[must_use]
    pub fn related(mut self, place: impl Into<Option<Place>>, text: impl Into<String>) -> Self {
        if let Some(place) = place.into() {
            self.related.push((place, text.into()));
        }
        self
    }
}

/// What is wrong with a value and what to write instead, both in full sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Flaw {
    /// A flaw.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// All problems of a configuration, with the texts they point into.
///
/// At most [`MAX_PROBLEMS`] errors and as many warnings are kept; the rest is counted.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// The texts that places point into.
    pub sources: Sources,
    list: Vec<Problem>,
    errors: usize,
    warnings: usize,
}

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        let count = match problem.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= MAX_PROBLEMS {
            self.list.push(problem);
        }
    }

    /// None yet, in the same texts.
    pub fn apart(&self) -> Self {
        Self { sources: self.sources.clone(), ..Self::default() }
    }

    /// Adds what others have found, unless it is here already.
    pub fn join(&mut self, others: Self) {
        for problem in others.list {
            if !self.list.contains(&problem) {
                self.push(problem);
            }
        }
    }

    /// Whether further errors are only counted.
    pub fn is_full(&self) -> bool {
        self.errors >= MAX_PROBLEMS
    }

    /// How many errors there are, also those that were not kept.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are, also those that were not kept.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems in the order of their places; those without one come first.
    pub fn in_order(&self) -> Vec<&Problem> {
        let mut list: Vec<_> = self.list.iter().collect();
        list.sort_by_key(|problem| problem.place);
        list
    }

    /// Renders all problems, in order of place, with the lines they are about.
    pub fn render(&self, style: Style) -> String {
        let theme = match style {
            Style::Fancy => GraphicalTheme::unicode(),
            Style::Plain => GraphicalTheme::none(),
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            // Lines are broken here: miette's breaks also fall into `--upstream` and `my-file.yaml`.
            .with_wrap_lines(false)
            .with_context_lines(1);
        let mut out = String::new();
        for problem in self.in_order() {
            let report = Report { problem, sources: &self.sources };
            // Writing to a String cannot fail, and excerpts outside a text are never asked for.
            if handler.render_report(&mut out, &report).is_err() {
                out.push_str(&problem.message);
            }
            out.push('\n');
        }
        let hidden = self.errors + self.warnings - self.list.len();
        if hidden > 0 {
            out.push_str(&format!("... and {hidden} more.\n"));
        }
        out
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

/// How problems are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// With colours and box-drawing characters.
    Fancy,
    /// In ASCII (apart from what the file itself contains), for files and pipes.
    Plain,
}

impl Style {
    /// The style that fits the standard error stream: fancy on a terminal unless `NO_COLOR` is set
    /// (see no-color.org), plain otherwise.
    pub fn for_stderr() -> Self {
        let colourless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stderr().is_terminal() && !colourless { Self::Fancy } else { Self::Plain }
    }
}

/// Quotes a piece of the user's text for a message: one line, escaped, at most 60 characters.
pub(crate) fn quote(text: &str) -> String {
    const MAX: usize = 60;
    let mut out = String::from("`");
    for character in text.chars().take(MAX) {
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out.push_str(if text.chars().nth(MAX).is_some() { "...`" } else { "`" });
    out
}

/// A problem as miette draws it.
struct Report<'a> {
    problem: &'a Problem,
    sources: &'a Sources,
}

impl Report<'_> {
    fn main(&self) -> Option<(SourceId, &Source)> {
        let id = self.problem.place?.source();
        Some((id, self.sources.source(id)?))
    }

    /// Related places in other files, which an excerpt of this one cannot show.
    fn elsewhere(&self) -> impl Iterator<Item = String> + '_ {
        let here = self.main().map(|(id, _)| id);
        self.problem.related.iter().filter(move |(place, _)| Some(place.source()) != here).filter_map(
            |(place, text)| {
                let (name, line, column) = self.sources.position(*place)?;
                Some(format!("{text}: {name}:{line}:{column}"))
            },
        )
    }
}

impl Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        let lines: Vec<_> = self.problem.hint.clone().into_iter().chain(self.elsewhere()).collect();
        (!lines.is_empty()).then(|| Box::new(filled(&lines.join("\n"))) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.main().map(|(_, source)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (id, source) = self.main()?;
        let span = |place: Place| underlined(&source.text, place);
        let main = self.problem.place.map(|place| LabeledSpan::new_primary_with_span(None, span(place)));
        let related = self
            .problem
            .related
            .iter()
            .filter(move |(place, _)| place.source() == id)
            .map(move |(place, text)| LabeledSpan::new_with_span(Some(text.clone()), span(*place)));
        Some(Box::new(main.into_iter().chain(related)))
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&filled(&self.problem.message))
    }
}

impl std::error::Error for Report<'_> {}

/// Breaks lines at spaces before they are longer than 100 characters.
fn filled(text: &str) -> String {
    const WIDTH: usize = 100;
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for (index, word) in text.split(' ').enumerate() {
        let (first, last) = (word.split('\n').next(), word.rsplit('\n').next());
        let width = |part: Option<&str>| part.map_or(0, |part| part.chars().count());
        if index > 0 && column + 1 + width(first) > WIDTH {
            out.push('\n');
            column = 0;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column = if word.contains('\n') { width(last) } else { column + width(last) };
    }
    out
}

/// What is underlined of a place: its first line, within the excerpt, between whole characters.
fn underlined(text: &str, place: Place) -> SourceSpan {
    let start = text.floor_char_boundary(place.start());
    let end = text.floor_char_boundary(place.start().saturating_add(place.len().min(EXCERPT)));
    let line = text[start..end.max(start)].lines().next().unwrap_or_default();
    (start, line.trim_end().len()).into()
}

/// Excerpts that stay small however long the lines are, and whose columns count characters.
impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.shown();
        let start = span.offset();
        let end = start.checked_add(span.len()).ok_or(MietteError::OutOfBounds)?;
        if !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            return Err(MietteError::OutOfBounds);
        }
        let from = if before == 0 { start } else { excerpt_start(text, start, before) };
        let to = if after == 0 { end } else { excerpt_end(text, end, after) };
        let line = text[..from].bytes().filter(|byte| *byte == b'\n').count();
        let column = text[..from].rsplit('\n').next().map_or(0, |line| line.chars().count());
        let lines = text[from..to].lines().count();
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            &text.as_bytes()[from..to],
            (from, to - from).into(),
            line,
            column,
            lines,
        );
        Ok(Box::new(contents))
    }
}

fn excerpt_start(text: &str, start: usize, lines: usize) -> usize {
    let floor = text.ceil_char_boundary(start.saturating_sub(EXCERPT));
    let window = &text[floor..start];
    window.rmatch_indices('\n').nth(lines).map_or(floor, |(at, _)| floor + at + 1)
}

fn excerpt_end(text: &str, end: usize, lines: usize) -> usize {
    let ceiling = text.floor_char_boundary(end.saturating_add(EXCERPT).min(text.len()));
    let window = &text[end..ceiling];
    window.match_indices('\n').nth(lines).map_or(ceiling, |(at, _)| end + at + 1)
}
