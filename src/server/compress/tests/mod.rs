//! The layer without a network. Clients that others wrote are in the integration tests.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::answer::Encoded;
use super::decoder::Format;
use super::encoder::Encoder;
use super::request::Decoded;
use super::*;
use crate::status::Status;

mod answers;
mod requests;

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

impl From<Coding> for Announced {
    fn from(coding: Coding) -> Self {
        Self::Known(vec![Format::by_name(coding.name()).unwrap()])
    }
}

/// What a body does when it is asked.
#[derive(Clone, Debug)]
enum Step {
    Data(Bytes),
    /// It has nothing yet.
    Waits,
    Trailers,
    Fails,
}

/// A body that follows a script.
#[derive(Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Whether it tells its size.
    sized: bool,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), sized: false }
    }

    /// A body of one piece whose size is known.
    fn whole(data: impl Into<Bytes>) -> Self {
        Self { steps: [Step::Data(data.into())].into(), sized: true }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Waits) => Poll::Pending,
            Some(Step::Trailers) => {
                let trailers = [("x-end".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Some(Step::Fails) => Poll::Ready(Some(Err("reset by peer"))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.sized {
            return SizeHint::new();
        }
        let size = |step: &Step| if let Step::Data(data) = step { data.len() as u64 } else { 0 };
        SizeHint::with_exact(self.steps.iter().map(size).sum())
    }
}

/// What a body gave until it had to wait, failed or ended.
#[derive(Debug, Default)]
struct Given {
    frames: Vec<Bytes>,
    trailers: bool,
    /// The text of a failure, and its HTTP status if it is a [`Status`].
    error: Option<(String, u16)>,
    waits: bool,
}

impl Given {
    fn data(&self) -> Vec<u8> {
        self.frames.concat()
    }
}

fn pull<B>(body: &mut B) -> Given
where
    B: Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Unpin,
{
    let mut given = Given::default();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Pending => given.waits = true,
            Poll::Ready(None) => {}
            Poll::Ready(Some(Ok(frame))) => {
                match frame.into_data() {
                    Ok(data) => given.frames.push(data),
                    Err(_) => given.trailers = true,
                }
                continue;
            }
            Poll::Ready(Some(Err(error))) => {
                let status = error.downcast_ref::<Status>();
                let text = status.map_or_else(|| error.to_string(), |status| status.message().to_owned());
                given.error = Some((text, status.map_or(0, Status::http)));
            }
        }
        return given;
    }
}

/// The pieces in an encoding, each written out.
fn encoded(coding: Coding, pieces: &[&[u8]]) -> Vec<Bytes> {
    let mut encoder = Encoder::new(coding, None).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        encoder.write(piece).unwrap();
        encoder.flush().unwrap();
        out.push(encoder.take().into());
    }
    out.push(encoder.finish().unwrap().into());
    out
}

/// Decodes what is complete.
fn decode(coding: Coding, data: &[u8]) -> Vec<u8> {
    let body = Script::new([Step::Data(Bytes::copy_from_slice(data))]);
    let given = pull(&mut Decoded::new(body, coding.into()));
    assert_eq!(given.error, None, "{coding:?}");
    given.data()
}

/// Text that compresses as JSON does, of at least this size.
fn text(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 100);
    let mut number = 1_u32;
    while text.len() < size {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!(r#"{{"id":{number},"name":"item {}"}},"#, number % 1000).as_bytes());
    }
    text
}
