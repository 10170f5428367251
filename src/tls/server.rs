//! TLS of a listener.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::defect::{Defect, Flaw, Part};
use super::live::{Live, Outcome, Reload, Source};
use super::pair::{self, Certificates, Files};
use super::provider;
use super::session::Session;

/// The protocols of ALPN, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [H2, b"http/1.1"];

/// HTTP/2 in ALPN.
const H2: &[u8] = b"h2";

/// What a listener shows to clients and asks of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Certificates and keys, at least one. The first is shown to clients that ask for a name of none.
    pub certificates: Vec<Files>,
    /// The authorities that sign certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// Whether clients show certificates. Without `client_ca` it is none.
    pub client_auth: ClientAuth,
    /// The lowest version that is spoken.
    pub min_version: MinVersion,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// One that shows a certificate must show a good one.
    Optional,
    /// One without a good certificate is refused.
    Required,
}

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// The protocol that ALPN agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Answers the handshakes of a listener, by what its files held when they were last good.
///
/// Sessions are resumed by tickets, whose keys change every six hours and whenever the files are read, so that no
/// ticket outlives a change of the authorities. Nothing is kept here for a session.
#[derive(Debug)]
pub struct Acceptor(Live<Settings>);

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted<I> {
    /// The bytes within TLS.
    pub stream: TlsStream<I>,
    /// What the client told about itself.
    pub session: Session,
    /// What ALPN agreed on; absent if the client did not offer anything.
    pub protocol: Option<Protocol>,
}

impl Acceptor {
    /// Loads certificates, keys and authorities. There is none if `defects` gets an error.
    pub fn load(settings: Settings, defects: &mut Vec<Defect>) -> Option<Self> {
        Live::load(settings, defects).map(Self)
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.0.current().source.handshake_timeout
    }

    /// From now on does what another one does.
    pub fn replace(&self, other: &Self) {
        self.0.replace(&other.0);
    }

    /// Does the handshake of a connection. It is not bounded in time.
    ///
    /// # Errors
    /// The client left, or did not keep to TLS, or offers nothing that is acceptable. It was sent the alert; what it
    /// comes by is given back, so that it can be closed in order.
    pub async fn accept<I>(&self, io: I) -> Result<Accepted<I>, (io::Error, I)>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.0.current().built);
        let stream = TlsAcceptor::from(config).accept(io).into_fallible().await?;
        let connection = stream.get_ref().1;
        let session = Session::of(connection);
        let protocol = connection
            .alpn_protocol()
            .map(|protocol| if protocol == H2 { Protocol::Http2 } else { Protocol::Http1 });
        Ok(Accepted { stream, session, protocol })
    }
}

impl Reload for Acceptor {
    fn files(&self) -> Vec<PathBuf> {
        self.0.files()
    }

    fn reload(&self) -> Outcome {
        self.0.reload()
    }
}

impl Source for Settings {
    type Built = Arc<ServerConfig>;

    fn files(&self) -> Vec<PathBuf> {
        let pairs = self.certificates.iter();
        let pairs = pairs.flat_map(|files| [files.certificate.clone(), files.key.clone()]);
        pairs.chain(self.client_ca.clone()).collect()
    }

    fn build(&self, defects: &mut Vec<Defect>) -> Option<Arc<ServerConfig>> {
        let certificates = Certificates::load(&self.certificates, defects);
        let verifier = self.verifier(defects);
        let (certificates, verifier) = (certificates?, verifier?);
        let both: [&'static SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        let versions = match self.min_version {
            MinVersion::Tls12 => &both[..],
            MinVersion::Tls13 => &both[..1],
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("the provider has cipher suites for both versions");
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        match Ticketer::new() {
            Ok(ticketer) => config.ticketer = ticketer,
            Err(error) => {
                let message = format!("No keys for the tickets of TLS sessions can be made: {error}.");
                let hint = "The operating system must give random numbers.";
                defects.push(Flaw::new(message, hint).error(Part::Certificate(0)));
                return None;
            }
        }
        Some(Arc::new(config))
    }
}

impl Settings {
    /// What verifies certificates of clients, if they are asked for one; nothing after an error.
    fn verifier(&self, defects: &mut Vec<Defect>) -> Option<Option<Arc<dyn ClientCertVerifier>>> {
        let Some(client_ca) = self.client_ca.as_deref().filter(|_| self.client_auth != ClientAuth::None)
        else {
            return Some(None);
        };
        let authorities = Arc::new(pair::authorities(client_ca, defects)?);
        let mut builder = WebPkiClientVerifier::builder_with_provider(authorities, provider());
        if self.client_auth == ClientAuth::Optional {
            builder = builder.allow_unauthenticated();
        }
        match builder.build() {
            Ok(verifier) => Some(Some(verifier)),
            Err(error) => {
                let message = format!("The authorities in {} cannot be used: {error}.", client_ca.display());
                let hint = "Name a file with certificates of authorities in PEM form.";
                defects.push(Flaw::new(message, hint).error(Part::Authorities));
                None
            }
        }
    }
}
