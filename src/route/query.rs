//! The pairs of a query string, `application/x-www-form-urlencoded` by the URL standard.

use std::borrow::Cow;
use std::fmt;

/// Why a query string cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// A `%` is not followed by two hexadecimal digits.
    Escape {
        /// The key or value as it was sent, cut to a readable length.
        text: String,
    },
    /// The escapes decode to bytes that are not UTF-8.
    Utf8 {
        /// The key or value as it was sent, cut to a readable length.
        text: String,
    },
    /// There are more pairs than allowed.
    TooMany {
        /// How many pairs are allowed.
        limit: usize,
    },
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape { text } => {
                write!(f, "the query part {text:?} has a % that two hexadecimal digits do not follow")
            }
            Self::Utf8 { text } => write!(f, "the query part {text:?} does not decode to UTF-8"),
            Self::TooMany { limit } => write!(f, "the query has more than {limit} parameters"),
        }
    }
}

impl std::error::Error for QueryError {}

/// The decoded pairs of a query string in their order; empty pairs are passed over, and a key without
/// `=` has an empty value.
///
/// # Errors
/// In place of a pair, when it cannot be decoded, or when it is the one after `limit` pairs; nothing
/// follows then.
pub fn pairs(
    query: &str,
    limit: usize,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), QueryError>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.enumerate().map(move |(index, part)| {
        if index >= limit {
            return Err(QueryError::TooMany { limit });
        }
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(key)?, decode(value)?))
    })
}

fn decode(text: &str) -> Result<Cow<'_, str>, QueryError> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let shown = || text.chars().take(60).collect();
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit().and_then(|high| Some(high << 4 | digit()?));
                value.ok_or_else(|| QueryError::Escape { text: shown() })? as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| QueryError::Utf8 { text: shown() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<(String, String)>, QueryError> {
        pairs(query, 4).map(|pair| pair.map(|(key, value)| (key.into(), value.into()))).collect()
    }

    #[test]
    fn pairs_are_decoded_once() {
        let table: [(&str, &[(&str, &str)]); 7] = [
            ("", &[]),
            ("&&", &[]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("a", &[("a", "")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a+b=c+d%2Be", &[("a b", "c d+e")]),
            ("a=%2525&%C3%A9=%e8%b0%b7", &[("a", "%25"), ("\u{e9}", "\u{8c37}")]),
        ];
        for (query, expected) in table {
            let found = read(query).unwrap();
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{query}");
        }
    }

    #[test]
    fn wrong_queries_are_refused() {
        let table = [
            ("a=%zz", "the query part \"%zz\" has a % that two hexadecimal digits do not follow"),
            ("a=%1", "the query part \"%1\" has a % that two hexadecimal digits do not follow"),
            ("%", "the query part \"%\" has a % that two hexadecimal digits do not follow"),
            ("a=%ff", "the query part \"%ff\" does not decode to UTF-8"),
            ("a&a&a&a&a", "the query has more than 4 parameters"),
        ];
        for (query, expected) in table {
            assert_eq!(read(query).unwrap_err().to_string(), expected);
        }
    }
}
