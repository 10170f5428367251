//! Who may import whom: the table of `ARCHITECTURE.md`, enforced over every file in `src`.
//!
//! A room is a folder of `src`. It may import rooms of a lower level, never one of its own level or above,
//! and always from the module that defines a thing. What the table cannot say is in [`NEVER`],
//! [`READERS_OF_CONFIG`], [`PURE`] and [`DIALECTS`].

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their levels.
const ROOMS: [(&str, u8); 21] = [
    ("cli", 7),
    ("app", 6),
    ("demo", 6),
    ("server", 5),
    ("front", 4),
    ("compile", 4),
    ("admin", 4),
    ("snapshot", 3),
    ("policy", 3),
    ("compose", 3),
    ("own", 3),
    ("upstream", 3),
    ("codec", 2),
    ("call", 2),
    ("status", 1),
    ("schema", 1),
    ("route", 1),
    ("config", 1),
    ("telemetry", 1),
    ("tls", 1),
    // The ground of the others: schema reads descriptors with it.
    ("wire", 0),
];

/// Imports that the levels would allow and the design does not.
const NEVER: [(&str, &str, &str); 4] = [
    ("front", "upstream", "a front meets the backends only through call::service"),
    ("front", "policy", "a front meets policy only through call::service"),
    ("upstream", "codec", "an upstream moves bytes and never looks into them"),
    ("upstream", "schema", "an upstream moves bytes and never looks into them"),
];

/// Rooms that import nothing of the crate.
const ALONE: [&str; 3] = ["demo", "status", "telemetry"];

/// The rooms that may know what a configuration file says. All others receive small values.
const READERS_OF_CONFIG: [&str; 3] = ["cli", "app", "compile"];

/// The rooms without network and runtime. They build without the feature `gateway`.
const PURE: [&str; 5] = ["codec", "route", "schema", "status", "wire"];

/// The crates that the pure rooms do without.
const IMPURE: [&str; 13] = [
    "axum",
    "h2",
    "http",
    "http_body",
    "http_body_util",
    "hyper",
    "hyper_util",
    "rustls",
    "tokio",
    "tokio_rustls",
    "tokio_stream",
    "tonic",
    "tower",
];

/// The modules of `front` that speak one dialect each. None imports another.
const DIALECTS: [&str; 7] = ["connect", "grpc", "grpc_web", "rest", "soap", "sse", "ws"];

#[test]
fn imports_point_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = String::new();
    for file in rust_files(&src) {
        let text = fs::read_to_string(&file).unwrap();
        let module = module_of(file.strip_prefix(&src).unwrap());
        for (line, rule) in check(&module, &text) {
            writeln!(problems, "{}:{line}: {rule}", file.display()).unwrap();
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

/// The lines of a file that break a rule. `module` is the file's place, such as `["front", "rest"]`.
fn check(module: &[&str], text: &str) -> Vec<(usize, String)> {
    // main.rs and lib.rs stand above all rooms.
    let Some(&room) = module.first() else { return Vec::new() };
    if level(room).is_none() {
        return vec![(1, format!("`{room}` is no room. Give it a level in tests/layering.rs first."))];
    }
    let tokens = tokens(text);
    let mut problems = Vec::new();
    for (line, path) in paths(&tokens, module) {
        problems.extend(broken_rule(module, &path).map(|rule| (line, rule)));
    }
    if PURE.contains(&room) {
        for (line, name) in roots(&tokens).filter(|(_, name)| IMPURE.contains(name)) {
            problems.push((line, format!("`{room}` is pure and must not use the crate `{name}`.")));
        }
    }
    problems
}

/// The rule that an import of `path` (without `crate`) breaks, if any.
fn broken_rule(module: &[&str], path: &[String]) -> Option<String> {
    let (room, target) = (module[0], path.first()?.as_str());
    if target == room {
        let (own, other) = (*module.get(1)?, path.get(1)?.as_str());
        let both = room == "front" && own != other && DIALECTS.contains(&own) && DIALECTS.contains(&other);
        return both.then(|| {
            format!("the dialect `{own}` must not import `{other}`; what both need belongs into front/bind or codec.")
        });
    }
    let Some(above) = level(target) else {
        return Some(format!("`crate::{target}` is no room; import from the module that defines it."));
    };
    let own = level(room)?;
    if ALONE.contains(&room) {
        return Some(format!("`{room}` imports nothing of the crate, but names `{target}`."));
    }
    if let Some((_, _, why)) = NEVER.iter().find(|(from, to, _)| (*from, *to) == (room, target)) {
        return Some(format!("`{room}` must not import `{target}`: {why}."));
    }
    if target == "config" && !READERS_OF_CONFIG.contains(&room) {
        return Some(format!("`{room}` must not read `config`; pass it small values."));
    }
    (above >= own).then(|| {
        format!(
            "`{room}` (level {own}) must not import `{target}` (level {above}): imports go to lower levels."
        )
    })
}

fn level(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, level)| *level)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The module of a file below `src`; none for `lib.rs` and `main.rs`.
fn module_of(file: &Path) -> Vec<&str> {
    let folders = file.parent().into_iter().flat_map(Path::iter);
    let mut module: Vec<_> = folders.map(|part| part.to_str().unwrap()).collect();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    if stem != "mod" && !(module.is_empty() && ["lib", "main"].contains(&stem)) {
        module.push(stem);
    }
    module
}

/// A word or a mark of Rust's text, and its line.
type Token<'a> = (usize, &'a str);

/// Cuts Rust text into words, `::` and single marks. Comments, strings and characters are left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut rest, mut line, mut found) = (text, 1, Vec::new());
    while !rest.is_empty() {
        let (length, token) = next(rest);
        if let Some(token) = token {
            found.push((line, token));
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// The length of what stands at the start of `text`, and the token if it is one.
fn next(text: &str) -> (usize, Option<&str>) {
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let raw = text[word..].bytes().take_while(|byte| *byte == b'#').count();
    match text.as_bytes() {
        [b'/', b'/', ..] => (text.find('\n').unwrap_or(text.len()), None),
        [b'/', b'*', ..] => (block_comment(text), None),
        [b'"', ..] => (quoted(text), None),
        [b'\'', ..] => (character(text), None),
        [b':', b':', ..] => (2, Some(&text[..2])),
        _ if ["r", "br", "cr"].contains(&&text[..word]) && text[word + raw..].starts_with('"') => {
            let end = format!("\"{}", "#".repeat(raw));
            let start = word + raw + 1;
            (text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()), None)
        }
        _ if word > 0 => (word, Some(&text[..word])),
        _ => {
            let length = text.chars().next().map_or(1, char::len_utf8);
            (length, Some(&text[..length]).filter(|mark| !mark.trim().is_empty()))
        }
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or of the quote alone if it begins a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

/// All paths that begin with `crate`, `self` or `super`, as seen from the crate's root.
fn paths(tokens: &[Token<'_>], module: &[&str]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    // The inline modules around the present place, each with the number of braces open outside of it.
    let (mut inline, mut braces): (Vec<(String, usize)>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].1 {
            "mod" if tokens.get(at + 2).is_some_and(|token| token.1 == "{") => {
                inline.push((tokens[at + 1].1.to_owned(), braces));
                at += 1;
            }
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                inline.pop_if(|(_, outside)| *outside == braces);
            }
            root @ ("crate" | "super" | "self") if is_root(tokens, at) => {
                let here = module
                    .iter()
                    .map(|part| (*part).to_owned())
                    .chain(inline.iter().map(|one| one.0.clone()));
                let mut start: Vec<_> = if root == "crate" { Vec::new() } else { here.collect() };
                if root == "super" {
                    start.pop();
                }
                at = tree(tokens, at + 2, start, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a path or a tree of paths from `at` on and returns where it ends.
fn tree(
    tokens: &[Token<'_>],
    mut at: usize,
    mut path: Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.0);
    if tokens.get(at).is_some_and(|token| token.1 == "{") {
        at += 1;
        while let Some(&(_, token)) = tokens.get(at) {
            match token {
                "}" => return at + 1,
                "," => at += 1,
                _ => at = tree(tokens, at, path.clone(), found),
            }
        }
        return at;
    }
    match tokens.get(at).map(|token| token.1) {
        Some("super") => {
            path.pop();
        }
        Some("self") | None => {}
        Some(name) => path.push(name.to_owned()),
    }
    at += 1;
    if tokens.get(at).is_some_and(|token| token.1 == "::") {
        return tree(tokens, at + 1, path, found);
    }
    // `use path as name` names no further path.
    if tokens.get(at).is_some_and(|token| token.1 == "as") {
        at += 2;
    }
    found.push((line, path));
    at
}

/// The first words of paths: names of crates, or of modules that the file declares, which are left out.
fn roots<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = Token<'a>> {
    let declared = |name: &str| tokens.windows(2).any(|pair| pair[0].1 == "mod" && pair[1].1 == name);
    (0..tokens.len())
        .filter(|at| is_root(tokens, *at))
        .map(|at| tokens[at])
        .filter(move |token| !declared(token.1))
}

/// Whether a path begins at this token.
fn is_root(tokens: &[Token<'_>], at: usize) -> bool {
    let is =
        |at: Option<usize>, mark: &str| at.and_then(|at| tokens.get(at)).is_some_and(|token| token.1 == mark);
    is(Some(at + 1), "::")
        && !(is(at.checked_sub(1), "::") && at.checked_sub(2).is_some_and(|at| is_word(tokens[at].1)))
}

fn is_word(token: &str) -> bool {
    token.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[test]
fn rules_are_found_out() {
    let table: [(&[&str], &str, &[&str]); 22] = [
        (&["call"], "use crate::status::Status;", &[]),
        (
            &["status"],
            "use crate::wire::reader;",
            &["1: `status` imports nothing of the crate, but names `wire`."],
        ),
        (
            &["demo", "service"],
            "\n use crate::status;",
            &["2: `demo` imports nothing of the crate, but names `status`."],
        ),
        (
            &["codec", "json"],
            "use crate::call::Call;",
            &["1: `codec` (level 2) must not import `call` (level 2): imports go to lower levels."],
        ),
        (
            &["call"],
            "fn f() {\n let x = crate::front::rest::X::new(); }",
            &["2: `call` (level 2) must not import `front` (level 4): imports go to lower levels."],
        ),
        (
            &["upstream", "connect"],
            "use crate::{\n status::{Code, Status},\n schema::{self, Method as M},\n};",
            &[
                "3: `upstream` must not import `schema`: an upstream moves bytes and never looks into them.",
                "3: `upstream` must not import `schema`: an upstream moves bytes and never looks into them.",
            ],
        ),
        (
            &["front", "rest"],
            "use crate::policy::x;",
            &["1: `front` must not import `policy`: a front meets policy only through call::service."],
        ),
        (
            &["server"],
            "use crate::config::X;",
            &["1: `server` must not read `config`; pass it small values."],
        ),
        (&["compile", "routes"], "use crate::config::X; use crate::snapshot::Y;", &[]),
        (
            &["call"],
            "use crate::Thing;",
            &["1: `crate::Thing` is no room; import from the module that defines it."],
        ),
        (&["hall"], "", &["1: `hall` is no room. Give it a level in tests/layering.rs first."]),
        (
            &["front", "rest"],
            "use super::soap::x;",
            &[
                "1: the dialect `rest` must not import `soap`; what both need belongs into front/bind or codec.",
            ],
        ),
        (&["front", "rest"], "use super::bind::x; use super::rest::y; mod tests { use super::*; }", &[]),
        (&["front"], "use self::rest::X; mod tests { mod a { use super::super::rest; } }", &[]),
        (
            &["wire"],
            "use super::call::Call;",
            &["1: `wire` (level 0) must not import `call` (level 2): imports go to lower levels."],
        ),
        (
            &["wire", "reader"],
            "mod tests { fn f() {} use super::super::super::codec::x; }",
            &["1: `wire` (level 0) must not import `codec` (level 2): imports go to lower levels."],
        ),
        (&["codec"], "use http::HeaderMap;", &["1: `codec` is pure and must not use the crate `http`."]),
        (
            &["codec"],
            "fn f() { ::tokio::spawn(x); }",
            &["1: `codec` is pure and must not use the crate `tokio`."],
        ),
        (&["status"], "pub mod http; fn f() { http::status_of(); crate::status::http::x(); }", &[]),
        (&["front"], "use http::HeaderMap;", &[]),
        (
            &["wire"],
            "// crate::call::X\n/* tokio::x /* */ crate::call */ const A: &str = \"crate::call\"; const B: char = '\"';",
            &[],
        ),
        (
            &["wire"],
            "fn f<'a>(x: &'a str) { r#\"crate::call \" x\"#; b'\\''; '\\u{1}'; }\nuse crate::call;",
            &["2: `wire` (level 0) must not import `call` (level 2): imports go to lower levels."],
        ),
    ];
    for (module, text, expected) in table {
        let found: Vec<_> =
            check(module, text).into_iter().map(|(line, rule)| format!("{line}: {rule}")).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn files_have_their_modules() {
    for (file, module) in [
        ("lib.rs", &[][..]),
        ("main.rs", &[]),
        ("call/mod.rs", &["call"]),
        ("front/rest.rs", &["front", "rest"]),
        ("codec/json/read.rs", &["codec", "json", "read"]),
        ("cli/main.rs", &["cli", "main"]),
    ] {
        assert_eq!(module_of(Path::new(file)), module, "{file}");
    }
}
