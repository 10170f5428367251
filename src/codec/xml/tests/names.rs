//! Names, prefixes and namespaces of attributes.

use super::super::lexer::{COMPARED, Lexer, Limits};

/// How often and how many bytes of names and namespaces are compared for each byte of a text, which is well-formed.
fn compared(text: &str) -> usize {
    COMPARED.set(0);
    let mut lexer = Lexer::new(text.as_bytes(), Limits::default()).unwrap();
    lexer.root().unwrap();
    lexer.skip().unwrap();
    lexer.finish().unwrap();
    COMPARED.get() / text.len()
}

#[test]
fn names_that_are_long_and_alike_cost_no_more_than_others() {
    let long = "x".repeat(2000);
    // Each of 64 attributes of 500 elements in one of 60 namespaces.
    let declared: String = (0..60).map(|each| format!(" xmlns:p{each}='{long}{each:02}'")).collect();
    let attributes: String = (0..60).map(|each| format!(" p{each}:a=''")).collect();
    let namespaces = format!("<r{declared}>{}</r>", format!("<a{attributes}/>").repeat(500));
    // 240 namespaces, and one of them again and again.
    let many: String = (0..4).fold("<a/>".into(), |inside, level| {
        let declared: String =
            (0..60).map(|each| format!(" xmlns:p{level}x{each}='{long}{level}{each}'")).collect();
        format!("<a{declared}>{inside}</a>")
    });
    let again = format!("<b xmlns:q='{long}310'/>").repeat(100);
    let declarations = many.replace("<a/>", &again);
    let attributes: String = (0..64).map(|each| format!(" {long}{each:02}=''")).collect();
    let locals = format!("<r{attributes}/>");
    let declared: String = (0..60).map(|each| format!(" xmlns:{long}{each:02}='u'")).collect();
    let used: String = (0..60).map(|each| format!(" {long}{each:02}:a{each}=''")).collect();
    let prefixes = format!("<r{declared}><a{used}/></r>");
    let short: String = (0..60).map(|each| format!(" a{each:02}=''")).collect();
    let short = format!("<r>{}</r>", format!("<a{short}/>").repeat(500));
    for (text, most) in [(namespaces, 1), (declarations, 1), (locals, 10), (prefixes, 8), (short, 10)] {
        let found = compared(&text);
        assert!(found <= most, "{found}, not {most}: {}", &text[..20]);
    }
}

#[test]
fn an_attribute_is_there_twice_whatever_its_prefix() {
    let table = [
        ("<r a='' b='' a=''/>", Some("a")),
        ("<r xmlns:p='urn:n' p:a='' a=''/>", None),
        ("<r xmlns:p='urn:n' xmlns:q='urn:n' p:a='' q:a=''/>", Some("q:a")),
        ("<r xmlns:p='urn:n'><s xmlns:q='urn:&#110;' q:b='' p:a='' q:a='' a='' p:b='' /></r>", Some("q:a")),
        ("<r xmlns:p='urn:n' xmlns='urn:n' p:a='' a=''/>", None),
        ("<r xmlns:p='urn:n'><s xmlns:p='urn:m' xmlns:q='urn:n' p:a='' q:a=''/></r>", None),
        ("<r xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:a='' a=''/>", None),
    ];
    for (text, doubled) in table {
        let mut lexer = Lexer::new(text.as_bytes(), Limits::default()).unwrap();
        let found = lexer.root().and_then(|()| lexer.skip()).map_err(|error| error.message().to_owned());
        let element = if text.contains("<s") { "s" } else { "r" };
        let expected =
            doubled.map_or(Ok(()), |name| Err(format!("<{element}> has the attribute {name} twice")));
        assert_eq!(found, expected, "{text}");
    }
}
