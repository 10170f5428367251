//! In which text a caller of REST is answered: JSON, or XML where the caller asks for it.

use http::HeaderMap;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::accept::ranges;
use crate::call::Dialect;
use crate::codec::multipart::essence;
use crate::snapshot::Endpoint;
use crate::status::{Code, Status};

/// The text that messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// JSON.
    Json,
    /// XML, under one of its two names.
    Xml(Name),
}

/// The media types of XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Application,
    Text,
}

impl Name {
    fn of(essence: &str) -> Option<Self> {
        if essence.eq_ignore_ascii_case("application/xml") {
            Some(Self::Application)
        } else if essence.eq_ignore_ascii_case("text/xml") {
            Some(Self::Text)
        } else {
            None
        }
    }

    /// The value of Content-Type. Old clients take text without a charset for US-ASCII.
    pub(super) const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Application => "application/xml",
            Self::Text => "text/xml; charset=utf-8",
        })
    }
}

/// What a caller wishes to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) text: Text,
    /// Whether Accept allows nothing else.
    is_only: bool,
    /// Whether the request's body is XML.
    is_sent: bool,
}

/// Other names for JSON, or for streams of it.
const JSON: [&str; 5] = [
    "application/json",
    "application/problem+json",
    "text/event-stream",
    "application/x-ndjson",
    "application/ndjson",
];

impl Wish {
    /// By Accept. XML has to be named: it is the answer where it has a higher weight than JSON, or stands before it with
    /// the same, and `text/html`, which a browser asks for, is not named. Who asks for nothing in particular and sends
    /// XML is answered in XML.
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        let sent = headers.get(CONTENT_TYPE).and_then(|value| xml_type(value.to_str().ok()?));
        let plain = Self { text: Text::Json, is_only: false, is_sent: sent.is_some() };
        let names_xml = |value: &HeaderValue| {
            memchr::memmem::find(value.as_bytes(), b"xml").is_some() || has_upper_case(value)
        };
        let is_named = headers.get_all(ACCEPT).iter().any(names_xml);
        if !is_named && sent.is_none() {
            return plain;
        }
        let accepted = Accepted::read(headers);
        match accepted {
            Accepted { html, .. } if html > 0.0 => plain,
            Accepted { xml: Some((name, xml, _)), json, any, .. } if xml > 0.0 => {
                let loses = |(weight, is_first): (f32, bool)| weight > xml || (weight >= xml && is_first);
                let is_json = json.is_some_and(loses) || (json.is_none() && any > xml);
                let others = any.max(json.map_or(0.0, |(weight, _)| weight));
                let text = if is_json { Text::Json } else { Text::Xml(name) };
                Self { text, is_only: others <= 0.0, ..plain }
            }
            Accepted { json: None, is_anything: true, .. } => match sent {
                Some(name) => Self { text: Text::Xml(name), ..plain },
                None => plain,
            },
            _ => plain,
        }
    }

    /// What the caller of a method is answered with.
    pub(super) fn text(self, endpoint: &Endpoint) -> Text {
        match self.text {
            Text::Xml(name) if endpoint.speaks(Dialect::Xml) => Text::Xml(name),
            _ if endpoint.speaks(Dialect::Rest) => Text::Json,
            _ => Text::Xml(Name::Application),
        }
    }

    /// The dialect that is spoken: XML if one of request and answer is.
    pub(super) fn dialect(self, endpoint: &Endpoint) -> Dialect {
        let is_xml = matches!(self.text(endpoint), Text::Xml(_)) || self.is_sent;
        if is_xml && endpoint.speaks(Dialect::Xml) { Dialect::Xml } else { Dialect::Rest }
    }

    /// Whether the caller takes what it would get.
    ///
    /// # Errors
    /// 406.
    pub(super) fn check(self, endpoint: &Endpoint) -> Result<(), Status> {
        let gets_json = self.text(endpoint) == Text::Json;
        if self.is_only && gets_json && self.text != Text::Json {
            let text = "This service does not answer in XML. Accept application/json.";
            return Err(Status::caller(Code::InvalidArgument, text).with_http(406));
        }
        Ok(())
    }
}

/// What Accept says of the texts that there are.
#[derive(Debug, Default)]
struct Accepted {
    html: f32,
    /// The name of XML with the highest weight, its weight and its place.
    xml: Option<(Name, f32, usize)>,
    /// The weight of JSON, and whether it stands before XML.
    json: Option<(f32, bool)>,
    /// The weight of `application/*` or `*/*`.
    any: f32,
    /// Whether nothing is asked for but anything at all.
    is_anything: bool,
}

impl Accepted {
    fn read(headers: &HeaderMap) -> Self {
        let mut accepted = Self { is_anything: true, ..Self::default() };
        let mut json: Option<(f32, usize)> = None;
        let ranges = headers.get_all(ACCEPT).iter().flat_map(ranges).filter(|(name, _)| !name.is_empty());
        for (place, (name, weight)) in ranges.enumerate() {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is("*/*") || is("application/*") {
                accepted.any = accepted.any.max(weight);
                continue;
            }
            accepted.is_anything = false;
            if is("text/html") {
                accepted.html = accepted.html.max(weight);
            } else if let Some(name) = Name::of(name) {
                if accepted.xml.is_none_or(|(_, best, _)| weight > best) {
                    accepted.xml = Some((name, weight, place));
                }
            } else if JSON.iter().any(|name| is(name)) && json.is_none_or(|(best, _)| weight > best) {
                json = Some((weight, place));
            }
        }
        let xml = accepted.xml.map_or(usize::MAX, |(_, _, place)| place);
        accepted.json = json.map(|(weight, place)| (weight, place < xml));
        accepted
    }
}

fn has_upper_case(value: &HeaderValue) -> bool {
    value.as_bytes().iter().any(u8::is_ascii_uppercase)
}

/// The name of XML that a content type has: it, or a relative `application/…+xml`. SOAP is none: its bodies are envelopes.
pub(super) fn xml_type(content_type: &str) -> Option<Name> {
    let essence = essence(content_type);
    if let Some(name) = Name::of(essence) {
        return Some(name);
    }
    let is_soap = essence.eq_ignore_ascii_case("application/soap+xml");
    let is_relative = has_start(essence, "application/") && has_end(essence, "+xml") && !is_soap;
    is_relative.then_some(Name::Application)
}

/// Whether a media type begins so, in any case.
pub(super) fn has_start(essence: &str, start: &str) -> bool {
    essence.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

/// Whether a media type ends so, in any case.
pub(super) fn has_end(essence: &str, end: &str) -> bool {
    let at = essence.len().checked_sub(end.len());
    at.and_then(|at| essence.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(accept: &[&'static str], content_type: Option<&'static str>) -> Wish {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        if let Some(value) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        Wish::of_request(&headers)
    }

    #[test]
    fn xml_is_named_or_json_is_the_answer() {
        let (json, xml, old) = (Text::Json, Text::Xml(Name::Application), Text::Xml(Name::Text));
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let table: [(&[&str], Text, bool); 22] = [
            (&[], json, false),
            (&["*/*"], json, false),
            (&["application/json"], json, false),
            (&["application/xml"], xml, true),
            (&["text/xml"], old, true),
            (&["Application/XML; charset=utf-8"], xml, true),
            (&["application/xml, */*"], xml, false),
            (&["application/xml;q=0.5, */*"], json, false),
            (&["application/xml, application/json"], xml, false),
            (&["application/json, application/xml"], json, false),
            (&["application/json;q=0.5, application/xml"], xml, false),
            (&["application/json;q=0.5", "application/xml;q=0.6"], xml, false),
            (&["application/json, application/xml;q=0.9"], json, false),
            (&["application/json;q=0, application/xml;q=0.1"], xml, true),
            (&["application/xml;q=0"], json, false),
            (&["text/xml;q=0.4, application/xml;q=0.5"], xml, true),
            (&["text/xml, application/xml"], old, true),
            (&[browser], json, false),
            (&["application/xml, text/html;q=0.1"], json, false),
            (&["application/xml, text/html;q=0"], xml, true),
            (&["text/event-stream, application/xml"], json, false),
            (&["application/soap+xml, text/*"], json, false),
        ];
        for (accept, text, is_only) in table {
            let found = wish(accept, None);
            assert_eq!((found.text, found.is_only && text != json), (text, is_only), "{accept:?}");
        }
    }

    #[test]
    fn who_sends_xml_and_asks_for_nothing_gets_xml() {
        let (json, xml, old) = (Text::Json, Text::Xml(Name::Application), Text::Xml(Name::Text));
        let table: [(&[&str], &str, Text); 8] = [
            (&[], "application/xml", xml),
            (&[], "text/xml; charset=iso-8859-1", old),
            (&["*/*"], "text/xml", old),
            (&[], "application/vnd.shop+xml", xml),
            (&["application/json"], "application/xml", json),
            (&["text/html"], "application/xml", json),
            (&[], "application/soap+xml", json),
            (&[], "application/json", json),
        ];
        for (accept, content_type, text) in table {
            assert_eq!(wish(accept, Some(content_type)).text, text, "{accept:?} {content_type}");
        }
    }
}
