use super::super::pipe::{Receiver, pipe};
use super::super::places;
use super::*;
use crate::front::tests::route;
use crate::snapshot::Sockets;

/// A socket of which nothing can be read, with a call that takes messages and does not answer.
fn session(method: &str) -> (Session, Receiver) {
    let (pipe, receiver) = pipe();
    let answers = Answers { route: route(method), form: Form::Proto, trailers: false, request_id: None };
    let parts = Parts {
        upgrade: hyper::upgrade::on(http::Request::new(())),
        answers,
        source: Source::Waiting(Box::pin(std::future::pending())),
        pipe,
        clock: Clock::new(Sockets::default(), None),
        limit: 1 << 20,
        is_complete: false,
        place: places::take(None, &Sockets::default()).unwrap(),
    };
    (Session::new(parts), receiver)
}

fn envelope(flags: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[flags], &length[..], bytes].concat()
}

/// Everything that waits in the pipe.
fn waiting(receiver: &Receiver, cx: &Context<'_>) -> usize {
    std::iter::from_fn(|| match receiver.poll_message(cx) {
        Poll::Ready(message) => Some(message?.expect("the socket is open")),
        Poll::Pending => None,
    })
    .count()
}

#[tokio::test]
async fn the_messages_of_one_frame_wait_for_room() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let (mut session, receiver) = session("Chat");
    session.event(Event::Binary(envelope(0, b"").repeat(200_000).into()));
    let mut taken = 0;
    while taken < 200_000 {
        session.poll_read(&mut cx);
        let count = waiting(&receiver, &cx);
        assert!((1..=16).contains(&count), "{count} messages were kept");
        taken += count;
    }
    session.poll_read(&mut cx);
    assert!(session.envelopes.is_none(), "the frame is given back");
    assert_eq!((taken, session.phase), (200_000, Phase::Talking));

    // Large ones too: at most one more than what may wait.
    let large = envelope(0, &[0; 10_000]);
    session.event(Event::Binary(large.repeat(50).into()));
    for _ in 0..25 {
        session.poll_read(&mut cx);
        assert_eq!(waiting(&receiver, &cx), 2);
    }
    session.poll_read(&mut cx);
    assert_eq!(waiting(&receiver, &cx), 0);
}

#[tokio::test]
async fn what_is_wrong_in_a_frame_is_told_when_it_is_reached() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for (rest, reason) in [
        (&b"\0\0\0\0\x05cut"[..], "A binary frame is not valid: the data ends in the middle of a message."),
        (b"\x40\0\0\0\0", "A binary frame is not valid: a message has the unknown frame flags 64."),
        (
            b"\x02\0\0\0\0\0\0\0\0\0",
            "A message came after the last one. Open another WebSocket for another call.",
        ),
    ] {
        let (mut session, receiver) = session("Chat");
        session.event(Event::Binary([&envelope(0, b"").repeat(16), rest].concat().into()));
        session.poll_read(&mut cx);
        assert_eq!(session.phase, Phase::Talking, "{reason}");
        assert_eq!(waiting(&receiver, &cx), 16, "{reason}");
        session.poll_read(&mut cx);
        assert_eq!((session.phase, session.close), (Phase::Closing, 4003), "{reason}");
        let written = String::from_utf8_lossy(&session.out);
        assert!(written.contains(reason), "{written}");
        assert!(session.envelopes.is_none(), "{reason}");
    }
}
