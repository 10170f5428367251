use proptest::prelude::*;

use super::*;
use crate::route::template::MAX_SEGMENTS;

/// A table whose targets are the texts of its rules.
#[track_caller]
fn table(rules: &[(&str, &str)]) -> Table<String> {
    let mut table = Table::new();
    for (method, text) in rules {
        let template = Template::parse(text).expect("the template is valid");
        let inserted = table.insert(method, template, format!("{method} {text}")).expect("the rule is valid");
        assert!(matches!(inserted, Inserted::New), "{method} {text}");
    }
    table
}

/// A short form of an answer: `GET /v1/{id} id=5`, `405 GET HEAD OPTIONS`, `404`, `400 @7`.
fn answer(table: &Table<String>, method: &str, path: &str) -> String {
    match table.find(method, path) {
        Found::Match { route, captures } => {
            let mut text = route.target().clone();
            for capture in captures {
                let variable = &route.template().variables()[capture.variable];
                text.push_str(&format!(" {variable}={}", capture.value));
            }
            text
        }
        Found::MethodNotAllowed { allow } => format!("405 {}", allow.join(" ")),
        Found::NotFound => "404".into(),
        Found::BadPath(error) => format!("400 @{}", error.position()),
    }
}

#[track_caller]
fn check(rules: &[(&str, &str)], requests: &[(&str, &str, &str)]) {
    let forwards = table(rules);
    let reversed: Vec<_> = rules.iter().rev().copied().collect();
    let backwards = table(&reversed);
    for (method, path, expected) in requests {
        assert_eq!(answer(&forwards, method, path), *expected, "{method} {path}");
        assert_eq!(answer(&backwards, method, path), *expected, "{method} {path}, rules in reverse");
    }
}

#[test]
fn the_examples_of_http_proto() {
    check(
        &[
            ("GET", "/v1/{name=messages/*}"),
            ("PATCH", "/v1/messages/{message_id}"),
            ("GET", "/v1/users/{user_id}/messages/{message_id}"),
            ("PUT", "/v1/{message.message_id}"),
        ],
        &[
            ("GET", "/v1/messages/123456", "GET /v1/{name=messages/*} name=messages/123456"),
            ("PATCH", "/v1/messages/123456", "PATCH /v1/messages/{message_id} message_id=123456"),
            (
                "GET",
                "/v1/users/me/messages/123456",
                "GET /v1/users/{user_id}/messages/{message_id} user_id=me message_id=123456",
            ),
            ("PUT", "/v1/7", "PUT /v1/{message.message_id} message.message_id=7"),
            ("POST", "/v1/messages/123456", "405 GET HEAD OPTIONS PATCH"),
            ("GET", "/v1/messages", "405 OPTIONS PUT"),
            ("GET", "/v2/messages/1", "404"),
        ],
    );
}

#[test]
fn the_most_specific_template_with_the_method_wins() {
    check(
        &[
            ("GET", "/v1/{name=**}"),
            ("GET", "/v1/{id}"),
            ("GET", "/v1/me"),
            ("POST", "/v1/me"),
            ("DELETE", "/v1/{id}"),
            ("GET", "/{version}/a/b"),
            ("GET", "/v1/{x}/{y}"),
            ("GET", "/v1"),
        ],
        &[
            ("GET", "/v1/me", "GET /v1/me"),
            ("GET", "/v1/you", "GET /v1/{id} id=you"),
            ("GET", "/v1/a/b", "GET /v1/{x}/{y} x=a y=b"),
            ("GET", "/v2/a/b", "GET /{version}/a/b version=v2"),
            ("GET", "/v1/a/b/c", "GET /v1/{name=**} name=a/b/c"),
            ("GET", "/v1", "GET /v1"),
            ("GET", "/v1/", "GET /v1/{name=**} name="),
            ("DELETE", "/v1/me", "DELETE /v1/{id} id=me"),
            ("PUT", "/v1/me", "405 DELETE GET HEAD OPTIONS POST"),
            ("POST", "/v1/you", "405 DELETE GET HEAD OPTIONS"),
            ("POST", "/v2", "404"),
        ],
    );
}

#[test]
fn a_dead_end_goes_back_to_the_next_best_template() {
    check(
        &[("GET", "/a/b/c"), ("GET", "/a/*/d"), ("GET", "/*/b/e"), ("GET", "/{p=**}"), ("GET", "/a/{q=**}")],
        &[
            ("GET", "/a/b/c", "GET /a/b/c"),
            ("GET", "/a/b/d", "GET /a/*/d"),
            ("GET", "/a/b/e", "GET /a/{q=**} q=b/e"),
            ("GET", "/x/b/e", "GET /*/b/e"),
            ("GET", "/x/b/f", "GET /{p=**} p=x/b/f"),
            ("GET", "/a", "GET /a/{q=**} q="),
            ("GET", "/", "GET /{p=**} p="),
        ],
    );
}

#[test]
fn empty_segments_and_trailing_slashes_are_strict() {
    check(
        &[("GET", "/"), ("GET", "/a"), ("GET", "/a/{x}"), ("GET", "/f/{rest=**}"), ("GET", "/g/{n=h/**}")],
        &[
            ("GET", "/", "GET /"),
            ("GET", "", "404"),
            ("GET", "*", "404"),
            ("GET", "a", "404"),
            ("GET", "//", "404"),
            ("GET", "/a/", "404"),
            ("GET", "//a", "404"),
            ("GET", "/a//", "404"),
            ("GET", "/a/b/", "404"),
            ("GET", "/a/%20", "GET /a/{x} x= "),
            ("GET", "/f", "GET /f/{rest=**} rest="),
            ("GET", "/f/", "GET /f/{rest=**} rest="),
            ("GET", "/f//", "GET /f/{rest=**} rest=/"),
            ("GET", "/f/a/b/", "GET /f/{rest=**} rest=a/b/"),
            ("GET", "/f/a//b", "GET /f/{rest=**} rest=a//b"),
            ("GET", "/g/h", "GET /g/{n=h/**} n=h"),
            ("GET", "/g/h/", "GET /g/{n=h/**} n=h/"),
            ("GET", "/g/h/i", "GET /g/{n=h/**} n=h/i"),
            ("GET", "/g", "404"),
        ],
    );
}

#[test]
fn a_colon_is_a_verb_only_if_a_rule_has_it() {
    check(
        &[
            ("GET", "/v1/{id}"),
            ("POST", "/v1/{id}:archive"),
            ("GET", "/v1/{name=**}:export"),
            ("GET", "/v1/books:best"),
            ("GET", "/v1/books%3Aworst"),
            ("POST", "/v1/{name=books/*}:archive"),
        ],
        &[
            ("GET", "/v1/urn:isbn:1", "GET /v1/{id} id=urn:isbn:1"),
            ("GET", "/v1/x:", "GET /v1/{id} id=x:"),
            ("POST", "/v1/x:archive", "POST /v1/{id}:archive id=x"),
            ("POST", "/v1/urn:x:archive", "POST /v1/{id}:archive id=urn:x"),
            ("POST", "/v1/x:%61rchive", "POST /v1/{id}:archive id=x"),
            ("POST", "/v1/x%20y:archive", "POST /v1/{id}:archive id=x y"),
            // The rule with the verb has another method, the rule without it takes the word as data.
            ("GET", "/v1/x:archive", "GET /v1/{id} id=x:archive"),
            ("DELETE", "/v1/x:archive", "405 GET HEAD OPTIONS POST"),
            // A verb is more specific than a template that reads it as data.
            ("GET", "/v1/x:export", "GET /v1/{name=**}:export name=x"),
            ("GET", "/v1/a/b:export", "GET /v1/{name=**}:export name=a/b"),
            ("GET", "/v1:export", "GET /v1/{name=**}:export name="),
            ("GET", "/v1/:export", "GET /v1/{name=**}:export name="),
            ("GET", "/v1/books:best", "GET /v1/books:best"),
            // An encoded colon is data.
            ("POST", "/v1/x%3Aarchive", "405 GET HEAD OPTIONS"),
            ("GET", "/v1/x%3Aexport", "GET /v1/{id} id=x:export"),
            ("GET", "/v1/books%3Aworst", "GET /v1/books%3Aworst"),
            ("GET", "/v1/books:worst", "GET /v1/books%3Aworst"),
            ("POST", "/v1/books/1:archive", "POST /v1/{name=books/*}:archive name=books/1"),
            // Only in the last segment.
            ("POST", "/v1/x:archive/y", "404"),
            ("POST", "/v1/:archive", "405 GET HEAD OPTIONS"),
        ],
    );
}

#[test]
fn values_are_decoded_once() {
    check(
        &[
            ("GET", "/o/{id}"),
            ("GET", "/m/{name=a/*}"),
            ("GET", "/r/{rest=**}"),
            ("GET", "/caf%C3%A9/a%2Fb/{c=x}"),
        ],
        &[
            ("GET", "/o/%41%2fb%2Fc%25d", "GET /o/{id} id=A/b/c%d"),
            ("GET", "/o/a%252Fb", "GET /o/{id} id=a%2Fb"),
            ("GET", "/o/a+b", "GET /o/{id} id=a+b"),
            ("GET", "/o/%E2%82%AC", "GET /o/{id} id=€"),
            ("GET", "/%6f/x", "GET /o/{id} id=x"),
            ("GET", "/m/a/b%2Fc%2f%41", "GET /m/{name=a/*} name=a/b%2Fc%2fA"),
            ("GET", "/m/%61/b", "GET /m/{name=a/*} name=a/b"),
            ("GET", "/r/a%20b/c%2Fd", "GET /r/{rest=**} rest=a b/c%2Fd"),
            ("GET", "/r/a%2Fb", "GET /r/{rest=**} rest=a%2Fb"),
            ("GET", "/café/a%2fb/%78", "GET /caf%C3%A9/a%2Fb/{c=x} c=x"),
            ("GET", "/caf%c3%a9/a%2Fb/x", "GET /caf%C3%A9/a%2Fb/{c=x} c=x"),
            ("GET", "/café/a/b/x", "404"),
        ],
    );
}

#[test]
fn paths_that_cannot_be_decoded_are_refused() {
    check(
        &[("GET", "/o/{id}"), ("GET", "/r/{rest=**}"), ("POST", "/r/{rest=**}:go")],
        &[
            ("GET", "/o/%zz", "400 @3"),
            ("GET", "/o/a%2", "400 @4"),
            ("GET", "/o/%", "400 @3"),
            ("GET", "/o/%FF", "400 @3"),
            ("GET", "/o/%C3/%A9", "400 @3"),
            ("GET", "/o/a%00b", "400 @4"),
            ("GET", "/o/..", "400 @3"),
            ("GET", "/o/.", "400 @3"),
            ("GET", "/o/%2e%2E", "400 @3"),
            ("GET", "/o/.%2e", "400 @3"),
            ("GET", "/./o/a", "400 @1"),
            ("GET", "/r/a/../b", "400 @5"),
            ("GET", "/r/a/%2E/b", "400 @5"),
            ("POST", "/r/..:go", "400 @3"),
            ("GET", "/none/%zz", "400 @6"),
            ("GET", "/o/...", "GET /o/{id} id=..."),
            ("GET", "/o/.a", "GET /o/{id} id=.a"),
            // Dots beside an encoded slash are part of a value, not a segment.
            ("GET", "/r/..%2Fa", "GET /r/{rest=**} rest=..%2Fa"),
            ("GET", "/r/..:stop", "GET /r/{rest=**} rest=..:stop"),
        ],
    );
    let deep = format!("/r{}/%zz", "/a".repeat(2 * MAX_SEGMENTS));
    assert_eq!(answer(&table(&[("GET", "/r/**")]), "GET", &deep), format!("400 @{}", deep.len() - 3));
    let long = format!("/r/{}", "a".repeat(65_536));
    assert_eq!(answer(&table(&[("GET", "/r/**")]), "GET", &long), "400 @65535");
}

#[test]
fn methods() {
    check(
        &[
            ("*", "/any/{id}"),
            ("GET", "/any/{id}"),
            ("*", "/any/one"),
            ("PURGE", "/custom"),
            ("GET", "/get"),
            ("GET", "/both"),
            ("HEAD", "/both"),
            ("OPTIONS", "/both"),
            ("TRACE", "/trace"),
        ],
        &[
            ("GET", "/any/x", "GET /any/{id} id=x"),
            ("HEAD", "/any/x", "GET /any/{id} id=x"),
            ("POST", "/any/x", "* /any/{id} id=x"),
            ("BREW", "/any/x", "* /any/{id} id=x"),
            ("OPTIONS", "/any/x", "* /any/{id} id=x"),
            ("GET", "/any/one", "* /any/one"),
            ("TRACE", "/any/x", "405 DELETE GET HEAD OPTIONS PATCH POST PUT"),
            ("CONNECT", "/any/x", "405 DELETE GET HEAD OPTIONS PATCH POST PUT"),
            ("PURGE", "/custom", "PURGE /custom"),
            ("GET", "/custom", "405 OPTIONS PURGE"),
            ("HEAD", "/get", "GET /get"),
            ("get", "/get", "405 GET HEAD OPTIONS"),
            ("OPTIONS", "/get", "405 GET HEAD OPTIONS"),
            ("HEAD", "/both", "HEAD /both"),
            ("OPTIONS", "/both", "OPTIONS /both"),
            ("TRACE", "/trace", "TRACE /trace"),
        ],
    );
}

#[test]
fn the_first_rule_for_a_route_stays() {
    let mut table = table(&[("GET", "/v1/{a}/{b}:x"), ("GET", "/v1/{a=**}")]);
    for (method, text, first) in [
        ("GET", "/v1/{name=*/*}:x", Some("GET /v1/{a}/{b}:x")),
        ("GET", "/v1/*/*:x", Some("GET /v1/{a}/{b}:x")),
        ("GET", "/%76%31/**", Some("GET /v1/{a=**}")),
        ("GET", "/v1/*/*:y", None),
        ("POST", "/v1/*/*:x", None),
        ("*", "/v1/*/*:x", None),
    ] {
        let template = Template::parse(text).expect("the template is valid");
        match table.insert(method, template, "second".into()).expect("the rule is valid") {
            Inserted::New => assert_eq!(first, None, "{method} {text}"),
            Inserted::Conflict { first: found, refused } => {
                assert_eq!(Some(&**found.target()), first, "{method} {text}");
                assert_eq!((refused.method(), refused.template().as_str()), (method, text));
                assert_eq!(refused.target(), "second");
            }
        }
    }
    assert_eq!(table.routes().len(), 5);
    assert_eq!(answer(&table, "GET", "/v1/1/2:x"), "GET /v1/{a}/{b}:x a=1 b=2");
}

#[test]
fn methods_are_checked() {
    let insert = |method: &str| {
        let template = Template::parse("/a").expect("the template is valid");
        Table::new().insert(method, template, ()).map(|_| ())
    };
    for method in ["GET", "M-SEARCH", "*", "a!#$%&'*+-.^_`|~1", &"A".repeat(MAX_METHOD)] {
        assert_eq!(insert(method), Ok(()), "{method}");
    }
    for method in ["", "GE T", "GÉT", "G:T", &"A".repeat(MAX_METHOD + 1)] {
        assert_eq!(insert(method), Err(InsertError::Method(method.into())), "{method}");
    }
    assert_eq!(
        InsertError::Method("GE T\n".into()).to_string(),
        "`GE T\\n` is not an HTTP method. Write a name such as GET, POST or PURGE, of at most 64 letters, digits \
         and !#$%&'*+-.^_`|~ characters, or `*` for every method."
    );
}

#[test]
fn nothing_is_copied_where_nothing_is_decoded() {
    let table = table(&[("GET", "/a/{b}/c/{d=**}")]);
    let path = "/a/x/c/y/z";
    let Found::Match { captures, .. } = table.find("GET", path) else { panic!("no match") };
    for (capture, value) in captures.iter().zip(["x", "y/z"]) {
        assert!(matches!(capture.value, Cow::Borrowed(text) if text == value));
    }
    let Found::Match { captures, .. } = table.find("GET", "/a/x/c") else { panic!("no match") };
    assert_eq!(captures[1].value, "");
}

/// Every template of this depth out of literals and stars fits the path `/a/a/a/...`.
fn overlapping(depth: usize) -> impl Iterator<Item = String> {
    (0..1_u32 << depth).map(move |bits| {
        (0..depth).map(|at| if bits >> at & 1 == 0 { "/a" } else { "/*" }).collect::<String>()
    })
}

#[test]
fn a_walk_is_bounded_whatever_the_templates() {
    let mut table = Table::new();
    let mut refused = 0;
    for text in overlapping(13) {
        let template = Template::parse(&format!("{text}/end")).expect("the template is valid");
        match table.insert("GET", template, ()) {
            Ok(inserted) => assert!(matches!(inserted, Inserted::New)),
            Err(error) => {
                refused += 1;
                assert_eq!(error, InsertError::Overlaps(format!("{text}/end").into()));
            }
        }
        assert!(table.trie.weight() <= MAX_WEIGHT);
    }
    assert!(refused > 0);
    // What is in the table is found, and what was refused left no trace.
    assert_eq!(table.routes().len() + refused, 1 << 13);
    for route in table.routes() {
        let path = route.template().as_str().replace('*', "b");
        assert!(
            matches!(table.find("GET", &path), Found::Match { route: found, .. } if std::ptr::eq(found, route))
        );
    }
    assert!(matches!(table.find("GET", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a"), Found::NotFound));
    assert_eq!(
        InsertError::Overlaps("/*/a".into()).to_string(),
        "The path template `/*/a` overlaps with too many others: a single path could fit more than 4096 beginnings \
         of templates. Replace `*` by text in some of them."
    );
}

#[test]
fn templates_that_do_not_overlap_cost_a_node_per_segment() {
    let mut table = Table::new();
    for service in 0..200 {
        for text in ["/v1/projects/{p}/locations/{l}/S/{id}", "/v1/projects/{p}/S/{id}:act", "/v1/S/**"] {
            let text = text.replace('S', &format!("s{service}"));
            let inserted = table.insert("GET", Template::parse(&text).expect("valid"), ()).expect("valid");
            assert!(matches!(inserted, Inserted::New));
        }
    }
    assert!(table.trie.weight() <= 9, "{}", table.trie.weight());
}

#[test]
fn deep_paths_only_fit_an_open_end() {
    let full = "/a".repeat(MAX_SEGMENTS);
    let open = format!("{}/{{rest=**}}", "/a".repeat(MAX_SEGMENTS - 1));
    let table = table(&[("GET", &full), ("GET", &open)]);
    assert_eq!(answer(&table, "GET", &full), format!("GET {full}"));
    assert_eq!(answer(&table, "GET", &format!("{full}/b%20")), format!("GET {open} rest=a/b "));
    let very_deep = format!("{full}{}", "/b".repeat(3_000));
    assert_eq!(answer(&table, "GET", &very_deep), format!("GET {open} rest=a{}", "/b".repeat(3_000)));
}

/// An independent reading of the rules: every template is tried, by recursion, and the fits are compared.
mod naive {
    use super::*;
    use crate::route::template::Segment;

    fn fits(template: &[Segment], path: &[String]) -> bool {
        match (template.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((Segment::Rest, _)), _) => true,
            (Some((Segment::Any, template)), Some((head, path))) => !head.is_empty() && fits(template, path),
            (Some((Segment::Literal(text), template)), Some((head, path))) => {
                **text == **head && fits(template, path)
            }
            _ => false,
        }
    }

    fn unescape(text: &str) -> String {
        text.replace("%61", "a").replace("%3A", ":").replace("%2F", "/")
    }

    /// Data after verb, the shape of the template, every method after the very one.
    type Key = (bool, Vec<u8>, bool);

    fn rank(segment: &Segment) -> u8 {
        match segment {
            Segment::Literal(_) => 0,
            Segment::Any => 1,
            Segment::Rest => 2,
        }
    }

    /// The rule that should answer, or the methods that would be, or nothing.
    pub(super) fn find(rules: &[(String, Template)], method: &str, path: &str) -> Result<usize, Vec<String>> {
        let cut = |path: &str| -> Vec<String> {
            if path == "/" { vec![] } else { path[1..].split('/').map(unescape).collect() }
        };
        let mut allow = Vec::new();
        let mut best: Option<(Key, usize)> = None;
        for (index, (rule, template)) in rules.iter().enumerate() {
            let data = match template.verb() {
                None => Some(path.to_owned()),
                Some(verb) => path
                    .rsplit_once(':')
                    .filter(|(_, end)| unescape(end) == verb && !end.contains('/'))
                    .map(|(data, _)| data.to_owned()),
            };
            let Some(data) = data else { continue };
            // What is left of `/:verb` is one empty segment, not the root.
            let data =
                if template.verb().is_some() && data == "/" { vec![String::new()] } else { cut(&data) };
            if !fits(template.segments(), &data) {
                continue;
            }
            allow.push(rule.clone());
            if rule == method || rule == "*" {
                let shape = template.segments().iter().map(rank).collect();
                let key = (template.verb().is_none(), shape, rule == "*");
                if best.as_ref().is_none_or(|(least, _)| key < *least) {
                    best = Some((key, index));
                }
            }
        }
        best.map(|(_, index)| index).ok_or(allow)
    }
}

fn rule() -> impl Strategy<Value = (String, String)> {
    let segment =
        prop_oneof![4 => Just("a"), 2 => Just("b"), 2 => Just("a%3Ax"), 4 => Just("*"), 2 => Just("{v}")];
    let segments = proptest::collection::vec(segment, 1..5);
    let end =
        prop_oneof![4 => Just(""), 2 => Just("/**"), 2 => Just(":x"), 1 => Just("/**:x"), 1 => Just(":a")];
    let method = prop_oneof![4 => Just("POST"), 2 => Just("PUT"), 1 => Just("*")];
    (method, segments, end).prop_map(|(method, segments, end)| {
        let mut text: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        for name in 0.. {
            match text.find("{v}") {
                Some(at) => text.replace_range(at..at + 3, &format!("{{w{name}}}")),
                None => break,
            }
        }
        (method.to_owned(), text + end)
    })
}

fn request_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => Just("a"), 2 => Just("b"), 1 => Just("c"), 1 => Just(""), 1 => Just("%61"), 1 => Just("a%2Fb"),
        1 => Just("a:x"), 1 => Just("a%3Ax"), 1 => Just("b:x:a"), 1 => Just(":x"), 1 => Just("b:%61"),
    ];
    proptest::collection::vec(segment, 0..6).prop_map(|segments| {
        if segments.is_empty() { "/".into() } else { segments.iter().flat_map(|s| ["/", s]).collect() }
    })
}

proptest! {
    #[test]
    fn agrees_with_trying_every_template(
        rules in proptest::collection::vec(rule(), 0..24),
        paths in proptest::collection::vec(request_path(), 1..12),
    ) {
        let mut table = Table::new();
        let mut known = Vec::new();
        for (method, text) in rules {
            let template = Template::parse(&text).expect("the template is valid");
            if let Inserted::New = table.insert(&method, template.clone(), known.len()).expect("the rule is valid") {
                known.push((method, template));
            }
        }
        for path in &paths {
            match (table.find("POST", path), naive::find(&known, "POST", path)) {
                (Found::Match { route, .. }, Ok(index)) => prop_assert_eq!(*route.target(), index, "{}", path),
                (Found::MethodNotAllowed { allow }, Err(mut expected)) => {
                    prop_assert!(!expected.is_empty(), "{}", path);
                    expected.push("OPTIONS".into());
                    expected.sort();
                    expected.dedup();
                    prop_assert_eq!(allow, expected, "{}", path);
                }
                (Found::NotFound, Err(expected)) => prop_assert!(expected.is_empty(), "{}", path),
                (found, expected) => prop_assert!(false, "{}: {:?}, expected {:?}", path, found, expected),
            }
        }
    }

    #[test]
    fn no_path_makes_the_table_panic(path in "(/|:|%|%2f|%2E|\\.|a|b|x|é|\\*){0,20}") {
        let table = table(&[("GET", "/a/{b}:x"), ("GET", "/{c=a/**}"), ("GET", "/**:b"), ("GET", "/*/b")]);
        answer(&table, "GET", &path);
    }
}

/// Targets with a number, of which the smaller goes first, and a letter that must be asked for.
fn choosing(rules: &[(&str, &str, u32, char)]) -> Table<(u32, char)> {
    let mut table = Table::new();
    for &(method, text, rank, letter) in rules {
        let template = Template::parse(text).unwrap();
        let order = |new: &(u32, char), other: &(u32, char)| (new != other).then(|| new.0.cmp(&other.0));
        let inserted = table.insert_among(method, template, (rank, letter), order).unwrap();
        assert!(matches!(inserted, Inserted::New), "{method} {text}");
    }
    table
}

#[test]
fn routes_of_one_path_are_tried_in_their_order() {
    let rules = [
        ("GET", "/v1/{a}", 2, 'a'),
        ("GET", "/v1/{b}", 1, 'b'),
        ("GET", "/v1/{c}", 2, 'c'),
        ("GET", "/v1/{d=*}", 3, 'd'),
        ("POST", "/v1/{e}", 1, 'e'),
        ("*", "/v1/{f}", 1, 'f'),
        ("GET", "/{rest=**}", 1, 'g'),
    ];
    let table = choosing(&rules);
    for (method, path, letters, expected) in [
        ("GET", "/v1/x", "abcdefg", "b b=x"),
        ("GET", "/v1/x", "acdefg", "a a=x"),
        ("GET", "/v1/x", "cd", "c c=x"),
        ("GET", "/v1/x", "d", "d d=x"),
        ("HEAD", "/v1/x", "c", "c c=x"),
        ("GET", "/v1/x", "ef", "f f=x"),
        ("GET", "/v1/x", "eg", "g rest=v1/x"),
        ("GET", "/v1/x", "e", "405 OPTIONS POST"),
        ("POST", "/v1/x", "ac", "405 GET HEAD OPTIONS"),
        ("PUT", "/v1/x", "f", "f f=x"),
        ("GET", "/v1/x", "", "404"),
        ("GET", "/v1/%zz", "", "400 @4"),
    ] {
        let text = match table.find_where(method, path, |(_, letter)| letters.contains(*letter)) {
            Found::Match { route, captures } => {
                format!("{} {}={}", route.target().1, route.template().variables()[0], captures[0].value)
            }
            Found::MethodNotAllowed { allow } => format!("405 {}", allow.join(" ")),
            Found::NotFound => "404".to_owned(),
            Found::BadPath(error) => format!("400 @{}", error.position()),
        };
        assert_eq!(text, expected, "{method} {path} {letters}");
    }
    assert_eq!(table.routes().len(), rules.len());
}

#[test]
fn what_has_no_order_is_handed_back() {
    let mut table = choosing(&[("GET", "/a/{x}", 1, 'a'), ("GET", "/a/{x}", 2, 'b')]);
    let template = Template::parse("/a/{y}").unwrap();
    let order = |new: &(u32, char), other: &(u32, char)| (new.1 != other.1).then(|| new.0.cmp(&other.0));
    let Ok(Inserted::Conflict { first, refused }) = table.insert_among("GET", template, (0, 'b'), order)
    else {
        panic!("it was inserted");
    };
    assert_eq!((first.target(), refused.target()), (&(2, 'b'), &(0, 'b')));
    assert_eq!(table.routes().len(), 2);
}

#[test]
fn variables_are_given_as_they_were_sent() {
    for (template, path, expected) in [
        ("/a/{x}/{y}", "/a/%41%2F/b", &["%41%2F", "b"][..]),
        ("/a/{x=b/*}/c", "/a/%62/%2e5/c", &["%62/%2e5"]),
        ("/a/{x=**}", "/a/b//%2F/", &["b//%2F/"]),
        ("/a/{x=**}", "/a", &[""]),
        ("/a/{x}:go", "/a/b:c:go", &["b:c"]),
        ("/a/{x=**}:go", "/a/b/c:go", &["b/c"]),
        ("/{x}", "/a%3Ab:c", &["a%3Ab:c"]),
    ] {
        let mut table = Table::new();
        let _ = table.insert("GET", Template::parse(template).unwrap(), ()).unwrap();
        let Found::Match { route, .. } = table.find("GET", path) else { panic!("{template} {path}") };
        assert_eq!(route.raw(path), expected, "{template} {path}");
        // Of a path that does not fit nothing sensible can be said, but something.
        assert_eq!(route.raw("/").len(), expected.len());
        assert_eq!(route.raw("").len(), expected.len());
    }
}
