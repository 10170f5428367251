use super::*;
use crate::route::table::{Found, Table};

/// The location that a request for `path` is sent to.
#[track_caller]
fn sent(template: &str, location: &str, path: &str, query: Option<&str>) -> String {
    let template = Template::parse(template).unwrap();
    let location = Location::parse(location, &template).unwrap();
    let mut table = Table::new();
    let _ = table.insert("GET", template, ()).unwrap();
    let Found::Match { route, .. } = table.find("GET", path) else { panic!("{path} is not found") };
    location.write(&route.raw(path), query)
}

#[test]
fn variables_stand_as_they_were_sent() {
    for (template, location, path, query, expected) in [
        ("/old/{id}", "/v2/users/{id}", "/old/7", None, "/v2/users/7"),
        ("/old/{id}", "/v2/users/{id}", "/old/7", Some("a=1&b"), "/v2/users/7?a=1&b"),
        ("/old/{id}", "/v2/users/{id}", "/old/7", Some(""), "/v2/users/7"),
        ("/old/{id}", "/find?id={id}", "/old/7", Some("a=1"), "/find?id=7&a=1"),
        ("/old/{id}", "/find?id={id}", "/old/a&b=c+d", None, "/find?id=a%26b%3Dc%2Bd"),
        ("/old/{id}", "/find?id={id}", "/old/a%26b%23", None, "/find?id=a%26b%23"),
        ("/{a}/{b}", "/{b}-{a}/x", "/1/2", None, "/2-1/x"),
        ("/old/{id}", "/new/{id}", "/old/a%2Fb%252F%20%C3%A4", None, "/new/a%2Fb%252F%20%C3%A4"),
        ("/old/{a.b}:go", "/new/{a.b}", "/old/x:y:go", None, "/new/x:y"),
        ("/old/{rest=**}", "/new/{rest}", "/old/a//b%2Fc/", None, "/new/a//b%2Fc/"),
        ("/old/{rest=**}", "/new/{rest}", "/old", None, "/new/"),
        ("/{name=shelves/*}/x", "/y/{name}", "/shelves/p%71/x", None, "/y/shelves/p%71"),
        (
            "/old/{id}",
            "https://Docs.Example:8443/{id}#Top",
            "/old/7",
            Some("q"),
            "https://docs.example:8443/7?q#Top",
        ),
        ("/old", "http://[::1]", "/old", None, "http://[::1]/"),
        ("/old", "https://docs.example?a=b", "/old", Some("c"), "https://docs.example/?a=b&c"),
        ("/old", "/für/%C3%BC", "/old", None, "/f%C3%BCr/%C3%BC"),
    ] {
        assert_eq!(sent(template, location, path, query), expected, "{template} {location} {path}");
    }
}

/// No value leads to another host, opens a query, or ends the header.
#[test]
fn nothing_of_the_caller_breaks_out() {
    for (template, location, path, expected) in [
        ("/old/{rest=**}", "/{rest}", "/old//evil.example", "/evil.example"),
        ("/old/{rest=**}", "/{rest}", "/old////evil.example/x", "/evil.example/x"),
        ("/old/{rest=**}", "/{rest}", "/old/\\evil.example", "/%5Cevil.example"),
        ("/old/{rest=**}", "/{rest}", "/old//\\evil.example", "/%5Cevil.example"),
        ("/old/{rest=**}", "/{rest}", "/old/%2F%2Fevil.example", "/%2F%2Fevil.example"),
        ("/old/{rest=**}", "/{rest}", "/old/%5Cevil.example", "/%5Cevil.example"),
        ("/old/{rest=**}", "/{rest}/x", "/old", "/x"),
        ("/old/{id}", "/{id}", "/old/@evil.example", "/@evil.example"),
        ("/old/{id}", "/{id}", "/old/http:evil", "/http:evil"),
        ("/old/{id}", "/{id}", "/old/a%0d%0aset-cookie:x", "/a%0d%0aset-cookie:x"),
        ("/old/{id}", "/{id}", "/old/a\r\nb: c", "/a%0D%0Ab:%20c"),
        ("/old/{id}", "/{id}", "/old/a\tb\"<>^`{|}", "/a%09b%22%3C%3E%5E%60%7B%7C%7D"),
        ("/old/{id}", "/{id}", "/old/a?b#c", "/a%3Fb%23c"),
        ("/old/{id}", "/{id}", "/old/%3Fb%23c", "/%3Fb%23c"),
        (
            "/old/{rest=**}",
            "https://a.example/{rest}",
            "/old/.evil.example",
            "https://a.example/.evil.example",
        ),
        (
            "/old/{rest=**}",
            "https://a.example/{rest}",
            "/old//evil.example",
            "https://a.example//evil.example",
        ),
        ("/old/{id}", "/x?to={id}", "/old/%0a&to=b", "/x?to=%0a%26to%3Db"),
    ] {
        assert_eq!(sent(template, location, path, None), expected, "{template} {location} {path:?}");
    }
    assert_eq!(sent("/a", "/b", "/a", Some("x=\r\ny: z\"#\u{e4}")), "/b?x=%0D%0Ay:%20z%22%23%C3%A4");
}

#[test]
fn errors_say_what_to_do() {
    let template = Template::parse("/old/{id}/{a.b=**}").unwrap();
    for (text, expected) in [
        (
            "v2",
            "begins with neither a slash nor a scheme. Write a path such as /v2/users/{id}, or a URL such as https://docs.example/{id}.",
        ),
        (
            "ftp://a/b",
            "begins with neither a slash nor a scheme. Write a path such as /v2/users/{id}, or a URL such as https://docs.example/{id}.",
        ),
        (
            "//evil.example/x",
            "begins with two slashes, which clients read as another host. Write one slash for a path, or the scheme before the host.",
        ),
        (
            "https://{id}/x",
            "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: https://docs.example/{id}.",
        ),
        (
            "https://a.example{id}",
            "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: https://docs.example/{id}.",
        ),
        (
            "https://me@a/x",
            "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: https://docs.example/{id}.",
        ),
        (
            "https:///x",
            "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: https://docs.example/{id}.",
        ),
        (
            "https://a:99999/x",
            "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: https://docs.example/{id}.",
        ),
        ("/a\\b", "has the character '\\\\', which no URL has there. Percent-encode it."),
        ("/a b", "has the character ' ', which no URL has there. Percent-encode it."),
        ("/a\r\nb", "has the character '\\r', which no URL has there. Percent-encode it."),
        (
            "/a%2",
            "has a percent sign without two hexadecimal digits after it. Write %25 for one that is meant as such.",
        ),
        ("/a/../b", "has a segment `.` or `..`. Write the path that it stands for."),
        (
            "/{id",
            "has a brace that belongs to no variable. Write a variable as {name}, and percent-encode other braces.",
        ),
        (
            "/id}",
            "has a brace that belongs to no variable. Write a variable as {name}, and percent-encode other braces.",
        ),
        ("/#{id}", "has a variable behind `#`, where none is replaced. Move it into the path or the query."),
        ("/{name}", "names the variable \"name\". The path of the route has id, a.b."),
    ] {
        let error = Location::parse(text, &template).unwrap_err();
        assert_eq!(error.to_string(), format!("The location `{text}` {expected}"));
    }
    let plain = Template::parse("/old").unwrap();
    let error = Location::parse("/{id}", &plain).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The location `/{id}` names the variable \"id\", but the path of the route has none."
    );
    let long = format!("/{}", "a".repeat(MAX_LENGTH));
    let error = Location::parse(&long, &plain).unwrap_err().to_string();
    assert!(error.ends_with("...` is longer than 2048 bytes. Shorten it."), "{error}");
}
