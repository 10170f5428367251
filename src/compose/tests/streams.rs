//! Parts as they come.

use futures_util::{FutureExt, StreamExt, stream};

use super::super::plan::Form;
use super::*;
use crate::call::Part as Told;

/// The next thing that is told; nothing if it is not there yet.
fn next(stream: &mut crate::call::Replies) -> Option<Told> {
    stream.next().now_or_never().map(|told| told.expect("it has ended"))
}

fn message(told: Option<Told>) -> Vec<u8> {
    match told {
        Some(Told::Message(message)) => message.bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn start(parts: Vec<Part>) -> BoxFuture<Reply> {
    Plan::new(settings(1 << 20), parts).as_form(Form::AsTheyCome).call(call(""))
}

#[test]
fn parts_are_told_when_they_are_ready() {
    let [user, slow, offers] = [(); 3].map(|()| Script::default());
    let of_user = copy(source(Root::Part(0), [text_step(1)]));
    let mut reply = start(vec![
        part("user", 1, &user),
        Part { is_optional: true, ..part("slow", 2, &slow) },
        Part { request: of_user, ..part("offers", 3, &offers) },
    ]);
    assert!((&mut reply).now_or_never().is_none());
    user.answer(0, text(1, "gold"));
    let mut stream = reply.now_or_never().unwrap().stream.unwrap();
    assert_eq!(fields(&message(next(&mut stream))), [(1, text(1, "gold"))]);
    assert!(next(&mut stream).is_none());
    offers.answer(0, text(1, "rings"));
    assert_eq!(fields(&message(next(&mut stream))), [(3, text(1, "rings"))]);
    slow.fail(0, Status::backend(Code::Unavailable, "Down."));
    assert_eq!(errors(&message(next(&mut stream))), [error("slow", Code::Unavailable, "Down.")]);
    let Some(Told::End(status, _)) = next(&mut stream) else { panic!("no end") };
    assert!(status.is_ok());
    assert!(stream.next().now_or_never().unwrap().is_none());
}

#[test]
fn what_fails_first_has_a_status_of_its_own_and_what_fails_later_ends_the_stream() {
    let [one, other] = [(); 2].map(|()| Script::default());
    let parts = || vec![part("one", 1, &one), part("other", 2, &other)];
    let mut reply = start(parts());
    assert!((&mut reply).now_or_never().is_none());
    one.fail(0, Status::backend(Code::NotFound, "Gone."));
    let reply = reply.now_or_never().unwrap();
    assert_eq!((reply.status.code(), reply.stream.is_none()), (Code::NotFound, true));

    let mut reply = start(parts());
    assert!((&mut reply).now_or_never().is_none());
    other.answer(1, "");
    let mut stream = reply.now_or_never().unwrap().stream.unwrap();
    message(next(&mut stream));
    one.fail(1, Status::backend(Code::NotFound, "Gone."));
    let Some(Told::End(status, _)) = next(&mut stream) else { panic!("no end") };
    assert_eq!(status.code(), Code::NotFound);
}

fn streaming(messages: Vec<Told>) -> Reply {
    Reply { stream: Some(Box::pin(stream::iter(messages))), ..Reply::from(Status::ok()) }
}

fn item(name: &str) -> Told {
    Told::Message(Bytes::from(text(1, name)).into())
}

fn end(status: Status) -> Told {
    Told::End(status, HeaderMap::new())
}

#[test]
fn streams_are_merged_as_they_come_or_collected() {
    for form in [Form::AsTheyCome, Form::Whole] {
        let [feed, last] = [(); 2].map(|()| Script::default());
        let names = copy(source(Root::Part(0), [text_step(1)]));
        let parts = vec![part("feed", 1, &feed), Part { request: names, ..part("last", 2, &last) }];
        let mut reply = Plan::new(settings(1 << 20), parts).as_form(form).call(call(""));
        assert!((&mut reply).now_or_never().is_none());
        feed.end(0, streaming(vec![item("a"), item("b"), end(Status::ok())]));
        let expected = [(1, text(1, "a")), (1, text(1, "b")), (2, text(1, "z"))];
        if form == Form::Whole {
            assert!((&mut reply).now_or_never().is_none());
            assert_eq!(last.requests(), [[text(1, "a"), text(1, "b")].concat()]);
            last.answer(0, text(1, "z"));
            assert_eq!(fields(&reply.now_or_never().unwrap().message.bytes), expected);
            continue;
        }
        let mut stream = reply.now_or_never().unwrap().stream.unwrap();
        let mut found = [message(next(&mut stream)), message(next(&mut stream))].concat();
        assert!(next(&mut stream).is_none());
        last.answer(0, text(1, "z"));
        found.extend(message(next(&mut stream)));
        assert_eq!(fields(&found), expected);
        assert!(matches!(next(&mut stream), Some(Told::End(status, _)) if status.is_ok()));
    }
}

#[test]
fn a_stream_that_fails_is_a_part_that_fails() {
    for form in [Form::AsTheyCome, Form::Whole] {
        let feed = Script::default();
        let parts = vec![Part { is_optional: true, ..part("feed", 1, &feed) }];
        let mut reply = Plan::new(settings(1 << 20), parts).as_form(form).call(call(""));
        assert!((&mut reply).now_or_never().is_none());
        feed.end(0, streaming(vec![item("a"), end(Status::backend(Code::DataLoss, "Lost."))]));
        let reply = reply.now_or_never().unwrap();
        let expected = [error("feed", Code::DataLoss, "Lost.")];
        let Some(mut stream) = reply.stream else {
            assert_eq!(fields(&reply.message.bytes).len(), 1, "a part that failed is missing");
            assert_eq!(errors(&reply.message.bytes), expected);
            continue;
        };
        assert_eq!(fields(&message(next(&mut stream))), [(1, text(1, "a"))]);
        assert_eq!(errors(&message(next(&mut stream))), expected);
        assert!(matches!(next(&mut stream), Some(Told::End(status, _)) if status.is_ok()));
    }
}
