//! Backends that break the rules of gRPC, over real connections: the client gets a clear error with the
//! right status, whatever the backend sends.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::{client, root};

/// What the backend does with a call.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Status OK without a message.
    NoMessage,
    /// Two messages.
    TwoMessages,
    /// A message that is not protobuf.
    Garbage,
    /// A frame that announces more than it brings.
    CutMessage,
    /// A frame that announces four gigabytes.
    HugeMessage,
    /// A frame that says that it is compressed, which was not agreed upon.
    Compressed,
    /// A message and no status.
    NoStatus,
    /// A status that is no number.
    BadStatus,
    /// An HTTP error, as a proxy in between would answer.
    BadGateway,
    /// A page of HTML.
    Html,
    /// The call is reset.
    Reset,
}

/// A message: `name: "shelves/x"`.
const MESSAGE: &[u8] = b"\0\0\0\0\x0b\x0a\x09shelves/x";

#[tokio::test]
async fn each_fault_has_its_error() {
    let table = [
        (Fault::NoMessage, 502, 13),
        (Fault::TwoMessages, 502, 13),
        (Fault::Garbage, 502, 13),
        (Fault::CutMessage, 502, 13),
        (Fault::Compressed, 502, 13),
        (Fault::NoStatus, 502, 13),
        (Fault::BadGateway, 503, 14),
    ];
    for (fault, status, code) in table {
        let answer = call(fault).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (status, &json!(code)),
            "{fault:?}: {answer:?}"
        );
        let body = answer.json();
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(' ') && !message.contains("shelves/x"), "{fault:?}: {message:?}");
    }
    // Where the specification leaves the code open, it is an error all the same.
    for fault in [Fault::HugeMessage, Fault::BadStatus, Fault::Html, Fault::Reset] {
        let answer = call(fault).await;
        assert!(answer.status.is_server_error(), "{fault:?}: {answer:?}");
        assert!(
            answer.json()["message"].as_str().is_some_and(|text| text.contains(' ')),
            "{fault:?}: {answer:?}"
        );
    }
}

async fn call(fault: Fault) -> client::Answer {
    let upstream = format!("http://{}", backend(fault));
    let environment = [("TRANSOM_ADDRESS", "127.0.0.1:0"), ("BOOKSTORE_URL", &*upstream)];
    let gateway = Gateway::with_file(&root().join("examples/bookstore/transom.yaml"), &environment);
    let answer = client::get(gateway.address(), "/v1/shelves/x").await;
    assert_eq!(client::get(gateway.address(), "/nowhere").await.status, 404, "{fault:?}: it goes on");
    answer
}

/// Starts a backend with this fault on a thread of its own.
fn backend(fault: Fault) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, fault));
            }
        });
    });
    address
}

async fn serve(stream: tokio::net::TcpStream, fault: Fault) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                body.flow_control().release_capacity(data?.len())?;
            }
            answer(respond, fault)
        });
    }
    Ok(())
}

fn answer(mut respond: SendResponse<Bytes>, fault: Fault) -> Result<(), h2::Error> {
    let (http_status, content_type) = match fault {
        Fault::Reset => {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            return Ok(());
        }
        Fault::BadGateway => (502, "text/html"),
        Fault::Html => (200, "text/html"),
        _ => (200, "application/grpc"),
    };
    let head = Response::builder().status(http_status).header("content-type", content_type);
    let mut stream = respond.send_response(head.body(()).unwrap(), false)?;
    let data = match fault {
        Fault::NoMessage => Vec::new(),
        Fault::TwoMessages => [MESSAGE, MESSAGE].concat(),
        Fault::Garbage => b"\0\0\0\0\x03\x0a\x09x".to_vec(),
        Fault::CutMessage => MESSAGE[..9].to_vec(),
        Fault::HugeMessage => [b"\0\xff\xff\xff\xff", MESSAGE].concat(),
        Fault::Compressed => [b"\x01", &MESSAGE[1..]].concat(),
        Fault::BadGateway | Fault::Html => b"<html><body>Sorry</body></html>".to_vec(),
        Fault::NoStatus | Fault::BadStatus | Fault::Reset => MESSAGE.to_vec(),
    };
    let has_trailers = !matches!(fault, Fault::NoStatus | Fault::BadGateway | Fault::Html);
    stream.send_data(data.into(), !has_trailers)?;
    if has_trailers {
        let status = if matches!(fault, Fault::BadStatus) { "fine" } else { "0" };
        stream.send_trailers(HeaderMap::from_iter([(
            "grpc-status".parse().unwrap(),
            HeaderValue::from_static(status),
        )]))?;
    }
    Ok(())
}
