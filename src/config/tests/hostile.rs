//! Files that want to crash, stall or flood.

use std::fmt::Write;

use super::{FULL, read, rendered};
use crate::config::place::Place;
use crate::config::problem::{MAX_PROBLEMS, Problem, Problems, Style};

/// Every byte of a full file is replaced, has another one before it, or is taken out, in turn: all three for each would take
/// minutes.
#[test]
fn no_mutation_panics() {
    const REPLACEMENTS: &[u8] = b"\0\n\t :-[]{}'\"&*!|>%@`#,?$\\~<x0\x7f";
    let mut valid = 0;
    for at in 0..FULL.len() {
        let replacement = REPLACEMENTS[at % REPLACEMENTS.len()];
        let again = REPLACEMENTS[(at * 7 + 3) % REPLACEMENTS.len()];
        let (before, after) = (&FULL[..at], &FULL[at + 1..]);
        let (replacement, again) = (char::from(replacement), char::from(again));
        let mutated = match at % 3 {
            0 => format!("{before}{replacement}{after}"),
            1 => format!("{before}{again}{}", &FULL[at..]),
            _ => format!("{before}{after}"),
        };
        match read(&mutated) {
            Ok(_) => valid += 1,
            // Drawing costs more than reading.
            Err(problems) if at % 11 == 0 => assert!(!problems.to_string().is_empty()),
            Err(problems) => assert!(problems.errors() > 0),
        }
        // A file that was cut off.
        if at % 9 == 0 {
            let _ = read(before);
        }
    }
    assert!(valid > 100, "comments, names and digits may change: {valid}");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        for depth in [30, 1_000, 100_000] {
            let yaml = format!("a: \n  {}1{}", open.repeat(depth), close.repeat(depth));
            assert!(read(&yaml).is_err(), "{open} {depth}");
        }
    }
    let yaml = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    assert!(rendered(&yaml).starts_with("  x The file is "), "{}", rendered(&yaml));
}

#[test]
fn alias_bombs_are_refused() {
    let mut yaml = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        writeln!(yaml, "a{level}: &a{level} [{}]", [alias.as_str(); 10].join(", ")).unwrap();
    }
    let text = rendered(&yaml);
    assert!(text.starts_with("  x The file is larger or deeper than a configuration may be ("), "{text}");
    assert!(text.contains("help: Use fewer values, less nesting and fewer aliases."), "{text}");
}

#[test]
fn many_values_are_refused() {
    let text = rendered(&format!("a: [{}]", "x,".repeat(300_000)));
    assert!(text.starts_with("  x The file is larger or deeper than a configuration may be ("), "{text}");
    assert!(text.len() < 2_000);
}

/// A hundred problems are enough, and each shows little of a long line.
#[test]
fn many_problems_stay_few_and_small() {
    let keys: Vec<_> = (0..50_000).map(|key| format!("key{key}: 1")).collect();
    for joined in [format!("{{{}}}", keys.join(", ")), keys.join("\n")] {
        let problems = read(&joined).unwrap_err();
        assert_eq!(problems.errors(), 50_002, "the keys, and two that are missing");
        assert_eq!(problems.in_order().len(), MAX_PROBLEMS);
        let text = problems.to_string();
        assert!(text.ends_with("\n... and 49902 more.\n"), "{}", &text[text.len() - 300..]);
        assert!(text.len() < 200_000, "{}", text.len());
    }
}

/// What is compared with all else, and what is searched in its line, stays cheap.
#[test]
fn many_names_and_braces_stay_cheap() {
    let mut yaml = String::from("upstreams:\n");
    (0..20_000).for_each(|name| writeln!(yaml, "  u{name}: http://h").unwrap());
    yaml.push_str("services:\n");
    (0..20_000).for_each(|name| writeln!(yaml, "  - {{service: a.B{name}, upstream: v{name}}}").unwrap());
    let problems = read(&yaml).unwrap_err();
    assert_eq!((problems.errors(), problems.in_order().len()), (20_000, MAX_PROBLEMS));
    let hint = problems.in_order()[0].hint.clone().unwrap();
    assert!(hint.starts_with("Did you mean `u0`? The upstreams are: u0, u1, "), "{hint}");
    assert!(hint.ends_with(", u19, ..."), "{hint}");

    for entry in ["{set: {a}}", "{sett: {a}}", "{include: {a}}"] {
        let yaml = format!(
            "upstreams: {{u: http://h}}\nservices: [a.B]\ndescriptors: [{}]",
            [entry; 20_000].join(", ")
        );
        let problems = read(&yaml).unwrap_err();
        assert_eq!(problems.in_order().len(), MAX_PROBLEMS, "{entry}");
        assert!(problems.to_string().len() < 200_000, "{entry}");
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    for yaml in ["a: \"\x1b[31m\"\n", "a: \u{9b}31m\n", "\x07: 1\n", "a: 'x\x08'\nb: 2"] {
        let text = rendered(yaml);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[test]
fn problems_are_drawn_in_order_and_across_files() {
    let mut problems = Problems::default();
    let main = problems.sources.add("main.yaml", "one: 1\ntwo: 2\n");
    let rules = problems.sources.add("rules.yaml", "http:\n");
    let (one, two) = (Place::new(main, 0, 3), Place::new(main, 7, 3));
    problems.push(Problem::warning("The second is odd.").at(two).related(Place::new(rules, 0, 4), "see"));
    problems.push(Problem::error("The first is wrong.").at(one).hint("Write three."));
    problems.push(Problem::error("Nothing works.").at(None));
    assert_eq!((problems.errors(), problems.warnings()), (2, 1));
    assert_eq!(
        problems.to_string(),
        "  x Nothing works.\n\n  \
         x The first is wrong.\n   ,-[main.yaml:1:1]\n 1 | one: 1\n   : ^^^\n 2 | two: 2\n   `----\n  \
         help: Write three.\n\n  \
         ! The second is odd.\n   ,-[main.yaml:2:1]\n 1 | one: 1\n 2 | two: 2\n   : ^^^\n   `----\n  \
         help: see: rules.yaml:1:1\n\n"
    );
    let fancy = problems.render(Style::Fancy);
    assert!(fancy.contains("\u{1b}[") && fancy.contains("╭─["), "{fancy}");
}
