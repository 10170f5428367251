//! `chat.v1.Chat`: rooms whose members hear each other, a feed of all rooms, and the page that shows both.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::chat_v1::chat_server::Chat;
use super::chat_v1::*;
use super::errors::Violations;
use rooms::{Rooms, event};

mod rooms;
#[cfg(test)]
mod tests;

/// The page: its style and its script are in it, and their digests in its policy.
const PAGE: &str = include_str!("../../../examples/chat/chat.html");

/// Headers of pages beside the policy that they carry themselves, which is one that must stand in a header.
const PAGE_METADATA: [(&str, &str); 3] =
    [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")];

/// `google.api.HttpBody`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct HttpBody {
    #[prost(string, tag = "1")]
    content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

/// The service. Clones share the rooms, which are behind a lock that is never held across a wait.
#[derive(Clone, Default)]
pub(super) struct Hall(Arc<Mutex<Rooms>>);

impl Hall {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Every change of the rooms is one step, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Chat for Hall {
    type JoinStream = Answers<RoomEvent>;

    async fn join(&self, request: Request<tonic::Streaming<JoinRequest>>) -> Answer<Self::JoinStream> {
        // The answer begins with the first message, so that whoever may not enter gets an error and nothing else.
        let conversation = join(self.clone(), request.into_inner()).await?;
        Ok(Response::new(Box::pin(conversation)))
    }

    type WatchRoomsStream = Answers<RoomState>;

    async fn watch_rooms(&self, request: Request<WatchRoomsRequest>) -> Answer<Self::WatchRoomsStream> {
        let WatchRoomsRequest { max_states } = request.into_inner();
        let mut violations = Violations::default();
        violations.require(max_states >= 0, "max_states", "must not be negative");
        violations.finish()?;
        let limit = if max_states == 0 { usize::MAX } else { max_states.unsigned_abs() as usize };
        Ok(Response::new(Box::pin(watch(self.clone()).take(limit))))
    }

    async fn list_messages(&self, request: Request<ListMessagesRequest>) -> Answer<ListMessagesResponse> {
        let messages = self.rooms().history(&request.into_inner().room)?;
        Ok(Response::new(ListMessagesResponse { messages }))
    }

    async fn get_page(&self, _: Request<GetPageRequest>) -> Answer<HttpBody> {
        Ok(page(PAGE))
    }
}

/// The answer with a page for browsers.
pub(super) fn page(html: &str) -> Response<HttpBody> {
    let content_type = "text/html; charset=utf-8".into();
    let mut response = Response::new(HttpBody { content_type, data: html.into() });
    for (name, value) in PAGE_METADATA {
        response.metadata_mut().insert(name, MetadataValue::from_static(value));
    }
    response
}

/// The call of a member: it is welcomed, hears the room, and says what it sends, until it sends no more.
async fn join(
    hall: Hall,
    requests: impl Stream<Item = Result<JoinRequest, Status>> + Send + Unpin + 'static,
) -> Result<impl Stream<Item = Result<RoomEvent, Status>> + Send + 'static, Status> {
    let (welcome, seat) = enter(hall, requests).await?;
    Ok(stream::once(async { Ok(welcome) }).chain(stream::try_unfold(seat, next)))
}

/// A member's place in a room, which is left when this is dropped.
struct Seat<R> {
    hall: Hall,
    room: String,
    name: String,
    events: Receiver<RoomEvent>,
    requests: R,
}

impl<R> Drop for Seat<R> {
    fn drop(&mut self) {
        self.hall.rooms().leave(&self.room, &self.name);
    }
}

/// Reads the first message and takes the place that it asks for.
async fn enter<R>(hall: Hall, mut requests: R) -> Result<(RoomEvent, Seat<R>), Status>
where
    R: Stream<Item = Result<JoinRequest, Status>> + Unpin,
{
    let first = requests.next().await.transpose()?.unwrap_or_default();
    let JoinRequest { room, name, text } = first;
    let mut violations = Violations::default();
    rooms::check_room(&room, &mut violations);
    rooms::check_name(&name, &mut violations);
    if !text.is_empty() {
        rooms::check_text(&text, &mut violations);
    }
    violations.finish()?;
    let (welcome, events) = hall.rooms().enter(&room, &name)?;
    let seat = Seat { hall, room, name, events, requests };
    if !text.is_empty() {
        seat.hall.rooms().say(&seat.room, &seat.name, text);
    }
    Ok((event(room_event::Event::Welcome(welcome)), seat))
}

/// Waits for what the member hears next.
///
/// What was said is told before more is taken in. A member that does not listen so cannot talk either, and one that
/// sends no more hears its own last words before the end.
async fn next<R>(mut seat: Seat<R>) -> Result<Option<(RoomEvent, Seat<R>)>, Status>
where
    R: Stream<Item = Result<JoinRequest, Status>> + Unpin,
{
    loop {
        tokio::select! {
            biased;
            heard = seat.events.recv() => return Ok(match heard {
                Ok(heard) => Some((heard, seat)),
                Err(RecvError::Lagged(events)) => {
                    let events = events.try_into().unwrap_or(i64::MAX);
                    Some((event(room_event::Event::Missed(Missed { events })), seat))
                }
                Err(RecvError::Closed) => None,
            }),
            request = seat.requests.next() => match request.transpose()? {
                None => return Ok(None),
                Some(request) => {
                    let mut violations = Violations::default();
                    rooms::check_text(&request.text, &mut violations);
                    violations.finish()?;
                    seat.hall.rooms().say(&seat.room, &seat.name, request.text);
                }
            },
        }
    }
}

/// The rooms that there are, and then each that changes.
fn watch(hall: Hall) -> impl Stream<Item = Result<RoomState, Status>> + Send + 'static {
    let (states, changes) = hall.rooms().watch();
    stream::unfold((hall, states, changes), |(hall, mut states, mut changes)| async move {
        loop {
            if let Some(state) = states.pop_front() {
                return Some((Ok(state), (hall, states, changes)));
            }
            match changes.recv().await {
                Ok(state) => return Some((Ok(state), (hall, states, changes))),
                // What was missed is in what the rooms are now.
                Err(RecvError::Lagged(_)) => (states, changes) = hall.rooms().watch(),
                Err(RecvError::Closed) => return None,
            }
        }
    })
}
