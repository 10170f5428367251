//! The own services without a network: calls in, replies out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use prost::Message as _;
use tokio::time::Instant;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse};

use super::health::{Board, By, Health, MAX_WATCHERS, Served};
use super::reflection::{Reflection, Shelf, Source};
use crate::call::service::CallService;
use crate::call::{Body, Call, Dialect, Encodings, Message, Method, Origin, Part, Replies, Reply};
use crate::schema::files::Files;
use crate::schema::load::OWN;
use crate::status::{Code, Status};

const BOOKSTORE: &[u8] = include_bytes!("../../examples/bookstore/bookstore.binpb");
const ECHO: &[u8] = include_bytes!("../../fuzz/echo.binpb");

fn call(body: Body) -> Call {
    let method = Method {
        path: "/own.Service/Method".parse().unwrap(),
        client_streaming: false,
        server_streaming: false,
        idempotent: false,
        safe: false,
        meter: Arc::default(),
    };
    Call {
        method: Arc::new(method),
        origin: Origin::new(Dialect::Grpc, "/".into()),
        metadata: HeaderMap::new(),
        deadline: None,
        encodings: Encodings::default(),
        trace: None,
        body,
    }
}

fn message(wire: impl Into<Bytes>) -> Message {
    wire.into().into()
}

/// `HealthCheckRequest`, field by field.
fn named(service: &str) -> Message {
    let mut wire = Vec::new();
    crate::wire::writer::bytes(&mut wire, 1, service.as_bytes());
    message(wire)
}

fn board() -> Board {
    let board = Board::default();
    board.serve(Arc::new(served(&["shop.Orders", "shop.Admin"])));
    board
}

fn served(services: &[&str]) -> Served {
    let by = |name: &&str| (name.to_string(), By::Upstream("shop".into()));
    let mut services: BTreeMap<_, _> = services.iter().map(by).collect();
    services.insert("grpc.health.v1.Health".into(), By::Gateway);
    services.insert("away.Named".into(), By::Nobody);
    Served { is_ready: true, services, may_be_listed: true }
}

async fn health(board: &Board, method: &str, message: Message) -> Reply {
    Health::new(board, method).unwrap().call(call(Body::Message(message))).await
}

/// The number of the status; 0 is left out on the wire, and never said.
fn serving(message: &Message) -> u8 {
    match *message.bytes {
        [8, status] => status,
        ref other => panic!("{other:?}"),
    }
}

async fn check(board: &Board, service: &str) -> Result<u8, Code> {
    let reply = health(board, "Check", named(service)).await;
    if reply.status.is_ok() { Ok(serving(&reply.message)) } else { Err(reply.status.code()) }
}

async fn watch(board: &Board, service: &str) -> Replies {
    health(board, "Watch", named(service)).await.stream.unwrap()
}

async fn next(replies: &mut Replies) -> Result<u8, Code> {
    match replies.next().await.unwrap() {
        Part::Message(message) => Ok(serving(&message)),
        Part::End(status, _) => Err(status.code()),
    }
}

/// Whether there is nothing to say now.
fn is_quiet(replies: &mut Replies) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    replies.as_mut().poll_next(&mut context).is_pending()
}

const SERVING: Result<u8, Code> = Ok(1);
const NOT_SERVING: Result<u8, Code> = Ok(2);
const SERVICE_UNKNOWN: Result<u8, Code> = Ok(3);

fn away() -> BTreeSet<Arc<str>> {
    BTreeSet::from(["shop".into()])
}

#[tokio::test]
async fn check_tells_of_the_gateway_and_of_each_service() {
    let board = board();
    for (service, expected) in [
        ("", SERVING),
        ("shop.Orders", SERVING),
        ("grpc.health.v1.Health", SERVING),
        ("away.Named", NOT_SERVING),
        ("shop.Other", Err(Code::NotFound)),
        ("shop", Err(Code::NotFound)),
        (&"x".repeat(1_000), Err(Code::NotFound)),
        (&"x".repeat(2_000), Err(Code::InvalidArgument)),
    ] {
        assert_eq!(check(&board, service).await, expected, "{service}");
    }
    board.away(away());
    assert_eq!(check(&board, "shop.Orders").await, NOT_SERVING);
    assert_eq!(check(&board, "").await, SERVING, "others are served");
    board.away(BTreeSet::new());
    assert_eq!(check(&board, "shop.Orders").await, SERVING);
    board.serve(Arc::new(Served { is_ready: false, ..served(&["shop.Orders"]) }));
    assert_eq!(check(&board, "").await, NOT_SERVING);
    assert_eq!(check(&board, "shop.Admin").await, Err(Code::NotFound));
    board.serve(Arc::new(served(&["shop.Orders"])));
    board.drain();
    for service in ["", "shop.Orders", "grpc.health.v1.Health"] {
        assert_eq!(check(&board, service).await, NOT_SERVING, "{service}");
    }
    assert_eq!(check(&board, "shop.Other").await, Err(Code::NotFound));
}

#[tokio::test]
async fn list_tells_of_all_unless_names_are_kept() {
    let board = board();
    let text = |reply: &Reply| String::from_utf8_lossy(&reply.message.bytes).into_owned();
    let reply = health(&board, "List", message(Bytes::new())).await;
    for name in ["shop.Orders", "shop.Admin", "away.Named", "grpc.health.v1.Health"] {
        assert!(text(&reply).contains(name), "{reply:?}");
    }
    board.serve(Arc::new(Served { may_be_listed: false, ..served(&["shop.Orders"]) }));
    let reply = health(&board, "List", message(Bytes::new())).await;
    // One entry, for the gateway: no key, and SERVING.
    assert_eq!(&*reply.message.bytes, [10, 4, 18, 2, 8, 1].as_slice());
}

#[tokio::test]
async fn watch_tells_of_every_change_and_of_nothing_else() {
    let board = board();
    let mut orders = watch(&board, "shop.Orders").await;
    let mut later = watch(&board, "shop.Later").await;
    assert_eq!((next(&mut orders).await, next(&mut later).await), (SERVING, SERVICE_UNKNOWN));
    // The same again is no change, and neither is what others do.
    board.serve(Arc::new(served(&["shop.Orders", "shop.Later"])));
    assert_eq!(next(&mut later).await, SERVING);
    assert!(is_quiet(&mut orders));
    board.away(away());
    assert_eq!((next(&mut orders).await, next(&mut later).await), (NOT_SERVING, NOT_SERVING));
    board.away(BTreeSet::new());
    assert_eq!(next(&mut orders).await, SERVING);
    board.serve(Arc::new(served(&[])));
    assert_eq!(next(&mut orders).await, SERVICE_UNKNOWN);
    board.serve(Arc::new(served(&["shop.Orders"])));
    assert_eq!(next(&mut orders).await, SERVING);
    // Between draining and stopping the stream lasts, so that nobody asks again and again.
    board.drain();
    assert_eq!(next(&mut orders).await, NOT_SERVING);
    assert!(is_quiet(&mut orders));
    board.stop();
    assert_eq!(next(&mut orders).await, Err(Code::Unavailable));
    assert!(orders.next().await.is_none());
    let mut late = watch(&board, "").await;
    assert_eq!((next(&mut late).await, next(&mut late).await), (NOT_SERVING, Err(Code::Unavailable)));
}

#[tokio::test(start_paused = true)]
async fn watch_ends_with_the_callers_time() {
    let board = board();
    let mut asked = call(Body::Message(named("")));
    asked.deadline = Some(Instant::now() + Duration::from_secs(5));
    let reply = Health::new(&board, "Watch").unwrap().call(asked).await;
    let mut replies = reply.stream.unwrap();
    assert_eq!(next(&mut replies).await, SERVING);
    assert_eq!(next(&mut replies).await, Err(Code::DeadlineExceeded));
}

#[tokio::test]
async fn a_flood_of_watchers_is_bounded_and_leaves_nothing() {
    let board = board();
    let mut all = Vec::new();
    for _ in 0..MAX_WATCHERS {
        all.push(watch(&board, "shop.Orders").await);
    }
    let refused = health(&board, "Watch", named("")).await;
    assert_eq!(refused.status.code(), Code::ResourceExhausted);
    assert_eq!(refused.status.message(), "10000 callers watch already. Use Check, or try again later.");
    assert_eq!(board.watchers(), MAX_WATCHERS);
    assert_eq!(check(&board, "").await, SERVING);
    drop(all);
    assert_eq!(board.watchers(), 0);
}

#[tokio::test]
async fn messages_may_be_compressed_within_bounds() {
    let board = board();
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zlib = |bytes: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let question = named("shop.Orders").bytes;
    for (encoding, bytes, expected) in [
        (Some("gzip"), gzip(&question), Ok(())),
        (Some("deflate"), zlib(&question), Ok(())),
        (
            Some("br"),
            question.to_vec(),
            Err((
                Code::Unimplemented,
                "Messages compressed with \"br\" are not read here. Use gzip, deflate or nothing.",
            )),
        ),
        (
            Some("gzip"),
            gzip(&vec![0; 1 << 20]),
            Err((
                Code::InvalidArgument,
                "The message is longer than 1024 bytes, which is more than any question needs.",
            )),
        ),
        (
            Some("gzip"),
            b"no gzip".to_vec(),
            Err((Code::InvalidArgument, "The message cannot be decompressed: ")),
        ),
    ] {
        let mut asked = call(Body::Message(Message { bytes: bytes.into(), compressed: true }));
        asked.encodings.request = encoding.map(HeaderValue::from_static);
        let reply = Health::new(&board, "Check").unwrap().call(asked).await;
        match expected {
            Ok(()) => assert_eq!(serving(&reply.message), 1),
            Err((code, text)) => {
                assert_eq!(reply.status.code(), code);
                assert!(reply.status.message().starts_with(text), "{}", reply.status);
            }
        }
    }
    let broken = health(&board, "Check", message(&b"\x0a\x05x"[..])).await;
    assert_eq!(broken.status.code(), Code::InvalidArgument);
    assert!(broken.status.message().starts_with("The message is not valid protobuf: "), "{broken:?}");
}

fn source(set: &'static [u8], services: &[&str]) -> Source {
    let services = services.iter().map(|&name| name.to_owned()).collect();
    Source { files: Files::new([Bytes::from_static(set)]), services }
}

fn shelf() -> Arc<Shelf> {
    let own = Source {
        files: Files::new([Bytes::from_static(OWN)]).and(&Files::built_in()),
        services: HashSet::from(["grpc.health.v1.Health".to_owned()]),
    };
    let sources = vec![source(ECHO, &["echo.v1.Echo"]), source(BOOKSTORE, &["bookstore.v1.Bookstore"])];
    Arc::new(Shelf::new(sources, own))
}

fn ask(question: MessageRequest) -> Message {
    let request = ServerReflectionRequest { host: "here".into(), message_request: Some(question) };
    message(request.encode_to_vec())
}

async fn reflect(questions: Vec<Result<Message, Status>>) -> (Vec<ServerReflectionResponse>, Status) {
    let asked = call(Body::Stream(Box::pin(stream::iter(questions))));
    let mut replies = Reflection::new(shelf()).call(asked).await.stream.unwrap();
    let mut answers = Vec::new();
    loop {
        match replies.next().await.unwrap() {
            Part::Message(message) => {
                answers.push(ServerReflectionResponse::decode(message.bytes).unwrap());
            }
            Part::End(status, _) => return (answers, status),
        }
    }
}

async fn answers(questions: Vec<MessageRequest>) -> Vec<MessageResponse> {
    let count = questions.len();
    let (answers, status) = reflect(questions.into_iter().map(|question| Ok(ask(question))).collect()).await;
    assert!(status.is_ok() && answers.len() == count, "{status}");
    answers.into_iter().map(|answer| answer.message_response.unwrap()).collect()
}

/// The names of the files of an answer, or its error.
fn names(answer: &MessageResponse) -> Result<Vec<String>, (i32, &str)> {
    match answer {
        MessageResponse::FileDescriptorResponse(files) => {
            let name =
                |file: &Vec<u8>| prost_types::FileDescriptorProto::decode(&**file).unwrap().name.unwrap();
            Ok(files.file_descriptor_proto.iter().map(name).collect())
        }
        MessageResponse::ErrorResponse(error) => Err((error.error_code, &error.error_message)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn services_are_listed_in_order() {
    let answers = answers(vec![MessageRequest::ListServices("*".into())]).await;
    let MessageResponse::ListServicesResponse(list) = &answers[0] else { panic!("{answers:?}") };
    let listed: Vec<_> = list.service.iter().map(|service| &*service.name).collect();
    assert_eq!(listed, ["bookstore.v1.Bookstore", "echo.v1.Echo", "grpc.health.v1.Health"]);
}

#[tokio::test]
async fn files_come_with_what_they_import_once() {
    let symbol = |name: &str| MessageRequest::FileContainingSymbol(name.into());
    let answers = answers(vec![
        symbol("bookstore.v1.Bookstore"),
        symbol(".bookstore.v1.Bookstore.GetBook"),
        symbol("google.rpc.ErrorInfo"),
        symbol("grpc.health.v1.HealthCheckRequest"),
    ])
    .await;
    let first = names(&answers[0]).unwrap();
    assert_eq!(first[0], "bookstore.proto");
    for import in ["google/api/annotations.proto", "google/protobuf/descriptor.proto"] {
        assert!(first.iter().any(|name| name == import), "{first:?}");
    }
    assert_eq!(names(&answers[1]).unwrap(), ["bookstore.proto"], "the others were sent");
    // Details of errors, which nothing imports.
    assert_eq!(names(&answers[2]).unwrap()[0], "google/rpc/error_details.proto");
    assert_eq!(names(&answers[3]).unwrap(), ["grpc/health/v1/health.proto"]);
}

#[tokio::test]
async fn what_is_not_there_is_said_so_and_the_stream_goes_on() {
    let long = "x".repeat(1_025);
    let extension = |containing_type: &str, extension_number| {
        MessageRequest::FileContainingExtension(ExtensionRequest {
            containing_type: containing_type.into(),
            extension_number,
        })
    };
    let table = [
        (
            MessageRequest::FileByFilename("secret.proto".into()),
            (5, "There is no file \"secret.proto\" here."),
        ),
        (
            MessageRequest::FileContainingSymbol("echo.v1.Streams".into()),
            (5, "There is nothing of the name \"echo.v1.Streams\" here."),
        ),
        (
            MessageRequest::FileContainingSymbol("echo.v1.Streams.Chat".into()),
            (5, "There is nothing of the name \"echo.v1.Streams.Chat\" here."),
        ),
        (
            MessageRequest::FileContainingSymbol(long.clone()),
            (3, "The name is longer than 1024 bytes, which no name here is."),
        ),
        (
            MessageRequest::FileByFilename(long),
            (3, "The name is longer than 1024 bytes, which no name here is."),
        ),
        (
            extension("echo.v1.Everything", 7),
            (5, "There is no extension of \"echo.v1.Everything\" with the number 7 here."),
        ),
        (
            MessageRequest::AllExtensionNumbersOfType("echo.v1.Nothing".into()),
            (5, "There is no message \"echo.v1.Nothing\" here."),
        ),
    ];
    let (questions, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    for (answer, expected) in answers(questions).await.iter().zip(expected) {
        assert_eq!(names(answer), Err(expected));
    }
    let answers = answers(vec![
        MessageRequest::AllExtensionNumbersOfType("google.protobuf.MethodOptions".into()),
        extension("google.protobuf.MethodOptions", 72_295_728),
    ])
    .await;
    let MessageResponse::AllExtensionNumbersResponse(numbers) = &answers[0] else { panic!("{answers:?}") };
    assert!(numbers.extension_number.contains(&72_295_728), "{numbers:?}");
    assert_eq!(names(&answers[1]).unwrap()[0], "google/api/annotations.proto");
}

#[tokio::test]
async fn questions_that_are_none_are_told_so() {
    // Nothing is asked, and something that does not exist.
    let (answers, status) = reflect(vec![Ok(message(Bytes::new())), Ok(message(&b"\x4a\x01x"[..]))]).await;
    assert!(status.is_ok());
    for answer in &answers {
        let (code, text) = names(answer.message_response.as_ref().unwrap()).unwrap_err();
        assert!(code == 3 && text.starts_with("The request asks for nothing that is known here"), "{text}");
    }
    assert_eq!(answers.len(), 2);
    let host = ServerReflectionRequest {
        host: "h".repeat(5_000),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    for (question, code) in [
        (Ok(message(host.encode_to_vec())), Code::InvalidArgument),
        (Ok(message(&b"\x0a\x05x"[..])), Code::InvalidArgument),
        (Err(Status::caller(Code::Aborted, "It broke.")), Code::Aborted),
    ] {
        let (answers, status) = reflect(vec![question]).await;
        assert_eq!((answers.len(), status.code()), (0, code));
    }
}

#[tokio::test]
async fn thousands_of_questions_are_answered_in_order() {
    let symbols = ["echo.v1.Echo", "bookstore.v1.Book", "none.Such", "google.protobuf.Any"];
    let questions: Vec<_> =
        (0..3_000).map(|at| Ok(ask(MessageRequest::FileContainingSymbol(symbols[at % 4].into())))).collect();
    let (answers, status) = reflect(questions).await;
    assert!(status.is_ok() && answers.len() == 3_000);
    for (at, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.valid_host, "here");
        let asked = answer.original_request.unwrap().message_request.unwrap();
        assert_eq!(asked, MessageRequest::FileContainingSymbol(symbols[at % 4].into()));
        let is_file = matches!(answer.message_response, Some(MessageResponse::FileDescriptorResponse(_)));
        assert_eq!(is_file, at % 4 != 2);
    }
}

#[tokio::test(start_paused = true)]
async fn streams_without_questions_end() {
    for (deadline, code) in [(None, Code::Cancelled), (Some(Duration::from_secs(9)), Code::DeadlineExceeded)]
    {
        let mut asked = call(Body::Stream(Box::pin(stream::pending())));
        asked.deadline = deadline.map(|time| Instant::now() + time);
        let mut replies = Reflection::new(shelf()).call(asked).await.stream.unwrap();
        assert_eq!(next(&mut replies).await, Err(code));
    }
}
