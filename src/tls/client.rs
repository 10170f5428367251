//! TLS towards an upstream, and towards those who say who callers are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::defect::{Defect, Flaw, Part};
use super::live::{Live, Outcome, Reload, Source};
use super::pair::{self, Files};
use super::provider;

/// What is spoken through the connection, as ALPN calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2, which must be agreed on: gRPC has no other protocol.
    #[default]
    Http2,
    /// HTTP/1.1, which is what is meant where nothing is agreed on.
    Http1,
    /// Something that is not agreed on.
    Other,
}

impl Protocol {
    const fn name(self) -> Option<&'static [u8]> {
        match self {
            Self::Http2 => Some(b"h2"),
            Self::Http1 => Some(b"http/1.1"),
            Self::Other => None,
        }
    }
}

/// How the other side is trusted and what it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The authorities that sign the certificates of backends. Without, those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The certificate that is shown to backends that ask for one.
    pub certificate: Option<Files>,
    /// What is spoken with them.
    pub protocol: Protocol,
}

/// Opens TLS on connections to backends, by what its files held when they were last good.
#[derive(Debug)]
pub struct Connector(Live<Settings>);

impl Connector {
    /// Loads authorities, certificate and key. There is none if `defects` gets an error.
    pub fn load(settings: Settings, defects: &mut Vec<Defect>) -> Option<Self> {
        Live::load(settings, defects).map(Self)
    }

    /// What it was loaded by.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.current().source)
    }

    /// From now on does what another one does.
    pub fn replace(&self, other: &Self) {
        self.0.replace(&other.0);
    }

    /// Does the handshake with a backend that must have a certificate for `name` and speak the protocol. It is not
    /// bounded in time.
    ///
    /// # Errors
    /// What went wrong, in words for whoever runs the gateway.
    pub async fn connect<I>(&self, io: I, name: ServerName<'static>) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.0.current();
        let config = Arc::clone(&current.built);
        let stream = TlsConnector::from(config).connect(name, io).await.map_err(explained)?;
        match (current.source.protocol, stream.get_ref().1.alpn_protocol()) {
            // A server that is offered one protocol and knows ALPN takes this one or refuses.
            (Protocol::Http1 | Protocol::Other, _) => Ok(stream),
            (Protocol::Http2, agreed) if agreed == Protocol::Http2.name() => Ok(stream),
            (Protocol::Http2, _) => Err(io::Error::new(io::ErrorKind::InvalidData, NO_HTTP2)),
        }
    }
}

const NO_HTTP2: &str = "the TLS handshake did not agree on HTTP/2 (ALPN `h2`), without which there is no gRPC; is it a gRPC server?";

/// An error of the handshake with what to do about the usual ones.
fn explained(error: io::Error) -> io::Error {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                "the connection was closed during the TLS handshake; does the target speak TLS?",
            ),
            _ => error,
        };
    };
    let remedy = match cause {
        Error::InvalidMessage(_) => "does the target speak TLS?",
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            return io::Error::new(error.kind(), NO_HTTP2);
        }
        Error::AlertReceived(_) => "the target refused the handshake; does it ask for a client certificate?",
        Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => "name the authority that signed it under `tls: {ca: FILE}`",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "name what it is valid for under `tls: {server_name: NAME}`"
            }
            _ => "replace the certificate of the backend",
        },
        _ => return error,
    };
    io::Error::new(error.kind(), format!("TLS: {cause}; {remedy}"))
}

impl Reload for Connector {
    fn files(&self) -> Vec<PathBuf> {
        self.0.files()
    }

    fn reload(&self) -> Outcome {
        self.0.reload()
    }
}

impl Source for Settings {
    type Built = Arc<ClientConfig>;

    fn files(&self) -> Vec<PathBuf> {
        let pair = self.certificate.iter().flat_map(|files| [files.certificate.clone(), files.key.clone()]);
        pair.chain(self.ca.clone()).collect()
    }

    fn build(&self, defects: &mut Vec<Defect>) -> Option<Arc<ClientConfig>> {
        let authorities = match &self.ca {
            Some(path) => pair::authorities(path, defects),
            None => system_authorities(defects),
        };
        let pair = self.certificate.as_ref().map(|files| pair::load(files, 0, defects));
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for both versions")
            .with_root_certificates(authorities?);
        let mut config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair?.0)))
            }
        };
        config.alpn_protocols = self.protocol.name().map(<[u8]>::to_vec).into_iter().collect();
        Some(Arc::new(config))
    }
}

/// What the system trusts: the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or those at the places where
/// distributions keep them.
fn system_authorities(defects: &mut Vec<Defect>) -> Option<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Single ones that rustls does not understand are usual among hundreds.
    store.add_parsable_certificates(found.certs);
    if !store.is_empty() {
        return Some(store);
    }
    let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
    let message = format!("This system has no certificates of authorities that are trusted{why}.");
    let hint = "Install them (the package is usually called ca-certificates), name them in the environment variable \
                SSL_CERT_FILE, or name the authority of the backends with `tls: {ca: FILE}`.";
    defects.push(Flaw::new(message, hint).error(Part::Authorities));
    None
}
