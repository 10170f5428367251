//! The answer side of a call with server streaming.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::call::{Part, Reply};
use crate::status::Status;

use super::exchange::Exchange;
use super::fault::{Failure, Told};
use super::frames::{Frames, Terms};
use super::http2::engine::Event;
use super::http2::fields::Fields;
use super::response::{check_head, end, no_status};
use super::trailers::STATUS;

/// Waits for the beginning of a streaming answer.
pub(super) async fn open(mut exchange: Exchange, terms: Terms, told: Told) -> Result<Reply, Failure> {
    let Event::Head(head) = exchange.event().await? else { return Err(no_status().into()) };
    if let Err(status) = check_head(&head) {
        exchange.end();
        return Err(status.into());
    }
    let mut metadata = head.fields;
    let mut frames = Frames::new(terms, &metadata);
    if metadata.value(&STATUS).is_some() {
        // Headers that end the answer, or that only an empty DATA frame follows, are trailers.
        match exchange.event().await? {
            Event::Data(data) => frames.push(data),
            Event::End(trailers) => {
                exchange.end();
                let (metadata, trailers) = match trailers {
                    Some(trailers) => (metadata, trailers),
                    None => (Fields::default(), metadata),
                };
                let (status, trailers) = end(Some(trailers), &frames)?;
                return Ok(Reply { metadata: metadata.into_map(), trailers, ..Reply::from(status) });
            }
            Event::Head(_) => {}
        }
    }
    metadata.take(&CONTENT_TYPE);
    let stream = Answers { exchange, frames, told, ended: false };
    let metadata = metadata.into_map();
    Ok(Reply { metadata, stream: Some(Box::pin(stream)), ..Reply::from(Status::ok()) })
}

/// The messages of an answer. Nothing is read from the backend before it is pulled.
struct Answers {
    exchange: Exchange,
    frames: Frames,
    told: Told,
    ended: bool,
}

impl Answers {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, Failure>> {
        loop {
            if let Some(message) = self.frames.next()? {
                return Poll::Ready(Ok(Part::Message(message)));
            }
            match ready!(self.exchange.poll_event(cx))? {
                Event::Head(_) => {}
                Event::Data(data) => self.frames.push(data),
                Event::End(trailers) => {
                    let (status, trailers) = end(trailers, &self.frames)?;
                    if status.is_ok() {
                        self.frames.check_end()?;
                    }
                    return Poll::Ready(Ok(Part::End(status, trailers)));
                }
            }
        }
    }
}

impl Stream for Answers {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let part = match ready!(self.poll_part(cx)) {
            Ok(part) => part,
            Err(failure) => {
                self.told.warn(&failure, 1);
                Part::End(failure.status, HeaderMap::new())
            }
        };
        if matches!(part, Part::End(..)) {
            self.ended = true;
            self.exchange.end();
        }
        Poll::Ready(Some(part))
    }
}
