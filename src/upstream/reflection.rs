//! Descriptors from a running server, by
//! [gRPC server reflection](https://github.com/grpc/grpc/blob/master/doc/server-reflection.md).
//!
//! The services of the server are listed, the file of each is asked for, and then every import that
//! has not come along. This is done at start and on reload, not per call, so tonic's client serves.

use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::connect;
use super::counted::{Counts, TooMany};
use super::target::Target;
use crate::tls::dial::Socket;

/// The versions of the protocol, the newer first. Their messages are the same on the wire.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What a server told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reflected {
    /// The full names of its services, sorted, without those below `grpc.`.
    pub services: Vec<String>,
    /// Its files, each a `google.protobuf.FileDescriptorProto` in the server's own bytes, no name
    /// twice, in the order of arrival.
    pub files: Vec<Bytes>,
    /// The names of imported files that the server does not have, sorted.
    pub missing: Vec<String>,
}

/// How much a server may tell, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The time for everything, connecting included. Default 10 s.
    pub time: Duration,
    /// Bytes of all files together. Default 64 MiB.
    pub bytes: usize,
    /// Number of files. Default 10,000.
    pub files: usize,
    /// Number of services. Default 10,000.
    pub services: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), bytes: 64 * 1024 * 1024, files: 10_000, services: 10_000 }
    }
}

impl Limits {
    const fn counts(&self) -> Counts {
        Counts { services: self.services, files: self.files }
    }
}

/// Why a server's descriptors could not be had. Its text is for the operator: it names the target and
/// says what to do.
#[derive(Debug)]
pub struct ReflectionError {
    target: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unreachable(String),
    Late(Duration),
    NotOffered,
    Refused { asked: String, code: String, text: String },
    WrongAnswer { asked: String },
    Unreadable { asked: String, error: prost::DecodeError },
    TooMuch { limit: usize, unit: &'static str },
}

impl From<TooMany> for Kind {
    fn from(TooMany { limit, unit }: TooMany) -> Self {
        Self::TooMuch { limit, unit }
    }
}

const INSTEAD: &str = "give a descriptor set instead (`descriptors: [{ set: FILE }]`)";

impl fmt::Display for ReflectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The server at {} ", self.target)?;
        match &self.kind {
            Kind::Unreachable(error) => write!(
                f,
                "cannot be asked for its descriptors: {error}. Check that it runs there and takes gRPC {} TLS, or \
                 {INSTEAD}.",
                if self.target.starts_with("https:") { "with" } else { "without" }
            ),
            Kind::Late(limit) => write!(
                f,
                "did not give its descriptors within {} ms. Check that it answers, or {INSTEAD}.",
                limit.as_millis()
            ),
            Kind::NotOffered => write!(
                f,
                "does not offer gRPC reflection, neither v1 nor v1alpha. Turn it on in the server, or {INSTEAD}."
            ),
            Kind::Refused { asked, code, text } => {
                write!(f, "answered the reflection request for {asked} with the error {code}: {text}. ")?;
                write!(f, "Repair its reflection, or {INSTEAD}.")
            }
            Kind::WrongAnswer { asked } => write!(
                f,
                "answered the reflection request for {asked} with something else. Repair its reflection, or \
                 {INSTEAD}."
            ),
            Kind::Unreadable { asked, error } => write!(
                f,
                "answered the reflection request for {asked} with bytes that are no file descriptor ({error}). \
                 Repair its reflection, or {INSTEAD}."
            ),
            Kind::TooMuch { limit, unit } => {
                write!(f, "has more than {limit} {unit}, which is the limit for reflection; {INSTEAD}.")
            }
        }
    }
}

impl Error for ReflectionError {}

/// Asks a server for all its descriptors, with reflection v1 or else v1alpha.
///
/// An import that the server does not have is no error but is reported as missing: well-known files
/// are built into Transom.
///
/// # Errors
/// The server cannot be reached, offers no reflection, takes too long, tells more than `limits`
/// allow, refuses a service that it lists, or answers something else than it was asked.
pub async fn fetch(target: &Target, limits: &Limits) -> Result<Reflected, ReflectionError> {
    let work = async {
        let session = Session::open(target, limits).await?;
        Collector::new(session, limits).run().await
    };
    let outcome = tokio::time::timeout(limits.time, work).await;
    outcome
        .unwrap_or(Err(Kind::Late(limits.time)))
        .map_err(|kind| ReflectionError { target: target.to_string(), kind })
}

/// A question and its words in an error text.
enum Question {
    Services,
    Symbol(String),
    File(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services => f.write_str("its list of services"),
            Self::Symbol(name) => write!(f, "the service `{name}`"),
            Self::File(name) => write!(f, "the file `{name}`"),
        }
    }
}

impl Question {
    fn request(&self) -> ServerReflectionRequest {
        let request = match self {
            Self::Services => MessageRequest::ListServices(String::new()),
            Self::Symbol(name) => MessageRequest::FileContainingSymbol(name.clone()),
            Self::File(name) => MessageRequest::FileByFilename(name.clone()),
        };
        ServerReflectionRequest { host: String::new(), message_request: Some(request) }
    }

    fn refused(&self, code: Code, text: &str) -> Kind {
        let text = text.trim_end_matches('.').chars().take(500).collect();
        Kind::Refused { asked: self.to_string(), code: format!("{code:?}"), text }
    }

    fn wrong(&self) -> Kind {
        Kind::WrongAnswer { asked: self.to_string() }
    }
}

/// What a question brought.
enum Answer {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
    NotFound(String),
}

/// Reaches the target as the channels do, with the same TLS.
struct Dialer {
    target: Target,
    time: Duration,
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (target, time) = (self.target.clone(), self.time);
        Box::pin(async move { connect::reach(&target, time).await.map(TokioIo::new) })
    }
}

/// Questions one after the other, on one stream as long as the server keeps it open. Some servers end
/// the stream where others send an `error_response`.
struct Session {
    client: Grpc<Channel>,
    path: PathAndQuery,
    stream: Option<(mpsc::Sender<ServerReflectionRequest>, Streaming<ServerReflectionResponse>)>,
    counts: Counts,
    /// The answer to the first question.
    services: Vec<String>,
}

impl Session {
    /// Connects, finds the version that the server speaks, and asks for the services with it.
    async fn open(target: &Target, limits: &Limits) -> Result<Self, Kind> {
        let unreachable = |error: tonic::transport::Error| Kind::Unreachable(chain(&error));
        let origin = target.origin().map_err(|error| Kind::Unreachable(error.to_string()))?;
        let dialer = Dialer { target: target.clone(), time: limits.time };
        let channel = Endpoint::from(origin).connect_with_connector(dialer).await.map_err(unreachable)?;
        for path in VERSIONS {
            let client = Grpc::new(channel.clone()).max_decoding_message_size(limits.bytes);
            let path = PathAndQuery::from_static(path);
            let mut session =
                Self { client, path, stream: None, counts: limits.counts(), services: Vec::new() };
            match session.exchange(&Question::Services).await {
                Err(status) if status.code() == Code::Unimplemented => {}
                outcome => {
                    let answer = interpret(&Question::Services, outcome)?;
                    let Answer::Services(names) = answer else { return Err(Question::Services.wrong()) };
                    session.services = names;
                    return Ok(session);
                }
            }
        }
        Err(Kind::NotOffered)
    }

    async fn ask(&mut self, question: &Question) -> Result<Answer, Kind> {
        let outcome = self.exchange(question).await;
        interpret(question, outcome)
    }

    /// `None` where the server ends the stream without an answer.
    async fn exchange(
        &mut self,
        question: &Question,
    ) -> Result<Option<ServerReflectionResponse>, tonic::Status> {
        let (sender, mut answers) = match self.stream.take() {
            Some((sender, answers)) if sender.send(question.request()).await.is_ok() => (sender, answers),
            _ => {
                let (sender, requests) = mpsc::channel(1);
                // The channel has room for it and its receiver is right here.
                let _ = sender.try_send(question.request());
                self.client.ready().await.map_err(|error| tonic::Status::unavailable(chain(&error)))?;
                let requests = tonic::Request::new(ReceiverStream::new(requests));
                let response = self.client.streaming(requests, self.path.clone(), self.counts).await?;
                (sender, response.into_inner())
            }
        };
        let answer = answers.message().await?;
        self.stream = Some((sender, answers));
        Ok(answer)
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    let mut last = text.clone();
    while let Some(error) = source {
        // Some wrap an error and have nothing to add.
        let next = error.to_string();
        if next != last {
            text = format!("{text}: {next}");
            last = next;
        }
        source = error.source();
    }
    text
}

fn interpret(
    question: &Question,
    outcome: Result<Option<ServerReflectionResponse>, tonic::Status>,
) -> Result<Answer, Kind> {
    let (code, text) = match outcome {
        Ok(answer) => match answer.and_then(|answer| answer.message_response) {
            Some(MessageResponse::ListServicesResponse(list)) => {
                return Ok(Answer::Services(list.service.into_iter().map(|service| service.name).collect()));
            }
            Some(MessageResponse::FileDescriptorResponse(files)) => {
                return Ok(Answer::Files(files.file_descriptor_proto));
            }
            Some(MessageResponse::ErrorResponse(error)) => {
                (Code::from_i32(error.error_code), error.error_message)
            }
            Some(MessageResponse::AllExtensionNumbersResponse(_)) | None => return Err(question.wrong()),
        },
        Err(status) => {
            if let Some(too_many) = status.source().and_then(|source| source.downcast_ref::<TooMany>()) {
                return Err((*too_many).into());
            }
            (status.code(), status.message().to_owned())
        }
    };
    if code == Code::NotFound { Ok(Answer::NotFound(text)) } else { Err(question.refused(code, &text)) }
}

/// The part of `google.protobuf.FileDescriptorProto` that leads on from one file to the next.
#[derive(Clone, PartialEq, Eq, Message)]
struct FileHead {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceHead>,
}

/// The name of a `google.protobuf.ServiceDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
struct ServiceHead {
    #[prost(string, tag = "1")]
    name: String,
}

struct Collector<'a> {
    session: Session,
    limits: &'a Limits,
    files: Vec<Bytes>,
    bytes: usize,
    /// The names of `files`.
    names: HashSet<String>,
    /// The full names of the services in `files`.
    defined: HashSet<String>,
    /// Imports that have not been looked at.
    wanted: Vec<String>,
}

impl<'a> Collector<'a> {
    fn new(session: Session, limits: &'a Limits) -> Self {
        let (names, defined) = (HashSet::new(), HashSet::new());
        Self { session, limits, files: Vec::new(), bytes: 0, names, defined, wanted: Vec::new() }
    }

    async fn run(mut self) -> Result<Reflected, Kind> {
        let mut services = std::mem::take(&mut self.session.services);
        if services.len() > self.limits.services {
            return Err(Kind::TooMuch { limit: self.limits.services, unit: "services" });
        }
        services.retain(|name| !name.starts_with("grpc."));
        services.sort_unstable();
        services.dedup();
        for service in &services {
            if !self.defined.contains(service) {
                self.fetch_service(service).await?;
            }
        }
        let missing = self.fetch_imports().await?;
        Ok(Reflected { services, files: self.files, missing })
    }

    async fn fetch_service(&mut self, service: &str) -> Result<(), Kind> {
        let question = Question::Symbol(service.to_owned());
        match self.session.ask(&question).await? {
            Answer::Files(files) => self.add(&question, files)?,
            Answer::NotFound(text) => return Err(question.refused(Code::NotFound, &text)),
            Answer::Services(_) => return Err(question.wrong()),
        }
        if self.defined.contains(service) { Ok(()) } else { Err(question.wrong()) }
    }

    /// Follows the imports and returns those that the server does not have.
    async fn fetch_imports(&mut self) -> Result<Vec<String>, Kind> {
        let mut missing = BTreeSet::new();
        while let Some(name) = self.wanted.pop() {
            if self.names.contains(&name) || missing.contains(&name) {
                continue;
            }
            let question = Question::File(name.clone());
            match self.session.ask(&question).await? {
                Answer::Files(files) => self.add(&question, files)?,
                Answer::NotFound(_) => {
                    missing.insert(name);
                    self.check_count(missing.len())?;
                    continue;
                }
                Answer::Services(_) => return Err(question.wrong()),
            }
            if !self.names.contains(&name) {
                return Err(question.wrong());
            }
        }
        Ok(missing.into_iter().collect())
    }

    /// Keeps the files that are new.
    fn add(&mut self, question: &Question, files: Vec<Vec<u8>>) -> Result<(), Kind> {
        for bytes in files {
            self.limits.counts().check_file(&bytes)?;
            let head = FileHead::decode(bytes.as_slice())
                .map_err(|error| Kind::Unreadable { asked: question.to_string(), error })?;
            if !self.names.insert(head.name) {
                continue;
            }
            self.bytes += bytes.len();
            if self.bytes > self.limits.bytes {
                return Err(Kind::TooMuch { limit: self.limits.bytes, unit: "bytes of descriptors" });
            }
            self.files.push(Bytes::from(bytes));
            self.check_count(0)?;
            self.wanted.extend(head.dependency);
            self.defined.extend(head.service.into_iter().map(|service| match head.package.as_str() {
                "" => service.name,
                package => format!("{package}.{}", service.name),
            }));
        }
        Ok(())
    }

    fn check_count(&self, missing: usize) -> Result<(), Kind> {
        let limit = self.limits.files;
        if self.files.len() + missing > limit {
            return Err(Kind::TooMuch { limit, unit: "files" });
        }
        Ok(())
    }
}
