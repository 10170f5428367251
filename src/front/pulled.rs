//! The messages of a request with client streaming, as the call pulls them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

use super::meters::{MESSAGES, RECEIVED};
use crate::call::{Message, Messages};
use crate::status::Status;

/// Reads messages, each dialect in its way.
pub(super) trait Pull: Send + Unpin {
    /// The next message; none behind the last.
    ///
    /// # Errors
    /// What is wrong with the request. It is not asked again then, nor behind the last message.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>>;
}

/// The messages that somebody reads: counted, and ended by the first error. Whoever reads them is let go with the end.
pub(super) struct Pulled<P>(Option<P>);

impl<P: Pull + 'static> Pulled<P> {
    /// The messages of a call.
    pub(super) fn messages(pull: P) -> Messages {
        Box::pin(Self(Some(pull)))
    }
}

impl<P: Pull> Stream for Pulled<P> {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pull) = &mut self.0 else { return Poll::Ready(None) };
        let message = ready!(pull.poll_message(cx));
        match message {
            Ok(Some(_)) => MESSAGES.add(RECEIVED, 1),
            Ok(None) | Err(_) => self.0 = None,
        }
        Poll::Ready(message.transpose())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;
    use crate::status::Code;

    /// Gives these, the last first.
    struct Given(
        Vec<Result<Option<Message>, Status>>,
        #[expect(dead_code, reason = "it is counted")] Arc<()>,
    );

    impl Pull for Given {
        fn poll_message(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
            Poll::Ready(self.0.pop().expect("nobody asks behind the end"))
        }
    }

    #[test]
    fn nothing_comes_behind_the_first_error_or_the_end() {
        let message = || Ok(Some(Message::from(Bytes::from_static(b"a"))));
        let wrong = || Err(Status::caller(Code::InvalidArgument, "It is wrong."));
        for (given, expected) in [
            (vec![Ok(None)], vec![]),
            (vec![Ok(None), message(), message()], vec![true, true]),
            (vec![message(), wrong(), message()], vec![true, false]),
            (vec![wrong()], vec![false]),
        ] {
            let reader = Arc::new(());
            let mut messages = Pulled::messages(Given(given, Arc::clone(&reader)));
            let mut cx = Context::from_waker(Waker::noop());
            let mut seen = Vec::new();
            while let Poll::Ready(Some(message)) = messages.as_mut().poll_next(&mut cx) {
                seen.push(message.is_ok());
            }
            assert_eq!(seen, expected);
            assert!(matches!(messages.as_mut().poll_next(&mut cx), Poll::Ready(None)), "it stays so");
            assert_eq!(Arc::strong_count(&reader), 1, "the reader is let go");
        }
    }
}
