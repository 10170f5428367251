//! Certificates that callers have shown in TLS.

use std::sync::Arc;

use http::HeaderValue;

use super::pattern::Pattern;
use super::refusal::Reason;
use super::verify::{Verdict, Verifier};
use crate::call::Origin;
use crate::call::identity::Identity;
use crate::tls::certificate::Name;
use crate::tls::session;

/// Asks for a certificate. One that comes here was signed by an authority of the listener, and its key is there.
#[derive(Debug, Default)]
pub struct Certificate {
    /// Patterns for the subject. Of each list that is not empty, one pattern must fit.
    pub subjects: Vec<Pattern>,
    /// For DNS names.
    pub dns: Vec<Pattern>,
    /// For URIs.
    pub uris: Vec<Pattern>,
    /// For addresses of e-mail.
    pub emails: Vec<Pattern>,
    /// What is known of the caller beside the certificate, whose name is the principal.
    pub identity: Identity,
}

impl Certificate {
    /// A pattern for subjects.
    pub fn subject(text: &str) -> Pattern {
        Pattern::new(text, &[',', '+'])
    }

    /// A pattern for DNS names, which are compared in lower case.
    pub fn dns(text: &str) -> Pattern {
        Pattern::new(&text.to_ascii_lowercase(), &['.'])
    }

    /// A pattern for URIs.
    pub fn uri(text: &str) -> Pattern {
        Pattern::new(text, &['/'])
    }

    /// A pattern for addresses of e-mail.
    pub fn email(text: &str) -> Pattern {
        Pattern::new(text, &['@'])
    }

    fn fits(&self, client: &session::Identity) -> bool {
        let any = |patterns: &[Pattern], of: fn(&Name) -> Option<&str>| {
            patterns.is_empty()
                || client
                    .names
                    .iter()
                    .filter_map(of)
                    .any(|name| patterns.iter().any(|pattern| pattern.fits(name)))
        };
        let subject = |pattern: &Pattern| pattern.fits(&client.subject);
        (self.subjects.is_empty() || self.subjects.iter().any(subject))
            && any(&self.dns, |name| if let Name::Dns(name) = name { Some(name) } else { None })
            && any(&self.uris, |name| if let Name::Uri(name) = name { Some(name) } else { None })
            && any(&self.emails, |name| if let Name::Email(name) = name { Some(name) } else { None })
    }
}

/// What a certificate calls its subject: a URI, a DNS name or an address before the subject itself.
fn principal(client: &session::Identity) -> String {
    let of = |kind: fn(&Name) -> bool| client.names.iter().find(|name| kind(name)).map(ToString::to_string);
    of(|name| matches!(name, Name::Uri(_)))
        .or_else(|| of(|name| matches!(name, Name::Dns(_))))
        .or_else(|| of(|name| matches!(name, Name::Email(_))))
        .unwrap_or_else(|| client.subject.clone())
}

impl Verifier for Certificate {
    fn verify(&self, origin: &Origin) -> Verdict {
        let Some(client) = origin.tls.as_ref().and_then(|session| session.client.as_ref()) else {
            return Verdict::Absent;
        };
        if !self.fits(client) {
            return Verdict::Refused(Reason::Invalid);
        }
        Verdict::Known(Arc::new(Identity { principal: principal(client).into(), ..self.identity.clone() }))
    }

    fn wanted(&self) -> &str {
        "a client certificate in TLS"
    }

    fn challenge(&self, _: &Origin) -> &HeaderValue {
        // RFC 9110 asks for one with every 401, and none is registered for this.
        static CHALLENGE: HeaderValue = HeaderValue::from_static("ClientCertificate realm=\"Transom\"");
        &CHALLENGE
    }
}
