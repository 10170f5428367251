//! The committed figures.

use std::fmt::Write;
use std::process::Command;

/// How much more is let pass, in percent: less than any change that matters, more than counts vary.
const TOLERANCE: f64 = 2.0;
/// The same on a machine with other tools than those that the figures were counted with.
const TOLERANCE_ELSEWHERE: f64 = 10.0;

const HEAD: &str = "\
# Instructions of the user space: of the codec for one message, of the gateway for one request.
# Written by `./bench/instructions/run --update`, compared by `./test instructions`.
";

const ADVICE: &str = "\
If this is the price of something, write it down with `./bench/instructions/run --update` and say in the commit what it
is for. If it is not, `./bench/instructions/run --keep FOLDER NAME` makes profiles that tell where it comes from.
";

/// The figures, and the tools that they depend on.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Figures {
    tools: String,
    counts: Vec<(String, u64)>,
}

impl Figures {
    /// None yet, with the tools of this machine.
    pub(crate) fn here() -> Self {
        let first_line = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output();
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            text.unwrap_or_default().lines().next().unwrap_or("?").to_owned()
        };
        // Valgrind shows programs the vector instructions of the processor up to AVX2; the C library and
        // others choose by them.
        let vectors = if has_avx2() { "with AVX2" } else { "without AVX2" };
        let tools = [
            first_line("rustc", "--version"),
            first_line("ldd", "--version"),
            first_line("valgrind", "--version"),
            format!("{} {vectors}", std::env::consts::ARCH),
        ];
        Self { tools: tools.join("; "), counts: Vec::new() }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (name, value) = line.split_once(": ")?;
            match name {
                "counted with" => figures.tools = value.to_owned(),
                name => figures.counts.push((name.to_owned(), value.trim().parse().ok()?)),
            }
        }
        Some(figures)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEAD}counted with: {}\n", self.tools);
        for (name, count) in &self.counts {
            let _ = writeln!(text, "{name}: {count}");
        }
        text
    }

    /// Sets a figure where it stands, or at the end.
    pub(crate) fn set(&mut self, name: String, count: u64) {
        match self.counts.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = count,
            None => self.counts.push((name, count)),
        }
    }

    /// The figure of a name.
    pub(crate) fn of(&self, name: &str) -> Option<u64> {
        self.counts.iter().find(|(other, _)| other == name).map(|(_, count)| *count)
    }

    /// These figures with those of `counted` instead.
    pub(crate) fn updated(mut self, counted: &Self) -> Self {
        self.tools.clone_from(&counted.tools);
        for (name, count) in &counted.counts {
            self.set(name.clone(), *count);
        }
        self
    }

    /// By how many percent a count is more than the figure; `None` if there is none.
    fn change(&self, name: &str, count: u64) -> Option<f64> {
        Some(100.0 * (count as f64 / self.of(name)? as f64 - 1.0))
    }

    /// A count beside its figure, as a line of a table.
    pub(crate) fn beside(&self, name: &str, count: u64) -> String {
        let figure = self.of(name).map(|figure| figure.to_string());
        let change = self.change(name, count).map(|change| format!("{change:+.2} %"));
        let (figure, change) = (figure.unwrap_or_default(), change.unwrap_or_default());
        format!("{name:<24} {figure:>10} {count:>10} {change:>10}")
    }

    /// Compares what was counted with what is committed.
    ///
    /// # Errors
    /// What is worse than it may be, and what to do.
    pub(crate) fn compare(&self, committed: &Self) -> Result<String, String> {
        let (mut tolerance, mut note) = (TOLERANCE, String::new());
        if self.tools != committed.tools {
            tolerance = TOLERANCE_ELSEWHERE;
            note = format!(
                "figures.txt was counted with other tools, so that up to {tolerance} % more is let pass.\n  \
                 there: {}\n  here:  {}\n",
                committed.tools, self.tools
            );
        }
        let mut complaint = String::new();
        for (name, count) in &self.counts {
            let _ = match committed.change(name, *count) {
                Some(change) if change <= tolerance => continue,
                Some(change) => writeln!(
                    complaint,
                    "{name}: {count} instructions are {change:.2} % more than figures.txt has; {tolerance} % are let \
                     pass."
                ),
                None => writeln!(complaint, "{name}: figures.txt has no figure for it."),
            };
        }
        if complaint.is_empty() { Ok(note) } else { Err(note + &complaint + ADVICE) }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
const fn has_avx2() -> bool {
    false
}
