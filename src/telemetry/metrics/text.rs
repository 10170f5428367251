//! The text format 0.0.4 of Prometheus, by
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::fmt::{Display, Write};

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of values a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, but for restarts.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The name, in the form that Prometheus asks for.
    pub name: &'static str,
    /// One sentence for those who read it.
    pub help: &'static str,
    /// The kind of its values.
    pub kind: Kind,
}

impl Head {
    /// The lines before the values.
    pub fn render(&self, out: &mut String) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let Self { name, help, .. } = self;
        put(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A metric that has one value without labels.
    pub fn render_single(&self, value: impl Display, out: &mut String) {
        self.render(out);
        line(out, self.name, "", "", value);
    }
}

/// One value. `labels` are as [`label`] writes them.
pub fn line(out: &mut String, name: &str, suffix: &str, labels: &str, value: impl Display) {
    if labels.is_empty() {
        put(out, format_args!("{name}{suffix} {value}\n"));
    } else {
        put(out, format_args!("{name}{suffix}{{{labels}}} {value}\n"));
    }
}

/// Adds a label to others.
pub fn label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

/// Seconds of so many nanoseconds, without rounding.
pub struct Seconds(pub u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:09}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_as_the_format_asks() {
        let mut labels = String::new();
        label(&mut labels, "a", "plain /{x=*}");
        label(&mut labels, "b", "\"\\\nä");
        assert_eq!(labels, r#"a="plain /{x=*}",b="\"\\\nä""#);
        let mut out = String::new();
        line(&mut out, "n", "_sum", &labels, 1.5);
        line(&mut out, "n", "", "", 2);
        assert_eq!(out, "n_sum{a=\"plain /{x=*}\",b=\"\\\"\\\\\\nä\"} 1.5\nn 2\n");
    }

    #[test]
    fn seconds_are_exact() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (1_500_000_000, "1.5"),
            (20_000_000_000, "20"),
            (1_000, "0.000001"),
        ] {
            assert_eq!(Seconds(nanos).to_string(), text);
        }
    }
}
