//! The two versions of SOAP: <https://www.w3.org/TR/2000/NOTE-SOAP-20000508/> and <https://www.w3.org/TR/soap12-part1/>.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::codec::multipart::{essence, parameters};
use crate::front::representation::has_start;
use crate::front::shown;
use crate::status::{Code, Status};

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// A version of SOAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// SOAP 1.1.
    One,
    /// SOAP 1.2.
    Two,
}

impl Version {
    /// The namespace of its envelopes.
    pub(super) const fn namespace(self) -> &'static str {
        match self {
            Self::One => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::Two => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The version with this namespace.
    pub(super) fn of_namespace(namespace: &str) -> Option<Self> {
        [Self::One, Self::Two].into_iter().find(|version| version.namespace() == namespace)
    }

    /// The content type of its answers.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::One => "text/xml; charset=utf-8",
            Self::Two => "application/soap+xml; charset=utf-8",
        }
    }

    /// The attribute by which a header says whom it is for.
    pub(super) const fn role(self) -> &'static str {
        match self {
            Self::One => "actor",
            Self::Two => "role",
        }
    }

    /// Whether a header for this role is for the receiver of the message, which is what Transom is.
    pub(super) fn is_receiver(self, role: &str) -> bool {
        match self {
            Self::One => ["", "http://schemas.xmlsoap.org/soap/actor/next"].contains(&role),
            Self::Two => {
                let name = role.strip_prefix("http://www.w3.org/2003/05/soap-envelope/role/");
                role.is_empty() || matches!(name, Some("next" | "ultimateReceiver"))
            }
        }
    }
}

/// What the HTTP headers of a request say of its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced {
    /// The version that the content type is of. What the envelope says counts.
    pub(super) version: Version,
    /// The encoding of characters.
    pub(super) charset: Option<String>,
    /// What the caller says that it wants to be done, empty if it says nothing.
    pub(super) action: String,
}

impl Announced {
    /// Reads the headers.
    ///
    /// # Errors
    /// 415 for a content type that is none of SOAP.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let (value, further) = (values.next(), values.next());
        let Some(value) = value else { return Err(unsupported("The request has no content type.")) };
        let text = value.to_str().unwrap_or_default();
        if further.is_some() {
            return Err(unsupported("The request has several content types."));
        }
        let essence = essence(text);
        let is = |other: &str| essence.eq_ignore_ascii_case(other);
        let version = if is("text/xml") {
            Version::One
        } else if is("application/soap+xml") {
            Version::Two
        } else if has_start(essence, "multipart/") {
            let text =
                "Attachments and MTOM are not supported here. Send bytes as base64 inside the envelope.";
            return Err(unsupported(text));
        } else {
            return Err(unsupported(&format!("The content type {:?} is none of SOAP.", shown(value))));
        };
        let Some((_, parameters)) = parameters(text) else {
            let text = format!("The parameters of the content type {:?} cannot be read.", shown(value));
            return Err(unsupported(&text));
        };
        let of = |known: &str| {
            let found = parameters.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(known));
            found.map(|(_, value)| value.trim().to_owned())
        };
        let (charset, action) = (of("charset"), of("action"));
        // Some clients send the header with SOAP 1.2 too.
        let header = headers.get(SOAP_ACTION).map(HeaderValue::as_bytes).map(String::from_utf8_lossy);
        let action = action.or_else(|| header.map(|value| unquoted(&value))).unwrap_or_default();
        Ok(Self { version, charset, action })
    }
}

/// What stands in the quotes that SOAPAction has.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inner.unwrap_or(value).trim().to_owned()
}

/// Whether what a caller says that it wants can be this method. It can say so in many ways, such as
/// `urn:package.Service/Method` (what the WSDL has), `http://old.example/Method` or `Method`.
pub(super) fn agrees(action: &str, method: &str) -> bool {
    action.is_empty() || action.rsplit(['/', '#', ':', '?']).next() == Some(method)
}

fn unsupported(what: &str) -> Status {
    let text = format!("{what} SOAP 1.1 is sent as text/xml, SOAP 1.2 as application/soap+xml.");
    Status::caller(Code::InvalidArgument, text).with_http(415)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Announced, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Announced::of(&map).map_err(|status| format!("{} {}", status.http(), status.message()))
    }

    #[test]
    fn headers_announce_the_body() {
        let announced = |version, charset: Option<&str>, action: &str| {
            Ok(Announced { version, charset: charset.map(str::to_owned), action: action.to_owned() })
        };
        for (headers, expected) in [
            (&[("content-type", "text/xml")][..], announced(Version::One, None, "")),
            (
                &[("content-type", "Text/XML; Charset=\"UTF-8\""), ("soapaction", "\"urn:a/B\"")],
                announced(Version::One, Some("UTF-8"), "urn:a/B"),
            ),
            (&[("content-type", "text/xml"), ("soapaction", "\"\"")], announced(Version::One, None, "")),
            (&[("content-type", "text/xml"), ("soapaction", "B")], announced(Version::One, None, "B")),
            (
                &[("content-type", "application/soap+xml; action=\"urn:a;b/C\";charset=utf-16")],
                announced(Version::Two, Some("utf-16"), "urn:a;b/C"),
            ),
            (
                &[("content-type", "application/soap+xml; charset=utf-8; action=urn:a/B")],
                announced(Version::Two, Some("utf-8"), "urn:a/B"),
            ),
            (
                &[("content-type", "application/soap+xml"), ("soapaction", "\"C\"")],
                announced(Version::Two, None, "C"),
            ),
        ] {
            assert_eq!(read(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn other_content_types_are_refused() {
        let end = "SOAP 1.1 is sent as text/xml, SOAP 1.2 as application/soap+xml.";
        for (headers, expected) in [
            (&[][..], "The request has no content type."),
            (
                &[("content-type", "application/json")],
                "The content type \"application/json\" is none of SOAP.",
            ),
            (
                &[("content-type", "text/xml; charset=\"utf-8")],
                "The parameters of the content type \"text/xml; charset=\\\"utf-8\" cannot be read.",
            ),
            (
                &[("content-type", "multipart/related; type=\"application/xop+xml\"; boundary=a")],
                "Attachments and MTOM are not supported here. Send bytes as base64 inside the envelope.",
            ),
            (
                &[("content-type", "text/xml"), ("content-type", "text/xml")],
                "The request has several content types.",
            ),
        ] {
            assert_eq!(read(headers), Err(format!("415 {expected} {end}")));
        }
    }

    #[test]
    fn actions_name_methods() {
        for (action, expected) in [
            ("", true),
            ("urn:echo.v1.Echo/Echo", true),
            ("http://old.example/services#Echo", true),
            ("urn:Echo", true),
            ("Echo", true),
            ("urn:echo.v1.Echo/Fail", false),
            ("MyEcho", false),
            ("urn:echo.v1.Echo/Echo/", false),
        ] {
            assert_eq!(agrees(action, "Echo"), expected, "{action}");
        }
    }

    #[test]
    fn headers_without_a_role_or_for_the_next_are_for_the_receiver() {
        let two = "http://www.w3.org/2003/05/soap-envelope/role/";
        for (version, role, expected) in [
            (Version::One, String::new(), true),
            (Version::One, "http://schemas.xmlsoap.org/soap/actor/next".into(), true),
            (Version::One, "http://other.example".into(), false),
            (Version::Two, String::new(), true),
            (Version::Two, format!("{two}next"), true),
            (Version::Two, format!("{two}ultimateReceiver"), true),
            (Version::Two, format!("{two}none"), false),
            (Version::Two, "next".into(), false),
        ] {
            assert_eq!(version.is_receiver(&role), expected, "{role}");
        }
    }
}
