//! What TLS told about the other end of a connection.

use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, ServerConnection};

use super::certificate::{Facts, Name};

/// What a client's handshake brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The version of TLS: `1.2` or `1.3`.
    pub version: &'static str,
    /// The name of the server that the client asked for, in lower case.
    pub server_name: Option<String>,
    /// Who the client is; absent if it has shown no certificate.
    pub client: Option<Identity>,
}

/// Who a client is, by a certificate that one of the trusted authorities has signed and whose key it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The subject in the form of RFC 4514, such as `CN=partner,O=Example`; empty if there is none.
    pub subject: String,
    /// The subject's alternative names.
    pub names: Vec<Name>,
    /// The certificate itself.
    pub certificate: CertificateDer<'static>,
}

impl Session {
    /// The session of a connection whose handshake is done.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        };
        let client = connection.peer_certificates().and_then(<[_]>::first).map(Identity::of);
        Self { version, server_name: connection.server_name().map(str::to_ascii_lowercase), client }
    }
}

impl Identity {
    /// The identity in a verified certificate. One whose names cannot be read has none, so that nothing is
    /// allowed by them.
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let (subject, names) =
            Facts::of(certificate).map(|facts| (facts.subject, facts.names)).unwrap_or_default();
        Self { subject, names, certificate: certificate.clone().into_owned() }
    }
}
