//! A tonic service as a backend, over TCP and over a Unix domain socket.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::{Body as HttpBody, Service};

use super::*;

/// `message Said { string text = 1; }`
#[derive(Clone, PartialEq, Eq, Message)]
struct Said {
    #[prost(string, tag = "1")]
    text: String,
}

/// Says back what it hears; refuses `refuse`.
#[derive(Clone)]
struct Echo;

impl tonic::server::UnaryService<Said> for Echo {
    type Response = Said;
    type Future = std::future::Ready<Result<tonic::Response<Said>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Said>) -> Self::Future {
        let tag = request.metadata().get("x-tag").cloned();
        let said = request.into_inner();
        if said.text == "refuse" {
            let details = Bytes::from_static(b"\x08\x09\x1a\x08\x0a\x03a/b\x12\x01\x01");
            let code = tonic::Code::FailedPrecondition;
            return std::future::ready(Err(tonic::Status::with_details(code, "Nö, 100 % not", details)));
        }
        let mut response = tonic::Response::new(said);
        if let Some(tag) = tag {
            response.metadata_mut().insert("x-tag", tag);
        }
        std::future::ready(Ok(response))
    }
}

#[derive(Clone)]
struct EchoServer;

impl Service<Request<Incoming>> for EchoServer {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = crate::call::service::BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let codec = tonic_prost::ProstCodec::<Said, Said>::default();
        Box::pin(async move { Ok(tonic::server::Grpc::new(codec).unary(Echo, request).await) })
    }
}

/// Serves a tower service on one connection.
pub(super) fn serve<S, B>(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service)));
}

async fn check(target: Target) {
    let channel = channel(vec![target]);
    for text in ["hello".to_owned(), String::new(), "x".repeat(1 << 20)] {
        let mut call = request(Said { text: text.clone() }.encode_to_vec());
        call.metadata = fields(&[("x-tag", "blue"), ("grpc-encoding", "gzip")]);
        let reply = channel.call(call).await;
        assert_echo(&reply, &Said { text }.encode_to_vec());
        assert_eq!(reply.metadata["x-tag"], "blue");
    }
    let reply = ask(&channel, Said { text: "refuse".into() }.encode_to_vec()).await;
    assert_status(&reply.status, Code::FailedPrecondition, 400, "Nö, 100 % not");
    assert_eq!(reply.status.details().len(), 1);
    let reply = ask(&channel, vec![0x0a, 0xff]).await;
    assert_eq!(reply.status.code(), Code::Internal);
}

#[tokio::test]
async fn tonic_answers_over_tcp() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            serve(socket, EchoServer);
        }
    });
    check(target).await;
}

#[cfg(unix)]
#[tokio::test]
async fn tonic_answers_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("transom-upstream-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            serve(socket, EchoServer);
        }
    });
    check(Target::parse(&format!("unix:{}", path.display())).unwrap()).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn names_are_resolved_and_all_their_addresses_tried() {
    // `localhost` may be ::1 first, where nobody listens.
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            serve(socket, EchoServer);
        }
    });
    let port = target.to_string().rsplit(':').next().unwrap().to_owned();
    check(Target::parse(&format!("http://localhost:{port}")).unwrap()).await;
}
