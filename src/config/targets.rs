//! Files of targets, which `targets: [file:PATH]` names.
//!
//! ```text
//! - http://10.0.0.5:50051
//! - {url: http://10.0.0.6:50051, weight: 3}
//! ```
//!
//! JSON is read as well, which YAML includes. `${` is plain text here.

use std::path::Path;

use super::files::{read, utf8};
use super::node::{self, Value};
use super::place::{Located, Place};
use super::problem::{Problem, Problems};
use super::settings::Setting;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::address::Target;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The most targets of a file.
const MAX_TARGETS: usize = 256;

const HINT: &str = "Write a list of targets, such as [http://10.0.0.5:50051, http://10.0.0.6:50051].";

settings! {
    /// A target of a file: its URL, or a mapping.
    pub struct Listed, short for url {
        /// Where the target is: `http://host:port`, `https://host:port` or `unix:/path`.
        url: Located<Target>,
        /// Its share of the calls, by those of the others.
        weight: Located<u32> = 1.into() => 1..=1000,
    }
    check check_url(url)
    example "Write `{url: http://10.0.0.5:50051, weight: 3}`, or the URL alone."
}

impl Listed {
    fn check_url(reader: &mut Reader<'_>, url: Option<&Located<Target>>) {
        if let Some(url) = url.filter(|url| url.is_found()) {
            let text = "A file of targets lists targets, not where others are found.";
            let hint = "Write http://HOST:PORT, https://HOST:PORT or unix:/PATH.";
            let _: Option<()> = reader.error(Problem::error(text).at(url.place).hint(hint));
        }
    }
}

/// Reads a file of at most 1 MiB. When there is nothing, at least one error was added to `problems`; what cannot be read at all
/// is reported at `place`.
pub fn load(path: &Path, place: Option<Place>, problems: &mut Problems) -> Option<Vec<Listed>> {
    let name = path.display().to_string();
    let text = match read(path, MAX_FILE).and_then(utf8) {
        Ok(text) => text,
        Err(reason) => {
            let message = format!("The file {name} cannot be read: {}.", reason.message);
            problems.push(Problem::error(message).at(place).hint(reason.hint));
            return None;
        }
    };
    parse(&name, &text, problems)
}

fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Vec<Listed>> {
    let source = problems.sources.add(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let before = problems.errors();
    let root = node::parse(source, problems)?;
    let mut refuse = |message: String| {
        problems.push(Problem::error(message).at(root.place).hint(HINT));
        None
    };
    match &root.value {
        Value::Null => return refuse("The file lists no target.".to_owned()),
        Value::List(list) if list.is_empty() => return refuse("The file lists no target.".to_owned()),
        Value::List(list) if list.len() > MAX_TARGETS => {
            return refuse(format!("The file lists more than {MAX_TARGETS} targets."));
        }
        _ => {}
    }
    let listed = Vec::read(&root, &mut Reader::verbatim(problems))?;
    (problems.errors() == before).then_some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        assert!(parse("targets.yaml", text, &mut problems).is_none());
        problems.in_order().iter().map(|problem| problem.message.clone()).collect()
    }

    #[test]
    fn files_are_lists_of_targets() {
        for text in [
            "- http://10.0.0.5:1\n- {url: 'https://shop', weight: 3}\n- unix:/run/x",
            r#"["http://10.0.0.5:1", {"url": "https://shop", "weight": 3}, "unix:/run/x"]"#,
        ] {
            let mut problems = Problems::default();
            let listed = parse("targets.yaml", text, &mut problems).unwrap();
            let listed: Vec<_> = listed.iter().map(|one| (one.url.to_string(), one.weight.value)).collect();
            let expected = [("http://10.0.0.5:1", 1), ("https://shop:443", 3), ("unix:/run/x", 1)];
            assert_eq!(listed, expected.map(|(url, weight)| (url.to_owned(), weight)));
        }
    }

    #[test]
    fn other_files_are_refused_whole() {
        for (text, expected) in [
            ("", "The file lists no target."),
            ("[]", "The file lists no target."),
            ("- http://a:1\n- http://a:x", "`[1]`: `x` is not a port."),
            ("- dns://shop:1", "A file of targets lists targets, not where others are found."),
            ("- file:x", "A file of targets lists targets, not where others are found."),
        ] {
            assert_eq!(errors(text), [expected], "{text}");
        }
        let many = "- http://a:1\n".repeat(257);
        assert_eq!(errors(&many), ["The file lists more than 256 targets."]);
        assert_eq!(errors("{").len(), 1, "half a file");
        assert_eq!(errors("targets: []").len(), 1);
    }
}
