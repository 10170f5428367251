//! An issuer of tokens that answers as a test wants it to, and keys to sign with.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A key of an issuer, of P-256.
pub(super) struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(super) fn new(kid: &str) -> Self {
        Self { kid: kid.into(), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// A token that says this.
    pub(super) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid, "typ": "JWT"});
        let [header, claims] =
            [header.to_string(), claims.to_string()].map(|text| URL_SAFE_NO_PAD.encode(text));
        let text = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }
}

/// The set of these keys.
pub(super) fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// What a token of an issuer says, for a buyer.
pub(super) fn claims(issuer: &str, more: &Value) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"iss": issuer, "aud": "shop", "sub": "user-1", "exp": now + 600, "iat": now, "roles": ["buyer"]});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// What is answered.
#[derive(Clone)]
pub(super) enum Answer {
    Text(String),
    Full(u16, Vec<(&'static str, String)>, String),
    Never,
}

/// A request that an issuer got.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// An issuer, on a thread of its own: tests wait for the log in theirs.
pub(super) struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
    running: Option<Running>,
    scheme: &'static str,
}

/// It runs until the sender is dropped.
type Running = (oneshot::Sender<()>, thread::JoinHandle<()>);

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<Asked>>,
}

impl Issuer {
    pub(super) fn start() -> Self {
        Self::with(None)
    }

    /// One that speaks TLS.
    pub(super) fn secure(tls: TlsAcceptor) -> Self {
        Self::with(Some(tls))
    }

    fn with(tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (listener, state) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::<State>::default());
        let address = listener.local_addr().unwrap();
        Self { address, running: Some(run(listener, Arc::clone(&state), tls)), state, scheme }
    }

    /// Its name, which is its URL.
    pub(super) fn name(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.state.answers.lock().unwrap().insert(path.into(), answer);
    }

    /// Answers with these keys, and with a document by which they are found.
    pub(super) fn publish(&self, signers: &[&Signer]) {
        let document = json!({"issuer": self.name(), "jwks_uri": format!("{}/jwks", self.name())});
        self.answer("/.well-known/openid-configuration", Answer::Text(document.to_string()));
        self.answer("/jwks", Answer::Text(jwks(signers)));
    }

    /// What it was asked so far at this path.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        self.state.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// Goes away with all its connections.
    pub(super) fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// Comes back to where it was.
    pub(super) fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.running = Some(run(listener, Arc::clone(&self.state), None));
    }
}

fn run(listener: TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) -> Running {
    listener.set_nonblocking(true).unwrap();
    let (stop, mut stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tokio::select! {
                _ = &mut stopped => {}
                () = listen(listener, state, tls) => {}
            }
        });
    });
    (stop, thread)
}

async fn listen(listener: tokio::net::TcpListener, state: Arc<State>, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve<I: AsyncRead + AsyncWrite + Unpin>(io: I, state: Arc<State>) {
    let service = service_fn(|request| respond(request, Arc::clone(&state)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
}

async fn respond(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path().to_owned();
    let asked =
        Asked { path: path.clone(), headers: head.headers, body: String::from_utf8_lossy(&body).into() };
    state.asked.lock().unwrap().push(asked);
    let answer = state.answers.lock().unwrap().get(&path).cloned();
    let (status, headers, body) = match answer {
        Some(Answer::Text(text)) => (200, Vec::new(), text),
        Some(Answer::Full(status, headers, text)) => (status, headers, text),
        Some(Answer::Never) => std::future::pending().await,
        None => (404, Vec::new(), String::new()),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body)).unwrap())
}
