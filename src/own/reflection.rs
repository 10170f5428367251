//! `grpc.reflection`, v1 and v1alpha, whose messages are the same on the wire: which services are exposed, and the descriptors of their messages.
//!
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::HeaderValue;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

use super::{end, late, read, wire};
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Call, Messages, Part, Replies, Reply};
use crate::schema::files::{FileId, Files, Published};
use crate::status::{Code, Status};

/// The longest question, in bytes: the name of a symbol or a file and the name of the server.
const MAX_QUESTION: usize = 4 << 10;

/// The longest name that is looked for, in bytes.
const MAX_NAME: usize = 1_024;

/// So many bytes of imports come along with a file, at most. Others are there for those who ask.
const MAX_IMPORTS: usize = 256 << 10;

/// How long a stream may go without a question.
const PAUSE: Duration = Duration::from_secs(300);

/// What is exposed of some files.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the services are declared.
    pub files: Files,
    /// Their full names.
    pub services: HashSet<String>,
}

/// What may be known. It is looked through when it is first asked for; until then it costs nothing.
pub struct Shelf {
    /// In the order in which they are searched.
    sources: Vec<Source>,
    /// The gateway's own services.
    own: Source,
    services: BTreeSet<String>,
    published: OnceCell<Arc<[Published]>>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("services", &self.services.len()).finish_non_exhaustive()
    }
}

impl Shelf {
    /// What may be known of the files of upstreams, and of the gateway's own services. Each service is to be in one
    /// source only.
    pub fn new(sources: Vec<Source>, own: Source) -> Self {
        let services =
            sources.iter().chain([&own]).flat_map(|source| source.services.iter().cloned()).collect();
        Self { sources, own, services, published: OnceCell::new() }
    }

    /// Large sets take a while to look through, and a core has other things to do.
    async fn published(&self) -> Result<&Arc<[Published]>, Status> {
        let look = || async {
            let (sources, own) = (self.sources.clone(), self.own.clone());
            let look = move || {
                let published =
                    sources.into_iter().map(|source| Published::new(&source.files, source.services));
                published.chain([Published::whole(&own.files, own.services)]).collect()
            };
            spawn_blocking(look).await
        };
        self.published
            .get_or_try_init(look)
            .await
            .map_err(|_| Status::gateway(Code::Internal, "The descriptors could not be looked through."))
    }
}

/// The one method of the service, in either version.
#[derive(Clone, Debug)]
pub struct Reflection(Arc<Shelf>);

impl Reflection {
    /// What answers by a shelf.
    pub const fn new(shelf: Arc<Shelf>) -> Self {
        Self(shelf)
    }
}

impl CallService for Reflection {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let shelf = Arc::clone(&self.0);
        Box::pin(async move {
            let published = match shelf.published().await {
                Ok(published) => Arc::clone(published),
                Err(status) => return status.into(),
            };
            let session = Session {
                shelf,
                published,
                questions: call.body.messages(),
                encoding: call.encodings.request,
                deadline: call.deadline,
                last: None,
                sent: HashSet::new(),
                is_over: false,
            };
            let replies: Replies = Box::pin(stream::unfold(session, Session::next));
            Reply { stream: Some(replies), ..Reply::from(Status::ok()) }
        })
    }
}

/// A file, and the source that it is of.
type Found = (usize, FileId);

/// One stream of questions. The next one is read when the answer to the last was taken.
struct Session {
    shelf: Arc<Shelf>,
    published: Arc<[Published]>,
    questions: Messages,
    encoding: Option<HeaderValue>,
    deadline: Option<Instant>,
    /// The source of the last file that was found. Files of one name can differ between sources.
    last: Option<usize>,
    /// The files that the caller has.
    sent: HashSet<Found>,
    is_over: bool,
}

/// Why there is no answer.
struct Refusal(Code, String);

impl Session {
    async fn next(mut self) -> Option<(Part, Self)> {
        if self.is_over {
            return None;
        }
        let pause = Instant::now() + PAUSE;
        let limit = self.deadline.map_or(pause, |deadline| deadline.min(pause));
        let status = match timeout_at(limit, self.questions.next()).await {
            Ok(Some(Ok(message))) => match read(&message, self.encoding.as_ref(), MAX_QUESTION) {
                Ok(question) => {
                    let answer = wire(&self.answer(question));
                    // The questions of one caller, as fast as they come, must not keep others waiting.
                    tokio::task::consume_budget().await;
                    return Some((Part::Message(answer), self));
                }
                Err(status) => status,
            },
            Ok(Some(Err(status))) => status,
            Ok(None) => Status::ok(),
            Err(_) if limit < pause => late(),
            Err(_) => {
                let text = format!("There was no question for {} seconds.", PAUSE.as_secs());
                Status::caller(Code::Cancelled, text)
            }
        };
        self.is_over = true;
        Some((end(status), self))
    }

    fn answer(&mut self, question: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &question.message_request {
            Some(MessageRequest::FileByFilename(name)) => self.file(name),
            Some(MessageRequest::FileContainingSymbol(name)) => self.symbol(name),
            Some(MessageRequest::FileContainingExtension(extension)) => {
                self.extension(&extension.containing_type, extension.extension_number)
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => self.extensions(name),
            Some(MessageRequest::ListServices(_)) => Ok(self.list()),
            None => Err(Refusal(
                Code::InvalidArgument,
                "The request asks for nothing that is known here: a file by its name, by a symbol or by an \
                 extension, the extensions of a type, or the list of services."
                    .to_owned(),
            )),
        };
        let answer = answer.unwrap_or_else(|Refusal(code, error_message)| {
            MessageResponse::ErrorResponse(ErrorResponse { error_code: code.number().into(), error_message })
        });
        ServerReflectionResponse {
            valid_host: question.host.clone(),
            original_request: Some(question),
            message_response: Some(answer),
        }
    }

    fn list(&self) -> MessageResponse {
        let service = self.shelf.services.iter().map(|name| ServiceResponse { name: name.clone() });
        MessageResponse::ListServicesResponse(ListServiceResponse { service: service.collect() })
    }

    fn file(&mut self, name: &str) -> Result<MessageResponse, Refusal> {
        check(name)?;
        let found = self.search(|published| published.by_name(name));
        self.give(found.ok_or_else(|| missing(format!("There is no file {name:?} here."))))
    }

    fn symbol(&mut self, name: &str) -> Result<MessageResponse, Refusal> {
        check(name)?;
        let name = name.strip_prefix('.').unwrap_or(name);
        // Services are where they are answered from, whatever was asked for before.
        let service = name.rsplit_once('.').map_or("", |(service, _)| service);
        let is_answered = |services: &HashSet<String>| services.contains(name) || services.contains(service);
        let own = self.shelf.sources.iter().position(|source| is_answered(&source.services));
        let found = own.and_then(|at| Some((at, self.published[at].by_symbol(name)?)));
        let found = found.or_else(|| self.search(|published| published.by_symbol(name)));
        self.give(found.ok_or_else(|| missing(format!("There is nothing of the name {name:?} here."))))
    }

    fn extension(&mut self, extendee: &str, number: i32) -> Result<MessageResponse, Refusal> {
        check(extendee)?;
        let found = self.search(|published| published.by_extension(extendee, number));
        let text = || format!("There is no extension of {extendee:?} with the number {number} here.");
        self.give(found.ok_or_else(|| missing(text())))
    }

    fn extensions(&self, name: &str) -> Result<MessageResponse, Refusal> {
        check(name)?;
        let Some(at) = self.order().find(|&at| self.published[at].has_message(name)) else {
            return Err(missing(format!("There is no message {name:?} here.")));
        };
        let extension_number = self.published[at].extension_numbers(name).collect();
        let numbers = ExtensionNumberResponse { base_type_name: name.to_owned(), extension_number };
        Ok(MessageResponse::AllExtensionNumbersResponse(numbers))
    }

    /// The sources: first the one that the last file was of, so that a caller who follows imports stays in one.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.last;
        last.into_iter().chain((0..self.published.len()).filter(move |&at| Some(at) != last))
    }

    fn search(&self, find: impl Fn(&Published) -> Option<FileId>) -> Option<Found> {
        self.order().find_map(|at| Some((at, find(&self.published[at])?)))
    }

    /// The file, with as many of the files that it imports as fit and the caller does not have yet.
    fn give(&mut self, found: Result<Found, Refusal>) -> Result<MessageResponse, Refusal> {
        let (at, file) = found?;
        self.last = Some(at);
        self.sent.insert((at, file));
        let published = &self.published[at];
        let mut files = vec![published.bytes(file).to_vec()];
        let mut open: VecDeque<_> = published.imports(file).iter().copied().collect();
        let mut room = MAX_IMPORTS;
        while let Some(import) = open.pop_front() {
            if self.sent.contains(&(at, import)) {
                continue;
            }
            let bytes = published.bytes(import);
            let Some(rest) = room.checked_sub(bytes.len()) else { break };
            room = rest;
            self.sent.insert((at, import));
            files.push(bytes.to_vec());
            open.extend(published.imports(import));
        }
        Ok(MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: files }))
    }
}

fn missing(text: String) -> Refusal {
    Refusal(Code::NotFound, text)
}

/// Whether a name can be one.
fn check(name: &str) -> Result<(), Refusal> {
    if name.len() <= MAX_NAME {
        return Ok(());
    }
    let text = format!("The name is longer than {MAX_NAME} bytes, which no name here is.");
    Err(Refusal(Code::InvalidArgument, text))
}
