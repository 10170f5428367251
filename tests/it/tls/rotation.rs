//! Certificates that are replaced while clients are served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Place;

/// A client of many connections.
struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    calls: AtomicUsize,
    connections: AtomicUsize,
    stop: AtomicBool,
    /// The certificate that the last new connection was shown.
    shown: watch::Sender<Vec<u8>>,
}

impl Client {
    fn new(place: &Place, address: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(place.file("ca.crt")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(transom::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address,
            config: Arc::new(config),
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            shown: watch::Sender::default(),
        }
    }

    async fn connect(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        self.connections.fetch_add(1, Relaxed);
        self.shown.send_replace(certificate);
        stream
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let uri = "https://a.example/v1/shelves/fiction";
        Request::get(uri).header("host", "a.example").body(Empty::new()).unwrap()
    }

    /// Calls until it is told to stop, `calls` times on each connection. Any failure is a panic.
    async fn http1(&self, calls: usize) {
        while !self.stop.load(Relaxed) {
            let stream = TokioIo::new(self.connect(b"http/1.1").await);
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            for _ in 0..calls {
                sender.ready().await.unwrap();
                self.answered(sender.send_request(self.request()).await.unwrap()).await;
                if self.stop.load(Relaxed) {
                    break;
                }
            }
            drop(sender);
            connection.await.unwrap().unwrap();
        }
    }

    async fn http2(&self, calls: usize) {
        while !self.stop.load(Relaxed) {
            let stream = TokioIo::new(self.connect(b"h2").await);
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            let connection = tokio::spawn(connection);
            for _ in 0..calls {
                sender.ready().await.unwrap();
                self.answered(sender.send_request(self.request()).await.unwrap()).await;
                if self.stop.load(Relaxed) {
                    break;
                }
            }
            drop(sender);
            connection.await.unwrap().unwrap();
        }
    }

    async fn answered(&self, answer: hyper::Response<hyper::body::Incoming>) {
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"name\":\"shelves/fiction\""), "{body:?}");
        self.calls.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn no_request_is_lost_while_certificates_change() {
    const ROTATIONS: u64 = 3;
    let place = Place::new();
    place.write("a", &place.authority.issue_number(100, &["a.example"]));
    let gateway = place.gateway(&place.pair("a"));
    let client = Arc::new(Client::new(&place, gateway.address()));
    // Some keep their connections throughout, others open one after the other.
    let mut load = tokio::task::JoinSet::new();
    for calls in [usize::MAX, 5] {
        for _ in 0..2 {
            let one = Arc::clone(&client);
            load.spawn(async move { one.http1(calls).await });
            let one = Arc::clone(&client);
            load.spawn(async move { one.http2(calls).await });
        }
    }
    for number in 1..=ROTATIONS {
        let leaf = place.authority.issue_number(100 + number, &["a.example"]);
        place.write("a", &leaf);
        let mut shown = client.shown.subscribe();
        let new = tokio::time::timeout(
            Duration::from_secs(60),
            shown.wait_for(|shown| shown.as_slice() == &**leaf.certificate.der()),
        );
        tokio::select! {
            new = new => drop(new.unwrap().unwrap()),
            failed = load.join_next() => failed.unwrap().unwrap(),
        }
    }
    client.stop.store(true, Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    let (calls, connections) = (client.calls.load(Relaxed), client.connections.load(Relaxed));
    assert!(connections > 20 && calls > connections, "{calls} calls on {connections} connections");
    // Nothing was read in between, which would have been an error.
    let log = gateway.log();
    let read = log.matches("certificates were read again").count() as u64;
    assert_eq!((read, log.contains("cannot be used")), (ROTATIONS, false), "{log}");
}
