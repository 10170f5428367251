use std::sync::Mutex;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::server::secure;
use crate::tls::server::{ClientAuth, MinVersion, Settings};
use crate::tls::tests::authority::Authority;
use crate::tls::{Files, provider};

/// A server that speaks TLS, and what a client needs to speak with it.
struct Secured {
    harness: Harness,
    acceptor: Arc<Acceptor>,
    client: Mutex<ClientConfig>,
}

impl Secured {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("Authority");
        let ca = authority.write(folder.path(), "ca");
        let files = |names: &[&str], name: &str| {
            let (certificate, key) = authority.issue(names).write(folder.path(), name);
            Files { certificate, key }
        };
        let (server, client) = (files(&["a.example"], "server"), files(&["client.example"], "client"));
        let settings = Settings {
            certificates: vec![server],
            client_ca: Some(ca.clone()),
            client_auth: ClientAuth::Optional,
            min_version: MinVersion::Tls12,
            handshake_timeout: 10 * SECOND,
        };
        let acceptor = Acceptor::load(settings, &mut Vec::new()).expect("the files are good");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(PemObject::from_pem_file(ca).expect("a certificate")).expect("an authority");
        let chain = vec![PemObject::from_pem_file(client.certificate).expect("a certificate")];
        let key = PemObject::from_pem_file(client.key).expect("a key");
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("both versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("a pair");
        Self { harness: Harness::new(), acceptor: Arc::new(acceptor), client: Mutex::new(client) }
    }

    /// A connection on which nothing was said.
    fn raw(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, io) = duplex(1 << 16);
        let (shared, signal) = (self.harness.server.shared.clone(), self.harness.server.signal.clone());
        let acceptor = self.acceptor.clone();
        let task = tokio::spawn(async move {
            if let Some(opened) = secure::open(io, None, &acceptor, &signal).await {
                connection::serve(opened, shared.load_full(), &signal).await;
            }
        });
        (client, task)
    }

    /// A connection after the handshake, in which the client offered this protocol.
    async fn connect(&self, protocol: &[&[u8]]) -> (TlsStream<DuplexStream>, JoinHandle<()>) {
        let (client, task) = self.raw();
        let connector = {
            let mut config = self.client.lock().expect("not poisoned");
            config.alpn_protocols = protocol.iter().map(|protocol| protocol.to_vec()).collect();
            TlsConnector::from(Arc::new(config.clone()))
        };
        let name = ServerName::try_from("a.example").expect("a name");
        (connector.connect(name, client).await.expect("a handshake"), task)
    }
}

const PEER: &str = "GET /peer HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn requests_come_with_who_has_sent_them() {
    let secured = Secured::new();
    let expected = "1.3 Some(\"a.example\") Some(\"CN=test\")";
    for protocol in [&[&b"http/1.1"[..]][..], &[]] {
        let (mut client, task) = secured.connect(protocol).await;
        assert_answer(&ask(&mut client, PEER).await, 200, expected);
        assert_answer(&ask(&mut client, PEER).await, 200, expected);
        client.shutdown().await.expect("the server reads");
        task.await.expect("the connection ends");
    }
    // By ALPN, and by prior knowledge where nothing was agreed on.
    for protocol in [&[&b"h2"[..]][..], &[]] {
        let (client, _task) = secured.connect(protocol).await;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        let request = Request::get("https://a.example/peer").body(Empty::<Bytes>::new()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, expected);
    }
    // Without TLS there is nothing to say.
    let (mut client, _task) = secured.harness.connect(1 << 16);
    assert_answer(&ask(&mut client, PEER).await, 200, "no TLS");
}

/// What ALPN agreed on is not left by the first bytes.
#[tokio::test(start_paused = true)]
async fn the_agreed_protocol_holds() {
    let secured = Secured::new();
    let (mut client, task) = secured.connect(&[b"http/1.1"]).await;
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .expect("the server reads");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", answer.escape_ascii());
    task.await.expect("the connection ends");

    let (mut client, task) = secured.connect(&[b"h2"]).await;
    client.write_all(GET.as_bytes()).await.expect("the server reads");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1"), "{}", answer.escape_ascii());
    task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn plaintext_is_refused_in_words() {
    let secured = Secured::new();
    for request in [GET, PEER, "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"] {
        let (mut client, task) = secured.raw();
        let answer = ask(&mut client, request).await;
        assert_answer(&answer, 400, "refused: Plaintext");
        assert!(closes(&answer), "{answer}");
        drop(client);
        task.await.expect("the connection ends");
    }
    let (client, task) = secured.raw();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a.example/peer").body(Empty::<Bytes>::new()).expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), 400);
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, "refused: Plaintext");
    // It ends soon, although the client keeps it.
    let start = Instant::now();
    connection.await.expect("the task ends").expect("the connection ends in order");
    task.await.expect("the connection ends");
    assert!(start.elapsed() <= 6 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn handshakes_do_not_last_for_ever() {
    let secured = Secured::new();
    // Nothing, the start of a record, and a record that says that more will come.
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let start = Instant::now();
        let (mut client, task) = secured.raw();
        client.write_all(sent).await.expect("there is room");
        task.await.expect("the connection ends");
        assert_eq!(start.elapsed(), 10 * SECOND);
        assert_eq!(client.read(&mut [0; 8]).await.expect("an end"), 0);
    }
    // What is neither TLS nor HTTP ends at once, and so does what is wrong; the peer is waited for a second.
    for sent in [&b"\x80\x2e\x01"[..], b"\x16\x03\x01\x00\x00"] {
        let start = Instant::now();
        let (mut client, task) = secured.raw();
        client.write_all(sent).await.expect("there is room");
        client.read_to_end(&mut Vec::new()).await.expect("an end");
        assert_eq!(start.elapsed(), Duration::ZERO);
        task.await.expect("the connection ends");
        assert_eq!(start.elapsed(), SECOND);
    }
    // When the server stops, a handshake has a second.
    let (_client, task) = secured.raw();
    let start = Instant::now();
    secured.harness.drain.stop();
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn tls_on_a_port_without_it_is_closed() {
    let harness = Harness::new();
    let (mut client, task) = harness.connect(1 << 16);
    client.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.expect("there is room");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("an end in order");
    assert_eq!(answer, b"");
    drop(client);
    task.await.expect("the connection ends");
}
