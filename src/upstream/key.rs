//! What a call has in common with others that go to the same target.

use super::decide::balance::Common;
use crate::call::asked::Asked;
use crate::call::hash::hash;
use crate::call::{Call, Message};
use crate::route::condition::cookies;
use crate::wire::WireType;
use crate::wire::reader::Reader;

/// How deep groups of other fields may be nested.
const GROUP_DEPTH: usize = 64;

/// The key of a call, as far as that is known before its message is.
pub(super) fn of(common: &Common, call: &Call) -> Option<u64> {
    match common {
        Common::Header(name) => {
            let of_caller = || call.origin.headers.as_ref()?.get(name);
            call.metadata.get(name).or_else(of_caller).map(|value| hash(value.as_bytes()))
        }
        Common::Cookie(name) => {
            let headers = call.origin.headers.as_deref().unwrap_or(&call.metadata);
            let asked = Asked { host: None, query: "", headers };
            cookies(&asked, name).next().map(hash)
        }
        Common::Claim(name) => match call.origin.identity()?.claim(name) {
            [] => None,
            [one] => Some(hash(one.as_bytes())),
            several => Some(hash(several.join("\0").as_bytes())),
        },
        Common::Field => None,
    }
}

/// The key of a message: the value of the field to which these numbers lead, each but the last that of a message in the
/// one before. `None` where the field is not set, or cannot be read.
pub(super) fn of_message(message: &Message, path: &[u32]) -> Option<u64> {
    if message.compressed { None } else { find(&message.bytes, path) }
}

/// The last value counts, and messages that come in pieces are one, as parsers read them.
fn find(wire: &[u8], path: &[u32]) -> Option<u64> {
    let (number, inner) = path.split_first()?;
    let (mut reader, mut found) = (Reader::new(wire), None);
    while !reader.is_at_end() {
        let (at, wire_type) = reader.tag().ok()?;
        let value = match wire_type {
            WireType::Len if at == *number && !inner.is_empty() => find(reader.bytes().ok()?, inner),
            WireType::Len if at == *number => Some(hash(reader.bytes().ok()?)),
            WireType::Varint if at == *number => Some(hash(&reader.varint().ok()?.to_le_bytes())),
            WireType::Fixed64 if at == *number => Some(hash(&reader.fixed64().ok()?.to_le_bytes())),
            WireType::Fixed32 if at == *number => Some(hash(&reader.fixed32().ok()?.to_le_bytes())),
            _ => {
                reader.skip(at, wire_type, GROUP_DEPTH).ok()?;
                None
            }
        };
        // A number where a message belongs is none.
        if wire_type == WireType::Len || inner.is_empty() {
            found = value.or(found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::header::COOKIE;
    use http::{HeaderMap, HeaderName};

    use super::super::tests::{fields, request};
    use super::*;
    use crate::call::identity::{Identity, Noted};
    use crate::wire::writer;

    #[test]
    fn cookies_are_found_by_their_names() {
        let headers = |cookies: &[&'static str]| {
            let mut headers = HeaderMap::new();
            cookies.iter().for_each(|cookie| _ = headers.append(COOKIE, cookie.parse().unwrap()));
            headers
        };
        for (cookies, expected) in [
            (&["session=a1"][..], Some("a1")),
            (&["other=x; session=a1; session=a2"], Some("a1")),
            (&["xsession=b; session2=c", "session=a1"], Some("a1")),
            (&["session="], Some("")),
            (&["session", "Session=a1"], None),
            (&[], None),
        ] {
            let mut call = request("");
            call.origin.headers = Some(Arc::new(headers(cookies)));
            let found = of(&Common::Cookie("session".into()), &call);
            assert_eq!(found, expected.map(|value| hash(value.as_bytes())), "{cookies:?}");
        }
    }

    #[test]
    fn keys_are_what_upstreams_see_or_else_what_the_caller_sent() {
        let name = Common::Header(HeaderName::from_static("x-user"));
        let mut call = request("");
        assert_eq!(of(&name, &call), None);
        call.origin.headers = Some(Arc::new(fields(&[("x-user", "of the caller"), ("cookie", "s=1")])));
        assert_eq!(of(&name, &call), Some(hash(b"of the caller")));
        assert_eq!(of(&Common::Cookie("s".into()), &call), Some(hash(b"1")));
        assert_eq!(of(&Common::Cookie("t".into()), &call), None);
        call.metadata = fields(&[("x-user", "of the gateway")]);
        assert_eq!(of(&name, &call), Some(hash(b"of the gateway")));

        let sub = Common::Claim("sub".into());
        assert_eq!(of(&sub, &call), None, "nobody knows who calls");
        let noted = Arc::new(Noted::default());
        call.origin.noted = Some(Arc::clone(&noted));
        assert_eq!(of(&sub, &call), None);
        let roles = ["a".into(), "b".into()].into();
        noted.note(Arc::new(Identity { principal: "ann".into(), roles, ..Identity::default() }));
        assert_eq!(of(&sub, &call), Some(hash(b"ann")));
        assert_eq!(of(&Common::Claim("roles".into()), &call), Some(hash(b"a\0b")));
        assert_eq!(of(&Common::Claim("plan".into()), &call), None);
        assert_eq!(of(&Common::Field, &call), None, "its message is not known");
    }

    #[test]
    fn fields_are_found_by_their_numbers() {
        let text = |number, text: &[u8]| {
            let mut wire = Vec::new();
            writer::bytes(&mut wire, number, text);
            wire
        };
        let seven = [0x28, 7];
        let nested = text(2, &text(3, b"ann"));
        for (wire, path, expected) in [
            (text(3, b"ann"), &[3][..], Some(hash(b"ann"))),
            ([text(3, b"bob"), text(4, b"x"), text(3, b"ann")].concat(), &[3], Some(hash(b"ann"))),
            (seven.to_vec(), &[5], Some(hash(&7_u64.to_le_bytes()))),
            (vec![0x2d, 1, 0, 0, 0], &[5], Some(hash(&1_u32.to_le_bytes()))),
            (vec![0x29, 1, 0, 0, 0, 0, 0, 0, 0], &[5], Some(hash(&1_u64.to_le_bytes()))),
            (nested.clone(), &[2, 3], Some(hash(b"ann"))),
            // In pieces, of which the last does not have it.
            ([nested.clone(), text(2, &seven)].concat(), &[2, 3], Some(hash(b"ann"))),
            ([nested, text(2, &text(3, b"bob"))].concat(), &[2, 3], Some(hash(b"bob"))),
            // A number where a message belongs, a group, and another field.
            (vec![0x10, 1], &[2, 3], None),
            (vec![0x1b, 0x1c], &[3], None),
            (text(4, b"ann"), &[3], None),
            (Vec::new(), &[3], None),
            // What is cut off.
            (vec![0x1a, 9, b'a'], &[3], None),
        ] {
            let message = Message { bytes: wire.into(), compressed: false };
            assert_eq!(of_message(&message, path), expected, "{path:?} of {message:?}");
            assert_eq!(of_message(&Message { compressed: true, ..message }, path), None);
        }
    }
}
