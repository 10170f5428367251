//! What shells and `man` make of the binary: completions in the real shells, and manual pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::gateway::transom;
use crate::support::process::run;

/// The commands that have a page and are completed.
const COMMANDS: [&str; 12] = [
    "call",
    "check",
    "completions",
    "demo",
    "diff",
    "health",
    "init",
    "keys",
    "routes",
    "schema",
    "serve",
    "wsdl",
];

fn script(shell: &str, folder: &Path) -> String {
    let file = folder.join(format!("transom.{shell}"));
    fs::write(&file, run(&mut transom(&["completions", shell])).stdout).unwrap();
    file.to_str().unwrap().to_owned()
}

fn output_of(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

#[test]
fn bash_completes() {
    let folder = tempfile::tempdir().unwrap();
    let file = script("bash", folder.path());
    let complete = |words: &str, last: usize| {
        let script = format!(
            "source '{file}'; COMP_WORDS=({words}); COMP_CWORD={last}; \
             _transom transom \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        output_of(Command::new("bash").args(["--norc", "-c", &script]))
    };
    for command in COMMANDS {
        assert!(complete("transom ''", 1).split(' ').any(|word| word.trim() == command), "{command}");
    }
    assert_eq!(complete("transom sc", 1), "schema\n");
    assert_eq!(complete("transom serve --log-f", 2), "--log-format\n");
    assert_eq!(complete("transom serve --log-format ''", 3), "text json\n");
    assert_eq!(complete("transom man", 1), "\n", "what only packagers need is hidden");
}

#[test]
fn fish_completes() {
    let folder = tempfile::tempdir().unwrap();
    let file = script("fish", folder.path());
    let complete = |line: &str| {
        let script = format!("source '{file}'; complete -C '{line}'");
        output_of(Command::new("fish").args(["--no-config", "-c", &script]))
    };
    let commands = complete("transom ");
    for command in COMMANDS {
        assert!(commands.lines().any(|line| line.split('\t').next() == Some(command)), "{commands}");
    }
    assert_eq!(complete("transom sc"), "schema\tPrint the JSON Schema of configuration files\n");
    assert_eq!(complete("transom serve --log-format j"), "json\tOne JSON object a line\n");
}

/// Zsh completes only for somebody who types, so it runs in a terminal of its own.
#[test]
fn zsh_completes() {
    let folder = tempfile::tempdir().unwrap();
    fs::rename(script("zsh", folder.path()), folder.path().join("_transom")).unwrap();
    let complete = |typed: &str, expected: &str| {
        let script = format!(
            "zmodload zsh/zpty; zpty shell zsh -f -i; \
             zpty -w shell \"PS1=; fpath=('{}' \\$fpath); autoload -U compinit; compinit -u -D; print rea''dy\"; \
             zpty -r -m shell out '*ready*'; zpty -w -n shell $'{typed}\\t'; \
             zpty -r -m shell out '*{expected}*' && print -r -- \"$out\"; zpty -d shell",
            folder.path().display()
        );
        // What never comes would be waited for without end.
        let found = output_of(Command::new("timeout").args(["30", "zsh", "-f", "-c", &script]));
        assert!(found.contains(expected), "{typed:?}: {found:?}");
    };
    complete("transom sc", "schema");
    complete("transom serve --log-f", "--log-format");
    complete("transom serve --log-format j", "json");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    run(&mut transom(&["man", pages.to_str().unwrap()]));
    let mut names: Vec<_> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = COMMANDS.map(|command| format!("transom-{command}.1"));
    assert_eq!(names, [&expected[..], &["transom.1".to_owned()]].concat());
    for name in names {
        let page = pages.join(&name);
        // mandoc's exit code counts what it says: 1 is style, 2 warnings, 3 and above errors.
        let lint = Command::new("mandoc").arg("-Tlint").arg(&page).output().unwrap();
        let lint = String::from_utf8(lint.stdout).unwrap();
        let harmless = ["longer than 80 bytes", "missing date", "skipping paragraph macro"];
        let rest: Vec<_> =
            lint.lines().filter(|line| !harmless.iter().any(|known| line.contains(known))).collect();
        assert!(rest.is_empty(), "{rest:#?}");
        let shown =
            output_of(Command::new("man").args(["-l", "-E", "ascii"]).arg(&page).env("MANPAGER", "cat"));
        for part in ["SYNOPSIS", "EXIT STATUS", "TRANSOM_LOG"] {
            assert!(shown.contains(part), "{name} has no {part}:\n{shown}");
        }
    }
    let text = String::from_utf8(transom(&["man", "/proc/none"]).output().unwrap().stderr).unwrap();
    assert!(text.starts_with("The manual pages cannot be written to /proc/none: "), "{text}");
    assert!(text.ends_with(". Name a folder that you may write to.\n"), "{text}");
}
