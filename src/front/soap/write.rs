//! Writing envelopes.

use super::fault::{Fault, Kind};
use super::version::Version;
use crate::codec::xml::write::{push_attribute, push_text};

const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";

/// An envelope whose body is being written.
pub(super) struct Envelope {
    text: Vec<u8>,
}

impl Envelope {
    /// Writes what comes before the content of the body. `related` is the `MessageID` of WS-Addressing that the sender gave
    /// its message; `fault` is what the body will hold, if it is one.
    pub(super) fn begin(version: Version, related: Option<&str>, fault: Option<&Fault>) -> Self {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"");
        text.extend_from_slice(version.namespace().as_bytes());
        text.extend_from_slice(b"\">");
        let mut header = Vec::new();
        if let Some(related) = related {
            header.extend_from_slice(b"<wsa:RelatesTo xmlns:wsa=\"");
            header.extend_from_slice(ADDRESSING.as_bytes());
            header.extend_from_slice(b"\">");
            // It comes back as it is: to whoever sent it nothing in it is an escape.
            push_attribute(&mut header, related);
            header.extend_from_slice(b"</wsa:RelatesTo>");
        }
        if let (Some(Fault { kind, .. }), Version::Two) = (fault, version) {
            explain(kind, &mut header);
        }
        if !header.is_empty() {
            text.extend_from_slice(b"<soap:Header>");
            text.extend_from_slice(&header);
            text.extend_from_slice(b"</soap:Header>");
        }
        text.extend_from_slice(b"<soap:Body>");
        Self { text }
    }

    /// Where the content of the body goes.
    pub(super) const fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// The envelope.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
        self.text
    }
}

/// The headers with which SOAP 1.2 explains a fault (section 5.4.7 and 5.4.8).
fn explain(kind: &Kind, header: &mut Vec<u8>) {
    match kind {
        Kind::Plain => {}
        Kind::VersionMismatch => {
            header.extend_from_slice(b"<soap:Upgrade>");
            for (prefix, version) in [("s12", Version::Two), ("s11", Version::One)] {
                let namespace = version.namespace();
                let supported = format!(
                    "<soap:SupportedEnvelope qname=\"{prefix}:Envelope\" xmlns:{prefix}=\"{namespace}\"/>"
                );
                header.extend_from_slice(supported.as_bytes());
            }
            header.extend_from_slice(b"</soap:Upgrade>");
        }
        Kind::MustUnderstand(names) => {
            for (namespace, local) in names {
                // The prefix is undeclared where there is no namespace.
                header.extend_from_slice(b"<soap:NotUnderstood qname=\"");
                if namespace.is_empty() {
                    push_attribute(header, local);
                } else {
                    header.extend_from_slice(b"n:");
                    push_attribute(header, local);
                    header.extend_from_slice(b"\" xmlns:n=\"");
                    push_attribute(header, namespace);
                }
                header.extend_from_slice(b"\"/>");
            }
        }
    }
}

/// Appends an element with text. `tag` may have attributes.
pub(super) fn element(text: &mut Vec<u8>, tag: &str, content: &str) {
    text.push(b'<');
    text.extend_from_slice(tag.as_bytes());
    text.push(b'>');
    push_text(text, content);
    text.extend_from_slice(b"</");
    text.extend_from_slice(tag.split(' ').next().unwrap_or_default().as_bytes());
    text.push(b'>');
}
