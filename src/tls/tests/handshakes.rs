use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::certificate::Name;
use super::client::{self, Connector};
use super::server::{Accepted, Acceptor, ClientAuth, MinVersion, Protocol, Settings};
use super::*;

/// A folder with an authority, a server's certificate for `a.example` and a client's.
struct Place {
    folder: TempDir,
    settings: Settings,
    client: client::Settings,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let ca = authority.write(folder.path(), "ca");
        let settings = Settings {
            certificates: vec![written(&authority.issue(&["a.example"]), folder.path(), "a")],
            client_ca: Some(ca.clone()),
            client_auth: ClientAuth::None,
            min_version: MinVersion::Tls12,
            handshake_timeout: Duration::from_secs(10),
        };
        let client = client::Settings { ca: Some(ca), ..client::Settings::default() };
        Self { folder, settings, client }
    }

    fn with_client(mut self, authority: &Authority) -> Self {
        self.client.certificate =
            Some(written(&authority.issue(&["client.example"]), self.folder.path(), "c"));
        self
    }

    fn acceptor(&self) -> Acceptor {
        Acceptor::load(self.settings.clone(), &mut Vec::new()).unwrap()
    }

    fn connector(&self) -> Connector {
        Connector::load(self.client.clone(), &mut Vec::new()).unwrap()
    }

    /// Both ends of a handshake. A client learns of a refusal of TLS 1.3 when it reads, so it sends a byte and
    /// reads one.
    async fn shake(&self, name: &'static str) -> (io::Result<Accepted<DuplexStream>>, io::Result<()>) {
        let (near, far) = duplex(1 << 16);
        let (acceptor, connector) = (self.acceptor(), self.connector());
        let server = async {
            let mut accepted = acceptor.accept(far).await.map_err(|(error, _)| error)?;
            accepted.stream.write_all(b"x").await?;
            accepted.stream.flush().await?;
            Ok(accepted)
        };
        let client = async {
            let mut stream = connector.connect(near, ServerName::try_from(name).unwrap()).await?;
            stream.read_u8().await.map(drop)
        };
        tokio::join!(server, client)
    }
}

fn text<T>(result: io::Result<T>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_client_without_a_certificate_is_nobody() {
    let place = Place::new();
    let (accepted, client) = place.shake("a.example").await;
    client.unwrap();
    let accepted = accepted.unwrap();
    assert_eq!(accepted.protocol, Some(Protocol::Http2));
    let session = accepted.session;
    assert_eq!((session.version, session.client), ("1.3", None));
    assert_eq!(session.server_name.as_deref(), Some("a.example"));
}

#[tokio::test]
async fn client_certificates_are_asked_for() {
    let other = Authority::new("Other");
    for (client_auth, shown, expected) in [
        (ClientAuth::None, true, Ok(false)),
        (ClientAuth::Optional, false, Ok(false)),
        (ClientAuth::Optional, true, Ok(true)),
        (ClientAuth::Required, true, Ok(true)),
        (ClientAuth::Required, false, Err("peer sent no certificates")),
    ] {
        let mut place = Place::new();
        place.settings.client_auth = client_auth;
        if shown {
            let issuer = Authority::new("Authority");
            fs::write(place.folder.path().join("clients.crt"), issuer.pem()).unwrap();
            place.settings.client_ca = Some(place.folder.path().join("clients.crt"));
            place = place.with_client(&issuer);
        }
        let (accepted, client) = place.shake("a.example").await;
        match expected {
            Ok(known) => {
                client.unwrap();
                let identity = accepted.unwrap().session.client;
                assert_eq!(identity.is_some(), known, "{client_auth:?}");
                if let Some(identity) = identity {
                    assert_eq!(identity.subject, "CN=test");
                    assert_eq!(identity.names, [Name::Dns("client.example".into())]);
                    let file = place.client.certificate.unwrap().certificate;
                    assert_eq!(identity.certificate, file::certificates(&file).unwrap()[0]);
                }
            }
            Err(message) => {
                assert_eq!(text(accepted), message);
                assert_eq!(text(client), "received fatal alert: CertificateRequired");
            }
        }
    }
    // One that is shown must be good, also where it need not be shown.
    for client_auth in [ClientAuth::Optional, ClientAuth::Required] {
        let mut place = Place::new().with_client(&other);
        place.settings.client_auth = client_auth;
        let (accepted, client) = place.shake("a.example").await;
        assert_eq!(text(accepted), "invalid peer certificate: UnknownIssuer");
        assert_eq!(text(client), "received fatal alert: UnknownCA");
    }
}

#[tokio::test]
async fn what_a_backend_does_wrong_is_explained() {
    let mut place = Place::new();
    let (_, client) = place.shake("b.example").await;
    assert_eq!(
        text(client),
        "TLS: invalid peer certificate: certificate not valid for name \"b.example\"; certificate is only valid for \
         DnsName(\"a.example\"); name what it is valid for under `tls: {server_name: NAME}`"
    );
    place.client.ca = Some(Authority::new("Other").write(place.folder.path(), "other"));
    let (_, client) = place.shake("a.example").await;
    assert_eq!(
        text(client),
        "TLS: invalid peer certificate: UnknownIssuer; name the authority that signed it under `tls: {ca: FILE}`"
    );
    let connector = place.connector();
    for (sent, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does the target speak TLS?"),
        (b"", "the connection was closed during the TLS handshake; does the target speak TLS?"),
        (
            // Alert: fatal, no_application_protocol (RFC 7301 section 3.2).
            b"\x15\x03\x03\0\x02\x02\x78",
            "the TLS handshake did not agree on HTTP/2 (ALPN `h2`), without which there is no gRPC; is it a gRPC \
             server?",
        ),
        // Alert: fatal, handshake_failure.
        (
            b"\x15\x03\x03\0\x02\x02\x28",
            "the target refused the handshake; does it ask for a client certificate?",
        ),
    ] {
        let (near, mut far) = duplex(1 << 16);
        far.write_all(sent).await.unwrap();
        far.shutdown().await.unwrap();
        let text = text(connector.connect(near, ServerName::try_from("a.example").unwrap()).await);
        assert!(text.ends_with(expected), "{text}");
    }
}

#[tokio::test]
async fn a_backend_without_http2_is_refused() {
    let place = Place::new();
    let connector = place.connector();
    for protocols in [&[][..], &[b"http/1.1".to_vec()]] {
        let (near, far) = duplex(1 << 16);
        let (chain, key) = (&place.settings.certificates[0].certificate, &place.settings.certificates[0].key);
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(file::certificates(chain).unwrap(), file::key(key).unwrap())
            .unwrap();
        config.alpn_protocols = protocols.to_vec();
        let server = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (_, client) = tokio::join!(
            server.accept(far),
            connector.connect(near, ServerName::try_from("a.example").unwrap())
        );
        assert_eq!(
            text(client),
            "the TLS handshake did not agree on HTTP/2 (ALPN `h2`), without which there is no gRPC; is it a gRPC \
             server?"
        );
    }
}

/// A client of rustls that speaks these versions and protocols.
fn config(
    place: &Place,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> ClientConfig {
    let roots = pair::authorities(place.client.ca.as_ref().unwrap(), &mut Vec::new()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

#[tokio::test]
async fn versions_and_protocols_are_agreed_on() {
    let mut place = Place::new();
    let (tls12, tls13) = (&[&version::TLS12][..], &[&version::TLS13][..]);
    let name = || ServerName::try_from("a.example").unwrap();
    for (least, versions, protocols, expected) in [
        (MinVersion::Tls12, tls12, &[&b"http/1.1"[..]][..], Ok(("1.2", Some(Protocol::Http1)))),
        (MinVersion::Tls12, tls13, &[b"http/1.1", b"h2"], Ok(("1.3", Some(Protocol::Http2)))),
        (MinVersion::Tls13, tls13, &[], Ok(("1.3", None))),
        (MinVersion::Tls13, tls12, &[], Err("peer is incompatible: Tls12NotOfferedOrEnabled")),
        (MinVersion::Tls12, tls13, &[b"spdy"], Err("peer doesn't support any known protocol")),
    ] {
        place.settings.min_version = least;
        let acceptor = place.acceptor();
        let (near, far) = duplex(1 << 16);
        let client = tokio_rustls::TlsConnector::from(Arc::new(config(&place, versions, protocols)));
        let (accepted, _) = tokio::join!(acceptor.accept(far), client.connect(name(), near));
        match expected {
            Ok(expected) => {
                let accepted = accepted.map_err(|(error, _)| error).unwrap();
                assert_eq!((accepted.session.version, accepted.protocol), expected);
            }
            Err(message) => assert_eq!(text(accepted.map_err(|(error, _)| error)), message),
        }
    }
}

/// A ticket that was given before the authorities changed is worth nothing after it.
#[tokio::test]
async fn sessions_are_resumed_until_the_files_are_read_again() {
    let place = Place::new();
    let acceptor = place.acceptor();
    let client = tokio_rustls::TlsConnector::from(Arc::new(config(&place, &[&version::TLS13], &[])));
    let mut kinds = Vec::new();
    for round in 0..4 {
        if round == 2 {
            use super::live::Reload;
            assert_eq!(acceptor.reload(), Ok(vec![]));
        }
        let (near, far) = duplex(1 << 16);
        let name = ServerName::try_from("a.example").unwrap();
        let (accepted, stream) = tokio::join!(acceptor.accept(far), client.connect(name, near));
        let (mut accepted, mut stream) = (accepted.map_err(|(error, _)| error).unwrap(), stream.unwrap());
        // The ticket comes before the first byte.
        accepted.stream.write_all(b"x").await.unwrap();
        accepted.stream.flush().await.unwrap();
        stream.read_u8().await.unwrap();
        kinds.push(accepted.stream.get_ref().1.handshake_kind().unwrap());
    }
    use rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Full, Resumed]);
}
