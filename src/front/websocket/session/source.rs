//! Where the answers of a socket come from.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;

use crate::call::service::BoxFuture;
use crate::call::{Part, Replies, Reply};
use crate::status::Status;

/// Where the answers come from.
pub(in crate::front::websocket) enum Source {
    Waiting(BoxFuture<Reply>),
    Message(Bytes, HeaderMap),
    Replies(Replies),
    Ended(Status, HeaderMap),
    /// The call has ended, or was given up.
    Nothing,
}

impl Source {
    /// What a reply goes on with. Without a stream it has a message unless the method `streams`.
    pub(in crate::front::websocket) fn of(reply: Reply, streams: bool) -> Self {
        match reply {
            Reply { stream: Some(stream), .. } => Self::Replies(stream),
            Reply { status, message, trailers, .. } if status.is_ok() && !streams => {
                Self::Message(message.bytes, trailers)
            }
            Reply { status, trailers, .. } => Self::Ended(status, trailers),
        }
    }

    /// The next part; pending for ever after the last.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>, streams: bool) -> Poll<Part> {
        loop {
            *self = match self {
                Self::Waiting(reply) => Self::of(ready!(reply.as_mut().poll(cx)), streams),
                Self::Replies(replies) => {
                    let part = ready!(replies.as_mut().poll_next(cx));
                    let part = part.unwrap_or_else(|| Part::End(Status::ok(), HeaderMap::new()));
                    if matches!(part, Part::End(..)) {
                        *self = Self::Nothing;
                    }
                    return Poll::Ready(part);
                }
                Self::Message(message, trailers) => {
                    let part = Part::Message(std::mem::take(message).into());
                    *self = Self::Ended(Status::ok(), std::mem::take(trailers));
                    return Poll::Ready(part);
                }
                Self::Ended(..) => {
                    let Self::Ended(status, trailers) = std::mem::replace(self, Self::Nothing) else {
                        continue;
                    };
                    return Poll::Ready(Part::End(status, trailers));
                }
                Self::Nothing => return Poll::Pending,
            };
        }
    }
}
