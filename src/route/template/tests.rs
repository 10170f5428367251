use super::*;

fn literal(text: &str) -> Segment {
    Segment::Literal(text.into())
}

#[track_caller]
fn check(text: &str, segments: &[Segment], variables: &[(&str, Range<usize>)], verb: Option<&str>) {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(template.segments(), segments, "{text}");
    let found: Vec<_> = template.variables().iter().map(|v| (v.to_string(), v.span())).collect();
    let variables: Vec<_> = variables.iter().map(|(name, span)| ((*name).to_owned(), span.clone())).collect();
    assert_eq!(found, variables, "{text}");
    assert_eq!(template.verb(), verb, "{text}");
    assert_eq!(template.as_str(), text);
}

#[test]
fn the_grammar_of_http_proto() {
    use Segment::{Any, Rest};
    let v1 = || literal("v1");
    check("/v1/messages", &[v1(), literal("messages")], &[], None);
    check("/v1/{name=messages/*}", &[v1(), literal("messages"), Any], &[("name", 1..3)], None);
    check("/v1/{message_id}", &[v1(), Any], &[("message_id", 1..2)], None);
    check("/v1/{message_id=*}", &[v1(), Any], &[("message_id", 1..2)], None);
    check("/v1/{message.message_id}", &[v1(), Any], &[("message.message_id", 1..2)], None);
    check("/v1/{name=**}", &[v1(), Rest], &[("name", 1..2)], None);
    check("/v1/{name=files/**}", &[v1(), literal("files"), Rest], &[("name", 1..3)], None);
    check("/v1/*/**", &[v1(), Any, Rest], &[], None);
    check(
        "/v1/users/{user_id}/messages/{message_id}",
        &[v1(), literal("users"), Any, literal("messages"), Any],
        &[("user_id", 2..3), ("message_id", 4..5)],
        None,
    );
    check(
        "/v1/{name=shelves/*/books/*}:archive",
        &[v1(), literal("shelves"), Any, literal("books"), Any],
        &[("name", 1..5)],
        Some("archive"),
    );
    check("/v1/{name=**}:export", &[v1(), Rest], &[("name", 1..2)], Some("export"));
    check("/v1/**:export", &[v1(), Rest], &[], Some("export"));
    check("/v1/{kind=fixed}", &[v1(), literal("fixed")], &[("kind", 1..2)], None);
}

#[test]
fn where_the_grammar_is_silent() {
    use Segment::Any;
    check("/", &[], &[], None);
    check("/a:b/c", &[literal("a:b"), literal("c")], &[], None);
    check("/a:b:c", &[literal("a:b")], &[], Some("c"));
    check("/a%3Ab", &[literal("a:b")], &[], None);
    check("/a/%3Ab", &[literal("a"), literal(":b")], &[], None);
    check("/{x=a/:b/*}", &[literal("a"), literal(":b"), Any], &[("x", 0..3)], None);
    check("/{x=a:b/*}", &[literal("a:b"), Any], &[("x", 0..2)], None);
    check("/caf%C3%A9/café", &[literal("café"), literal("café")], &[], None);
    check("/a:%61rchive", &[literal("a")], &[], Some("archive"));
    check(
        "/$batch(1,2);v=1/@me/~x!'&+",
        &[literal("$batch(1,2);v=1"), literal("@me"), literal("~x!'&+")],
        &[],
        None,
    );
    check("/{_a1.B}", &[Any], &[("_a1.B", 0..1)], None);
    check("/...", &[literal("...")], &[], None);
}

#[test]
fn variables_know_whether_they_span_segments() {
    for (text, multi, open) in [
        ("/{a}", false, false),
        ("/{a=b}", false, false),
        ("/{a=*}", false, false),
        ("/{a=b/*}", true, false),
        ("/{a=**}", true, true),
        ("/{a=b/**}", true, true),
    ] {
        let template = Template::parse(text).expect(text);
        assert_eq!(template.variables()[0].is_multi_segment(), multi, "{text}");
        assert_eq!(template.variables()[0].is_open(), open, "{text}");
    }
}

#[test]
fn errors_have_a_column_and_a_remedy() {
    let table = [
        ("", 1, "It does not begin with a slash. Write `/` first, as in `/v1/shelves`."),
        ("v1/a", 1, "It does not begin with a slash."),
        (
            "/v1/",
            4,
            "It ends with a slash. Leave it out: trailing slashes are part of a path and no template \
                     matches one outside of `**`.",
        ),
        (
            "//a",
            2,
            "A segment is empty. Write text, `*`, `**` or a `{variable}` between two slashes, or leave one \
                    slash out.",
        ),
        ("/{a=}", 5, "A segment is empty."),
        ("/{a=b//c}", 7, "A segment is empty."),
        (
            "/**/a",
            5,
            "`**` takes all that is left, so nothing but a verb can follow. Move it to the end, or write \
                      `*` for one segment.",
        ),
        ("/{a=**}/{b}", 9, "`**` takes all that is left"),
        ("/{a=**/b}", 8, "`**` takes all that is left"),
        (
            "/a*",
            3,
            "`*` or `**` is a whole segment. Put slashes around it, or write `%2A` for a star that is text.",
        ),
        ("/***", 2, "`*` or `**` is a whole segment."),
        ("/v{id}", 3, "A variable is a whole segment. Put a slash before its `{`."),
        ("/{a}{b}", 5, "A variable is a whole segment."),
        (
            "/{id}x",
            6,
            "`x` follows a variable. A variable is a whole segment: write `/` or `:` after it, or nothing.",
        ),
        (
            "/{id}:a:b",
            6,
            "A second colon follows the variable. Write `%3A` for a colon that is part of the verb.",
        ),
        ("/{id", 2, "A variable is not closed. Write `}` after it, as in `{id}` or `{name=shelves/*}`."),
        ("/{id/x}", 2, "A variable is not closed."),
        ("/{id=a", 2, "A variable is not closed."),
        ("/{id=a/", 2, "A variable is not closed."),
        ("/{id=", 2, "A variable is not closed."),
        ("/a}", 3, "`}` closes nothing. Leave it out, or open the variable with `{`."),
        ("/}", 2, "`}` closes nothing."),
        ("/{a}}", 5, "`}` closes nothing."),
        (
            "/{a={b}}",
            5,
            "A variable stands inside another one. Close the first one before the second begins.",
        ),
        ("/{a=x/{b}}", 7, "A variable stands inside another one."),
        ("/{a=x{b}}", 6, "A variable stands inside another one."),
        ("/{a{b}}", 4, "A variable stands inside another one."),
        (
            "/{}",
            3,
            "A field name is missing or is not a name. Write names of letters, digits and `_` that do not \
                    begin with a digit, joined by dots, as in `{book.author_id}`.",
        ),
        ("/{a..b}", 5, "A field name is missing"),
        ("/{a.}", 5, "A field name is missing"),
        ("/{1a}", 3, "A field name is missing"),
        ("/{a-b}", 3, "A field name is missing"),
        ("/{ü}", 3, "A field name is missing"),
        ("/{=a}", 3, "A field name is missing"),
        (
            "/{a.b}/x/{a.b}",
            11,
            "The variable `a.b` stands in it twice. Give each field one place; a place that \
                                needs no field is written `*`.",
        ),
        ("/a:", 3, "The verb is empty. Write its name after the colon, or leave the colon out."),
        (
            "/animals/:name",
            10,
            "`:name` is no variable. Write `{name}` for a variable. A verb follows its segment without a slash, \
             as in `/v1/shelves:archive`, and a colon that is text is written `%3A`.",
        ),
        ("/:a", 2, "`:a` is no variable. Write `{a}` for a variable. A verb follows"),
        ("/a/:b/c", 4, "`:b` is no variable. Write `{b}` for a variable."),
        ("/a/:b:c", 4, "`:b` is no variable. Write `{b}` for a variable."),
        ("/{a=x/*}/:b?", 10, "`:b` is no variable. Write `{b}` for a variable."),
        ("/a/:", 4, "`:` is no variable. Write `{name}` for a variable."),
        ("/a/:1", 4, "`:1` is no variable. Write `{name}` for a variable."),
        ("/animals/<name>", 10, "`<name>` is no variable. Write `{name}`."),
        ("/animals/<int:id>/toys", 10, "`<int:id>` is no variable. Write `{id}`."),
        ("/animals/[id]", 10, "`[id]` is no variable. Write `{id}`."),
        ("/a/<", 4, "`<` cannot stand in a path. Write it percent-encoded, as `%3C`."),
        ("/a/[...slug]", 4, "`[` cannot stand in a path."),
        ("/a:b*", 5, "A verb is plain text. Leave the star out."),
        ("/a:b{c", 5, "A variable is a whole segment."),
        (
            "/a?b=c",
            3,
            "`?` ends a path. Leave it out with all that follows; fields that are not in the path bind \
                       from the query by themselves.",
        ),
        ("/a#b", 3, "`#` ends a path."),
        ("/a b", 3, "` ` cannot stand in a path. Write it percent-encoded, as `%20`."),
        ("/é\\", 3, "`\\\\` cannot stand in a path. Write it percent-encoded, as `%5C`."),
        ("/\u{a0}", 2, "`\\u{a0}` cannot stand in a path. Write it percent-encoded, as `%C2%A0`."),
        ("/a:b|", 5, "`|` cannot stand in a path."),
        (
            "/a%2",
            3,
            "A percent sign is not followed by two hexadecimal digits. Write `%25` for a percent sign that \
                     is text.",
        ),
        ("/%FF", 2, "The escapes are not UTF-8 once they are decoded. Encode the text as UTF-8 first."),
        ("/%00", 2, "A path cannot carry a NUL character. Leave it out."),
        (
            "/a/..",
            4,
            "`.` and `..` are resolved before a request is sent and are refused in paths, so no request \
                      could match. Leave the segment out.",
        ),
        ("/%2E/a", 2, "`.` and `..` are resolved"),
    ];
    for (text, column, reason) in table {
        let error = Template::parse(text).expect_err(text);
        assert_eq!(error.column(), column, "{error}");
        let found = error.reason().to_string();
        assert!(found.starts_with(reason), "{text}: {found}");
    }
    let error = Template::parse("/v1/{id").expect_err("not closed");
    assert_eq!(
        error.to_string(),
        "The path template `/v1/{id` is wrong at column 5: A variable is not closed. Write `}` after it, as in \
         `{id}` or `{name=shelves/*}`."
    );
}

#[test]
fn sizes_are_bounded() {
    let long = |length: usize| format!("/{}", "a".repeat(length - 1));
    assert!(Template::parse(&long(MAX_LENGTH)).is_ok());
    let error = Template::parse(&long(MAX_LENGTH + 1)).expect_err("too long");
    assert_eq!(error.reason().to_string(), "It is longer than 2048 bytes. Shorten it.");
    assert!(error.to_string().len() < 300, "{error}");

    assert!(Template::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
    assert!(Template::parse(&format!("{}/**", "/a".repeat(MAX_SEGMENTS - 1))).is_ok());
    let error = Template::parse(&"/a".repeat(MAX_SEGMENTS + 1)).expect_err("too many segments");
    assert_eq!(
        error.reason().to_string(),
        "It has more than 64 segments. Bind the end of the path with one `**`, as in `/v1/{name=**}`."
    );
    assert_eq!(error.column(), 2 * MAX_SEGMENTS + 2);

    let deep = |depth: usize| format!("/{{{}}}", vec!["a"; depth].join("."));
    assert!(Template::parse(&deep(MAX_FIELD_DEPTH)).is_ok());
    let error = Template::parse(&deep(MAX_FIELD_DEPTH + 1)).expect_err("too deep");
    assert_eq!(
        error.reason().to_string(),
        "The field path has more than 32 names. Bind a field that lies less deep."
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(/|\\{|\\}|\\*|:|=|\\.|%|%2f|a|é|_){0,24}") {
        if let Ok(template) = Template::parse(&text) {
            let all = 0..template.segments().len();
            for variable in template.variables() {
                let span = variable.span();
                assert!(span.start < span.end && span.end <= all.end, "{text}");
            }
            for segment in template.segments().iter().rev().skip(1) {
                assert_ne!(segment, &Segment::Rest, "{text}");
            }
        }
    }
}
