//! Metadata from the command line: `name: value`.

use http::{HeaderName, HeaderValue};

use crate::call::metadata::{flaw, is_reserved};

/// One entry of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// Reads `name: value`, with or without the space. Names are lower case on the wire, however they are
/// written.
///
/// # Errors
/// What is wrong and what to write instead.
pub(super) fn parse(text: &str) -> Result<Entry, String> {
    let example = "Write for example `x-tenant: acme`.";
    let Some((name, value)) = text.split_once(':') else {
        return Err(format!("there is no colon between a name and a value. {example}"));
    };
    let (name, value) = (name.trim(), value.trim());
    let Ok(name) = name.parse::<HeaderName>() else {
        return Err(format!("`{name}` is not a name of letters, digits, `-`, `_` and `.`. {example}"));
    };
    if name.as_str() == "grpc-timeout" {
        return Err("the deadline is not sent by hand. Use --timeout.".into());
    }
    if is_reserved(name.as_str()) {
        return Err(format!("`{name}` belongs to HTTP or gRPC itself and is no metadata. Leave it out."));
    }
    if let Some(flaw) = flaw(name.as_str(), value.as_bytes()) {
        return Err(format!("the value of `{name}` is not valid: {flaw}."));
    }
    let value = HeaderValue::from_str(value).map_err(|error| format!("the value is not valid: {error}."))?;
    Ok(Entry { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let entry = |name, value| Entry {
            name: HeaderName::from_static(name),
            value: HeaderValue::from_static(value),
        };
        let table = [
            ("x-tenant: acme", entry("x-tenant", "acme")),
            ("X-Tenant:acme", entry("x-tenant", "acme")),
            ("x: http://a:1/", entry("x", "http://a:1/")),
            ("empty:", entry("empty", "")),
            ("data-bin: AAEC", entry("data-bin", "AAEC")),
            ("authorization: Bearer t", entry("authorization", "Bearer t")),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_entries_are_explained() {
        let example = "Write for example `x-tenant: acme`.";
        let table = [
            ("x-tenant", format!("there is no colon between a name and a value. {example}")),
            (": v", format!("`` is not a name of letters, digits, `-`, `_` and `.`. {example}")),
            ("a b: v", format!("`a b` is not a name of letters, digits, `-`, `_` and `.`. {example}")),
            ("grpc-timeout: 1S", "the deadline is not sent by hand. Use --timeout.".into()),
            ("te: x", "`te` belongs to HTTP or gRPC itself and is no metadata. Leave it out.".into()),
            ("x-bin: !", "the value of `x-bin` is not valid: names that end in -bin carry base64.".into()),
            (
                "x: é",
                "the value of `x` is not valid: metadata carries visible ASCII characters and spaces.".into(),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }
}
