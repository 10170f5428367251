//! Reflection against tonic-reflection's servers, and against servers that lie.

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::server::Builder;

use super::super::reflection::{Limits, Reflected, fetch};
use super::peers::serve;
use super::*;

const INSTEAD: &str = "give a descriptor set instead (`descriptors: [{ set: FILE }]`)";

fn file(name: &str, package: &str, imports: &[&str], services: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: (!package.is_empty()).then(|| package.into()),
        dependency: imports.iter().map(|&import| import.into()).collect(),
        service: services
            .iter()
            .map(|&name| ServiceDescriptorProto { name: Some(name.into()), ..Default::default() })
            .collect(),
        syntax: Some("proto3".into()),
        ..Default::default()
    }
}

fn shop() -> Vec<FileDescriptorProto> {
    vec![
        file("shop/v1/books.proto", "shop.v1", &["shop/v1/types.proto", "google/api/http.proto"], &["Books"]),
        file("shop/v1/carts.proto", "shop.v1", &["shop/v1/types.proto"], &["Carts", "Orders"]),
        file("shop/v1/types.proto", "shop.v1", &["google/protobuf/any.proto"], &[]),
    ]
}

fn encoded(files: &[FileDescriptorProto]) -> Vec<Vec<u8>> {
    files.iter().map(Message::encode_to_vec).collect()
}

#[track_caller]
fn assert_shop(reflected: &Reflected) {
    assert_eq!(reflected.services, ["shop.v1.Books", "shop.v1.Carts", "shop.v1.Orders"]);
    assert_eq!(reflected.missing, ["google/api/http.proto", "google/protobuf/any.proto"]);
    let mut files: Vec<_> = reflected.files.iter().map(|file| file.to_vec()).collect();
    let mut expected = encoded(&shop());
    files.sort();
    expected.sort();
    assert_eq!(files, expected);
}

/// Runs `fetch` against one connection that `accept` serves.
async fn tonic_server(v1: bool) -> Target {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let builder =
                Builder::configure().register_file_descriptor_set(FileDescriptorSet { file: shop() });
            if v1 {
                serve(socket, builder.build_v1().unwrap());
            } else {
                serve(socket, builder.build_v1alpha().unwrap());
            }
        }
    });
    target
}

#[tokio::test]
async fn both_versions_of_tonic_reflection_are_understood() {
    for v1 in [true, false] {
        assert_shop(&fetch(&tonic_server(v1).await, &Limits::default()).await.unwrap());
    }
}

type Answers = fn(MessageRequest) -> Option<MessageResponse>;

/// A reflection server that answers as it likes; `None` is silence.
async fn scripted(answers: Answers) -> Target {
    backend(move |(request, mut respond): Stream| async move {
        let mut body = request.into_body();
        let mut send = respond.send_response(head(), false).unwrap();
        let mut buffer = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
            buffer.extend_from_slice(&data);
            while buffer.len() >= 5 {
                let length = u32::from_be_bytes(buffer[1..5].try_into().unwrap()) as usize;
                if buffer.len() < 5 + length {
                    break;
                }
                let message: Vec<u8> = buffer.drain(..5 + length).collect();
                let request = ServerReflectionRequest::decode(unframe(&message)).unwrap();
                if let Some(answer) = answers(request.message_request.unwrap()) {
                    let response =
                        ServerReflectionResponse { message_response: Some(answer), ..Default::default() };
                    send.send_data(frame(&response.encode_to_vec()), false).unwrap();
                }
            }
        }
        let _ = send.send_trailers(fields(&[("grpc-status", "0")]));
    })
    .await
}

fn list(names: &[&str]) -> Option<MessageResponse> {
    let service = names.iter().map(|&name| ServiceResponse { name: name.into() }).collect();
    Some(MessageResponse::ListServicesResponse(ListServiceResponse { service }))
}

fn files(files: &[FileDescriptorProto]) -> Option<MessageResponse> {
    Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
        file_descriptor_proto: encoded(files),
    }))
}

fn error(code: i32, text: &str) -> Option<MessageResponse> {
    Some(MessageResponse::ErrorResponse(ErrorResponse { error_code: code, error_message: text.into() }))
}

fn one_service(request: &MessageRequest) -> Option<MessageResponse> {
    match request {
        MessageRequest::ListServices(_) => list(&["a.B"]),
        MessageRequest::FileContainingSymbol(_) => files(&[file("b.proto", "a", &["c.proto"], &["B"])]),
        _ => None,
    }
}

#[tokio::test]
async fn servers_that_send_errors_in_the_stream_are_understood() {
    let target = scripted(|request| match request {
        MessageRequest::ListServices(_) => list(&[
            "shop.v1.Orders",
            "grpc.health.v1.Health",
            "shop.v1.Books",
            "shop.v1.Books",
            "shop.v1.Carts",
        ]),
        MessageRequest::FileContainingSymbol(name) => match name.as_str() {
            "shop.v1.Books" => files(&shop()[..1]),
            _ => files(&shop()[1..2]),
        },
        MessageRequest::FileByFilename(name) if name == "shop/v1/types.proto" => files(&shop()[2..]),
        _ => error(5, "no such file"),
    })
    .await;
    assert_shop(&fetch(&target, &Limits::default()).await.unwrap());
}

#[tokio::test]
async fn imports_in_a_circle_come_to_an_end() {
    let target = scripted(|request| match request {
        MessageRequest::FileByFilename(_) => files(&[file("c.proto", "a", &["b.proto", "c.proto"], &[])]),
        other => one_service(&other),
    })
    .await;
    let reflected = fetch(&target, &Limits::default()).await.unwrap();
    assert_eq!((reflected.files.len(), reflected.missing.len()), (2, 0));
}

#[tokio::test]
async fn lies_and_refusals_are_explained() {
    let repair = format!("Repair its reflection, or {INSTEAD}.");
    let cases: [(Answers, &str); 8] = [
        (|_| error(13, "broken."), "its list of services with the error Internal: broken. "),
        (|_| files(&[]), "its list of services with something else. "),
        (
            |request| match request {
                MessageRequest::ListServices(_) => list(&["a.B"]),
                _ => error(5, "unknown"),
            },
            "the service `a.B` with the error NotFound: unknown. ",
        ),
        (
            |request| match request {
                MessageRequest::ListServices(_) => list(&["a.B"]),
                _ => files(&[file("x.proto", "", &[], &["B"])]),
            },
            "the service `a.B` with something else. ",
        ),
        (
            |request| match request {
                MessageRequest::ListServices(_) => list(&["a.B"]),
                _ => list(&["a.B"]),
            },
            "the service `a.B` with something else. ",
        ),
        (
            |request| match request {
                MessageRequest::FileByFilename(_) => files(&[file("d.proto", "a", &[], &[])]),
                other => one_service(&other),
            },
            "the file `c.proto` with something else. ",
        ),
        (
            |request| match request {
                MessageRequest::FileByFilename(_) => error(7, "not for you"),
                other => one_service(&other),
            },
            "the file `c.proto` with the error PermissionDenied: not for you. ",
        ),
        (
            |request| match request {
                MessageRequest::ListServices(_) => list(&["a.B"]),
                _ => Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                    file_descriptor_proto: vec![vec![0x0a, 0xff]],
                })),
            },
            "the service `a.B` with bytes that are no file descriptor (",
        ),
    ];
    for (answers, text) in cases {
        let target = scripted(answers).await;
        let error = fetch(&target, &Limits::default()).await.unwrap_err().to_string();
        let start = format!("The server at {target} answered the reflection request for {text}");
        assert!(error.starts_with(&start), "{error}\nis not\n{start}");
        assert!(error.ends_with(&repair), "{error}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let many = scripted(|request| match request {
        MessageRequest::ListServices(_) => list(&["a.B", "a.C"]),
        MessageRequest::FileContainingSymbol(_) => files(&[file("b.proto", "a", &["1", "2"], &["B", "C"])]),
        MessageRequest::FileByFilename(name) => files(&[file(&name, "", &[&format!("{name}1")], &[])]),
        _ => None,
    })
    .await;
    let absent = scripted(|request| match request {
        MessageRequest::ListServices(_) => list(&["a.B"]),
        MessageRequest::FileContainingSymbol(_) => files(&[file("b.proto", "a", &["1", "2", "3"], &["B"])]),
        _ => error(5, ""),
    })
    .await;
    let crowded = scripted(|request| match request {
        MessageRequest::FileContainingSymbol(_) => files(&[file("b.proto", "a", &["1"; 60], &["B"])]),
        other => one_service(&other),
    })
    .await;
    let silent = scripted(|_| None).await;
    let limits = Limits::default();
    let cases = [
        (
            &many,
            Limits { services: 1, ..limits.clone() },
            "has more than 1 services, which is the limit for reflection; ",
        ),
        (
            &many,
            Limits { files: 50, ..limits.clone() },
            "has more than 50 files, which is the limit for reflection; ",
        ),
        (
            &crowded,
            Limits { files: 50, ..limits.clone() },
            "has more than 50 files, which is the limit for reflection; ",
        ),
        (
            &absent,
            Limits { files: 3, ..limits.clone() },
            "has more than 3 files, which is the limit for reflection; ",
        ),
        (
            &many,
            Limits { bytes: 500, ..limits.clone() },
            "has more than 500 bytes of descriptors, which is the limit for reflection; ",
        ),
        (
            &silent,
            Limits { time: Duration::from_millis(50), ..limits },
            "did not give its descriptors within 50 ms. Check that it answers, or ",
        ),
    ];
    for (target, limits, text) in cases {
        let error = fetch(target, &limits).await.unwrap_err().to_string();
        assert_eq!(error, format!("The server at {target} {text}{INSTEAD}."));
    }
}

#[tokio::test]
async fn servers_without_reflection_and_no_servers_are_explained() {
    let target = backend(|(_, mut respond): Stream| async move {
        let mut head = head();
        head.headers_mut().extend(fields(&[("grpc-status", "12")]));
        respond.send_response(head, true).unwrap();
    })
    .await;
    let error = fetch(&target, &Limits::default()).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "The server at {target} does not offer gRPC reflection, neither v1 nor v1alpha. Turn it on in the \
             server, or {INSTEAD}."
        )
    );
    let target = dead().await;
    let error = fetch(&target, &Limits::default()).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("The server at {target} cannot be asked for its descriptors: ")),
        "{error}"
    );
    assert!(
        error.ends_with(&format!(". Check that it runs there and takes gRPC without TLS, or {INSTEAD}.")),
        "{error}"
    );
}
