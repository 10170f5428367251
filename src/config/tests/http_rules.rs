//! Files of HTTP rules.

use super::files::Directory;
use super::{FULL, SMALLEST};
use crate::config::descriptors::Descriptors;
use crate::config::http_rules::{HttpRule, MAX_FILE, load, parse};
use crate::config::problem::Problems;

/// A file with every key, and with what other tools read in the same file.
const SHOP: &str = include_str!("http_rules.yaml");

fn read(text: &str) -> (Option<Vec<HttpRule>>, Problems) {
    let mut problems = Problems::default();
    let rules = parse("rules.yaml", text, None, &mut problems);
    (rules, problems)
}

fn rules(text: &str) -> Vec<HttpRule> {
    let (rules, problems) = read(text);
    assert!(problems.is_empty(), "{problems}");
    rules.unwrap()
}

/// A binding as one line, and a rule as the lines of its bindings.
fn lines(rules: &[HttpRule]) -> Vec<String> {
    let line = |rule: &HttpRule| {
        let each = rule.bindings.iter().map(|binding| {
            let (verb, template) = (&binding.verb, &binding.template.value);
            format!(
                "{} {verb} {template} [{}] [{}]",
                rule.selector.value, binding.body, binding.response_body
            )
        });
        each.collect::<Vec<_>>()
    };
    rules.iter().flat_map(line).collect()
}

/// Each case of `http_rules.txt` is a name, a file and everything that is said about it.
#[test]
fn problems_say_what_is_wrong_where_and_what_to_write() {
    for case in include_str!("http_rules.txt").split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (yaml, expected) = rest.split_once("----\n").unwrap();
        let (rules, problems) = read(yaml);
        assert_eq!(problems.to_string(), expected, "{name}");
        assert_eq!(rules.is_none(), problems.errors() > 0, "{name}");
    }
}

#[test]
fn every_key_is_read_and_other_sections_are_passed_over() {
    assert_eq!(
        lines(&rules(SHOP)),
        [
            "shop.v1.Orders.GetOrder GET /v1/orders/{id} [] []",
            "shop.v1.Orders.GetOrder GET /v1/{name=shops/*/orders/*} [] [order]",
            "shop.v1.Orders.GetOrder POST /v1/orders:get [*] []",
            "shop.v1.Orders.CreateOrder POST /v1/orders [order] [order.id]",
            "shop.v1.Orders.PutOrder PUT /v1/${HOST}/{id} [*] []",
            "shop.v1.Orders.DeleteOrder DELETE /v1/orders/{id} [] []",
            "shop.v1.Orders.PatchOrder PATCH /v1/orders/{order.id} [order] []",
            "shop.v1.Orders.PurgeOrder PURGE /v1/orders/{id} [] []",
            "Static.Get * /** [] []",
            // A second rule for a method stays, in order: the last one wins.
            "shop.v1.Orders.DeleteOrder DELETE /v2/orders/{id} [] []",
        ]
    );
}

/// The two spellings of keys, YAML and JSON, and fields that are written out empty mean the same.
#[test]
fn other_forms_of_the_same_rules() {
    let expected = rules(
        "http:\n  rules:\n  - selector: a.B.C\n    get: /c\n    response_body: r\n    \
         additional_bindings:\n    - post: /c\n      body: \"*\"\n",
    );
    assert_eq!(lines(&expected), ["a.B.C GET /c [] [r]", "a.B.C POST /c [*] []"]);
    for same in [
        "http: {rules: [{selector: a.B.C, get: /c, responseBody: r, additionalBindings: [{post: /c, body: '*'}]}]}",
        "\u{feff}{\"type\": \"google.api.Service\", \"configVersion\": 3, \"http\": {\"rules\": [\r\n\
         {\"selector\": \"a.B.C\", \"get\": \"\\/c\", \"responseBody\": \"r\",\r\n\
         \"additionalBindings\": [{\"post\": \"/c\", \"body\": \"*\"}]}]}}\r\n",
        "{\n\t\"http\": {\n\t\t\"rules\": [\n\t\t\t{\"selector\": \"a.B.C\", \"get\": \"/c\", \"response_body\": \"r\",\n\
         \t\t\t\t\"additional_bindings\": [\n\t\t\t\t\t{\"post\": \"/c\", \"body\": \"*\"}\n\t\t\t\t]\n\t\t\t}\n\t\t]\n\t}\n}\n",
        "http: {fullyDecodeReservedExpansion: true, rules: [{selector: a.B.C, get: /c, body: '', responseBody: r, \
         additionalBindings: [{selector: '', post: /c, body: '*', responseBody: '', additionalBindings: []}]}]}",
    ] {
        assert_eq!(lines(&rules(same)), lines(&expected), "{same}");
    }
}

#[test]
fn everything_keeps_its_place() {
    let (rules, problems) = read(SHOP);
    let rules = rules.unwrap();
    let position = |place| problems.sources.position(place).unwrap();
    let text = |place: Option<_>| problems.sources.text(place.unwrap()).unwrap();
    assert_eq!(text(rules[0].selector.place), "shop.v1.Orders.GetOrder");
    assert_eq!(text(rules[0].bindings[1].template.place), "\"/v1/{name=shops/*/orders/*}\"");
    assert_eq!(text(rules[4].bindings[0].template.place), "/v1/orders/{order.id}");
    let places: Vec<_> = rules[0].bindings.iter().map(|binding| position(binding.place)).collect();
    assert_eq!(places, [("rules.yaml", 14, 7), ("rules.yaml", 17, 11), ("rules.yaml", 19, 11)]);
}

/// Every byte of a full file is replaced, taken out and doubled.
#[test]
fn no_mutation_panics() {
    const REPLACEMENTS: &[u8] = b"\0\n\t :-[]{}'\"&*!|>%@`#,?$\\~<x0\x7f";
    for (at, _) in SHOP.char_indices() {
        let replacement = char::from(REPLACEMENTS[at % REPLACEMENTS.len()]);
        let (before, after) = (&SHOP[..at], &SHOP[at + 1..]);
        for mutated in
            [format!("{before}{replacement}{after}"), format!("{before}{after}"), before.to_owned()]
        {
            let (rules, problems) = read(&mutated);
            assert_eq!(rules.is_none(), problems.errors() > 0, "{mutated}");
            for rule in rules.iter().flatten() {
                assert!(!rule.bindings.is_empty(), "{mutated}");
            }
        }
    }
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("{additionalBindings: [", "]}")] {
        let deep = format!("http: {{rules: [{}1{}]}}", open.repeat(10_000), close.repeat(10_000));
        assert!(read(&deep).0.is_none(), "{open}");
    }
}

/// Runs [`load`] on the file that the configuration names, and renders what is said about it.
fn loaded(directory: &Directory, name: &str) -> (Option<Vec<HttpRule>>, String) {
    directory.write("transom.yaml", format!("{SMALLEST}descriptors: [{{http_rules: {name}}}]\n"));
    let (config, mut problems) = directory.load("transom.yaml").unwrap();
    let Descriptors::HttpRules(path) = &config.descriptors[0] else { panic!("{config:?}") };
    let rules = load(path, &mut problems);
    (rules, problems.to_string().replace(&directory.path().display().to_string(), "DIR"))
}

#[test]
fn a_named_file_is_loaded() {
    let directory = Directory::new(&[("rules/shop.yaml", SHOP)]);
    let (rules, problems) = loaded(&directory, "rules/shop.yaml");
    assert_eq!((rules.unwrap().len(), problems.as_str()), (8, ""));
    assert!(FULL.contains("http_rules: rules/shop.yaml"));
}

#[test]
fn a_named_file_that_cannot_be_read_or_holds_no_rules() {
    let directory = Directory::new(&[("named.yaml", "type: google.api.Service\nname: shop\n")]);
    directory.write("large.yaml", vec![b'#'; usize::try_from(MAX_FILE).unwrap() + 1]);
    directory.write("latin.yaml", b"http:\n  rules: [\xe4]\n");
    for (name, rules, expected) in [
        (
            "none.yaml",
            None,
            "  x The file DIR/none.yaml cannot be read: it does not exist.\n   \
             ,-[DIR/transom.yaml:3:28]\n 2 | services: [\"**\"]\n 3 | descriptors: [{http_rules: none.yaml}]\n   \
             :                            ^^^^^^^^^\n   `----\n  \
             help: Check the path. A relative path in the configuration begins at the directory of its file.\n\n",
        ),
        (
            "large.yaml",
            None,
            "  x The file DIR/large.yaml cannot be read: it is larger than 4194304 bytes.\n   \
             ,-[DIR/transom.yaml:3:28]\n 2 | services: [\"**\"]\n 3 | descriptors: [{http_rules: large.yaml}]\n   \
             :                            ^^^^^^^^^^\n   `----\n  \
             help: Check that it is the right file, or make it smaller.\n\n",
        ),
        (
            "latin.yaml",
            None,
            "  x The file DIR/latin.yaml cannot be read: line 2 is not valid UTF-8.\n   \
             ,-[DIR/transom.yaml:3:28]\n 2 | services: [\"**\"]\n 3 | descriptors: [{http_rules: latin.yaml}]\n   \
             :                            ^^^^^^^^^^\n   `----\n  help: Save the file in UTF-8.\n\n",
        ),
        (
            "named.yaml",
            Some(Vec::new()),
            "  ! The file DIR/named.yaml holds no HTTP rules, so it adds no routes.\n   \
             ,-[DIR/transom.yaml:3:28]\n 2 | services: [\"**\"]\n 3 | descriptors: [{http_rules: named.yaml}]\n   \
             :                            ^^^^^^^^^^\n   `----\n  \
             help: The smallest file is:\n        type: google.api.Service\n        http:\n          rules:\n            \
             - selector: shop.v1.Orders.GetOrder\n              get: /v1/orders/{id}\n\n",
        ),
    ] {
        assert_eq!(loaded(&directory, name), (rules, expected.to_owned()), "{name}");
    }
}
