//! The one call between all fronts and all upstreams.
//!
//! Every front turns its dialect into a [`Call`] and the [`Reply`] back; policy wraps a
//! [`service::CallService`]; an upstream is anything that implements it. Messages travel as protobuf
//! wire bytes.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use tokio::time::Instant;

use crate::status::{Code, Status};
use crate::telemetry::trace::span::Traced;
use crate::tls::session::Session;

pub mod asked;
pub mod credential;
pub mod deadline;
pub mod encoding;
pub mod hash;
pub mod identity;
pub mod metadata;
pub mod meters;
pub mod network;
pub mod parts;
pub mod priority;
pub mod service;
pub mod sticky;
pub mod told;

use credential::Credential;
use identity::{Identity, Noted};
use parts::Parts;
use priority::Priority;

/// A gRPC method as the call path knows it: how it is reached and which sides stream.
#[derive(Clone, Debug)]
pub struct Method {
    /// The HTTP/2 `:path` of the method, `/package.Service/Method`.
    pub path: PathAndQuery,
    /// Whether the client sends a stream of messages.
    pub client_streaming: bool,
    /// Whether the server sends a stream of messages.
    pub server_streaming: bool,
    /// Whether the method is declared `NO_SIDE_EFFECTS` or `IDEMPOTENT`, so that it may be sent again.
    pub idempotent: bool,
    /// Whether it is declared `NO_SIDE_EFFECTS`, so that its answers depend on nothing but the request and the time.
    pub safe: bool,
    /// Where its calls to the upstream are counted.
    pub meter: Arc<meters::Calls>,
}

impl Method {
    /// Whether one side or both send a stream.
    pub const fn is_streaming(&self) -> bool {
        self.client_streaming || self.server_streaming
    }
}

/// The dialect that a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// REST with JSON, as `google.api.http` maps it.
    Rest,
    /// The same with XML as the request, the answer or both.
    Xml,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web, over HTTP/1.1 too.
    GrpcWeb,
    /// Connect, over HTTP/1.1 too.
    Connect,
    /// WebSocket, with a call on each.
    WebSocket,
    /// SOAP 1.1 and 1.2.
    Soap,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rest => "REST",
            Self::Xml => "XML",
            Self::Grpc => "gRPC",
            Self::GrpcWeb => "gRPC-Web",
            Self::Connect => "Connect",
            Self::WebSocket => "WebSocket",
            Self::Soap => "SOAP",
        })
    }
}

impl Dialect {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 7] =
        [Self::Rest, Self::Xml, Self::Grpc, Self::GrpcWeb, Self::Connect, Self::WebSocket, Self::Soap];

    /// Its name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Xml => "xml",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc_web",
            Self::Connect => "connect",
            Self::WebSocket => "websocket",
            Self::Soap => "soap",
        }
    }
}

/// Where a call comes from. Policy decides by it; nothing of it goes upstream by itself.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The dialect of the front that received the call.
    pub dialect: Dialect,
    /// The template of the route that matched, for logs and metrics; never the path itself.
    pub route: Arc<str>,
    /// The address of the caller, as far as proxies that are trusted tell it; its port is 0 where only they know the
    /// address. Absent where the transport has none.
    pub peer: Option<SocketAddr>,
    /// What TLS told about the peer, absent on a connection without TLS.
    pub tls: Option<Arc<Session>>,
    /// What the caller offers beside its headers to show who it is: what its dialect has a place for, or the query.
    pub credentials: Vec<Credential>,
    /// All headers of the request, only for a method whose policy or choice of an upstream decides by them.
    pub headers: Option<Arc<HeaderMap>>,
    /// What the request asks for, only for a method whose choice of an upstream decides by it.
    pub uri: Option<Arc<Uri>>,
    /// Where policy notes who calls and what it is told, and which upstream is chosen, for those who observe it. Absent where
    /// there is no policy and no choice at all.
    pub noted: Option<Arc<Noted>>,
    /// Where it is noted what becomes of its parts, if it has parts and somebody wants to know.
    pub parts: Option<Arc<Parts>>,
    /// Marks of what was checked of it before, by those who check; empty for a call that begins.
    pub proven: Vec<[u8; 32]>,
    /// Whether it is refused before others are where there are too many. Policy says it by the plan of the caller; what
    /// a call brings about is as it is.
    pub priority: Priority,
}

impl Origin {
    /// The origin of a call of which no more is known.
    pub const fn new(dialect: Dialect, route: Arc<str>) -> Self {
        Self {
            dialect,
            route,
            peer: None,
            tls: None,
            credentials: Vec::new(),
            headers: None,
            uri: None,
            noted: None,
            parts: None,
            proven: Vec::new(),
            priority: Priority::Normal,
        }
    }

    /// Who calls, once policy has found it out.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.noted.as_ref()?.identity()
    }
}

/// One call on its way to an upstream.
pub struct Call {
    /// The method that is called.
    pub method: Arc<Method>,
    /// Where the call comes from.
    pub origin: Origin,
    /// What goes upstream as gRPC metadata. Reserved and hop-by-hop names are already gone.
    pub metadata: HeaderMap,
    /// When the caller stops waiting; absent for a call without a limit.
    pub deadline: Option<Instant>,
    /// How messages are compressed, if any is.
    pub encodings: Encodings,
    /// The trace that it belongs to. A context that came with the call and is not sampled is in `metadata` alone.
    pub trace: Option<Traced>,
    /// The request.
    pub body: Body,
}

/// How the messages of a call are compressed: names of message encodings as gRPC writes them.
#[derive(Clone, Debug, Default)]
pub struct Encodings {
    /// The encoding of the request's messages that are compressed.
    pub request: Option<HeaderValue>,
    /// Those that the caller reads, separated by commas. A call without any gets no compressed message.
    pub accepted: Option<HeaderValue>,
}

/// A message as it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its wire form, or that compressed.
    pub bytes: Bytes,
    /// Whether the bytes are compressed: in a request by [`Encodings::request`], in an answer by what
    /// `grpc-encoding` in its initial metadata says.
    pub compressed: bool,
}

impl From<Bytes> for Message {
    /// A message that is not compressed.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, compressed: false }
    }
}

/// The request of a call.
pub enum Body {
    /// One message.
    Message(Message),
    /// One message that is read and decoded by the first layer that asks for it, so that a call that
    /// is refused before costs no reading and no parsing.
    Pending(Pin<Box<dyn Future<Output = Result<Message, Status>> + Send>>),
    /// The messages of a method with client streaming, read and decoded as they are pulled.
    Stream(Messages),
    /// Neither, as the front found something wrong with the request before: whoever asks for a message is told, and so
    /// only who may call.
    Refused(Box<Status>),
}

/// Messages that are made when they are pulled, and an error after which nothing comes:
/// what the front found wrong with the caller's body, which ends the call.
pub type Messages = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

impl Body {
    /// Reads and decodes the message of a method that takes exactly one.
    ///
    /// # Errors
    /// What the front found wrong with the caller's body.
    pub async fn message(self) -> Result<Message, Status> {
        match self {
            Self::Message(message) => Ok(message),
            Self::Pending(future) => future.await,
            Self::Refused(status) => Err(*status),
            Self::Stream(_) => {
                Err(Status::gateway(Code::Internal, "A stream of messages came for a method that takes one."))
            }
        }
    }

    /// The messages of a method that takes a stream.
    pub fn messages(self) -> Messages {
        match self {
            Self::Message(message) => Box::pin(stream::iter([Ok(message)])),
            Self::Pending(future) => Box::pin(stream::once(future)),
            Self::Refused(status) => Box::pin(stream::iter([Err(*status)])),
            Self::Stream(messages) => messages,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "Message({} bytes)", message.bytes.len()),
            Self::Pending(_) => f.write_str("Pending"),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Refused(status) => write!(f, "Refused({status:?})"),
        }
    }
}

/// The answer to a call.
pub struct Reply {
    /// The initial metadata that the backend sent.
    pub metadata: HeaderMap,
    /// The message; empty unless `status` is OK and there is no `stream`.
    pub message: Message,
    /// How the call ended; OK while there is a `stream`.
    pub status: Status,
    /// The trailing metadata that the backend sent; empty while there is a `stream`.
    pub trailers: HeaderMap,
    /// The messages of a method with server streaming that has begun to answer. How the call ends is its
    /// last part. Dropping it before cancels the call.
    pub stream: Option<Replies>,
    /// What else the caller is told. Each front writes it in its own form, or not at all.
    pub hints: Hints,
}

/// What a reply tells beside how the call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// How the caller may show who it is, where it has to (RFC 9110 section 11.6.1).
    pub challenges: Vec<HeaderValue>,
    /// After how long the caller may call again (RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
}

/// The rest of a streaming answer: messages as they are pulled and then exactly one [`Part::End`].
pub type Replies = Pin<Box<dyn Stream<Item = Part> + Send>>;

/// A part of a streaming answer.
#[derive(Debug)]
pub enum Part {
    /// A message.
    Message(Message),
    /// How the call ended, with the trailing metadata that the backend sent.
    End(Status, HeaderMap),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("metadata", &self.metadata)
            .field("message", &self.message)
            .field("status", &self.status)
            .field("trailers", &self.trailers)
            .field("streams", &self.stream.is_some())
            .finish()
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self {
            metadata: HeaderMap::new(),
            message: Message::default(),
            status,
            trailers: HeaderMap::new(),
            stream: None,
            hints: Hints::default(),
        }
    }
}
