//! What is called when, and what comes of it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::super::plan::MAX_PARTS;
use super::*;
use crate::call::parts::Parts;

/// A call of a plan that is polled by hand.
struct Running(BoxFuture<Reply>);

impl Running {
    fn new(parts: Vec<Part>, limit: usize, request: impl Into<Bytes>) -> Self {
        let mut running = Self(Plan::new(settings(limit), parts).call(call(request)));
        running.poll_pending();
        running
    }

    fn poll(&mut self) -> Poll<Reply> {
        Pin::new(&mut self.0).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn poll_pending(&mut self) {
        if let Poll::Ready(reply) = self.poll() {
            panic!("{reply:?}");
        }
    }

    fn reply(mut self) -> Reply {
        match self.poll() {
            Poll::Ready(reply) => reply,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn answer(self) -> Bytes {
        let reply = self.reply();
        assert!(reply.status.is_ok(), "{reply:?}");
        reply.message.bytes
    }
}

fn of(part: usize) -> Source {
    source(Root::Part(part), [text_step(1)])
}

const PLENTY: usize = 1 << 20;

#[test]
fn a_part_starts_in_the_poll_that_completes_what_it_needs() {
    let [user, slow, offers] = [(); 3].map(|()| Script::default());
    let parts = vec![
        Part { request: copy(source(Root::Request, [text_step(1)])), ..part("user", 1, &user) },
        part("slow", 2, &slow),
        Part { request: copy(of(0)), ..part("offers", 3, &offers) },
    ];
    let mut running = Running::new(parts, PLENTY, text(1, "me"));
    assert_eq!([user.count(), slow.count(), offers.count()], [1, 1, 0]);
    assert_eq!(
        (&user.requests()[0][..], &*user.0.lock().unwrap()[0].route),
        (&text(1, "me")[..], "/test.v1.Service/user")
    );
    user.answer(0, text(1, "gold"));
    running.poll_pending();
    assert_eq!(offers.requests(), [text(1, "gold")], "though another part is slow");
    offers.answer(0, text(1, "rings"));
    running.poll_pending();
    slow.answer(0, "");
    let expected = [(1, text(1, "gold")), (2, vec![]), (3, text(1, "rings"))];
    assert_eq!(fields(&running.answer()), expected);
}

#[test]
fn a_required_part_that_fails_ends_the_whole_and_the_other_calls() {
    let [one, other] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(vec![part("one", 1, &one), part("other", 2, &other)], PLENTY, "");
    assert!(!other.is_left(0));
    one.fail(0, Status::backend(Code::NotFound, "There is no such user."));
    let Poll::Ready(reply) = running.poll() else { panic!("it waits") };
    assert_eq!((reply.status.code(), reply.status.message()), (Code::NotFound, "There is no such user."));
    assert!(other.is_left(0));
}

#[test]
fn optional_parts_are_missing_with_a_word_about_them() {
    let [user, offers, ring, shop] = [(); 4].map(|()| Script::default());
    let optional = |part: Part| Part { is_optional: true, ..part };
    let parts = vec![
        optional(part("user", 1, &user)),
        optional(Part { request: copy(of(0)), ..part("offers", 2, &offers) }),
        optional(Part { request: copy(of(1)), ..part("ring", 3, &ring) }),
        part("shop", 4, &shop),
    ];
    let mut running = Running::new(parts, PLENTY, "");
    shop.answer(0, text(1, "open"));
    running.poll_pending();
    user.fail(0, Status::backend(Code::Unknown, "panic at line 7"));
    let answer = running.answer();
    assert_eq!(fields(&answer)[0], (4, text(1, "open")));
    let expected = [
        // What a backend tells of itself stays inside.
        error("user", Code::Unknown, "The backend failed."),
        error("offers", Code::FailedPrecondition, "It needs the part \"user\", which failed."),
        error("ring", Code::FailedPrecondition, "It needs the part \"offers\", which failed."),
    ];
    assert_eq!(errors(&answer), expected);
    assert_eq!([offers.count(), ring.count()], [0, 0]);
}

#[test]
fn a_part_whose_condition_does_not_hold_is_left_out_without_a_word() {
    let [user, offers, ring] = [(); 3].map(|()| Script::default());
    let premium = source(Root::Part(0), [step(2, Layout::Varint, false)]);
    for (answer, count) in [(&b"\x10\x01"[..], 1), (b"\x10\x00", 1), (b"", 1)] {
        let is_premium = answer == b"\x10\x01";
        let parts = vec![
            part("user", 1, &user),
            Part { when: Some(premium.clone()), ..part("offers", 2, &offers) },
            Part { request: copy(of(1)), ..part("ring", 3, &ring) },
        ];
        let mut running = Running::new(parts, PLENTY, "");
        user.answer(user.count() - 1, answer);
        if is_premium {
            running.poll_pending();
            offers.answer(0, text(1, "rings"));
            running.poll_pending();
            ring.answer(0, "");
        }
        let found = running.answer();
        assert_eq!(fields(&found).len(), if is_premium { 3 } else { 1 });
        assert_eq!([offers.count(), ring.count()], [count, count]);
    }
}

/// Parts `list`, whose answer has names in its field 1, and `each`, which is called for each.
fn fan(list: &Script, each: &Script, at_once: usize, max_items: usize, is_optional: bool) -> Vec<Part> {
    let names = source(Root::Part(0), [step(1, Layout::Bytes, true)]);
    let item = copy(Source { root: Root::Item, steps: Box::default() });
    let for_each = for_each(names, at_once, max_items);
    vec![part("list", 1, list), Part { request: item, for_each, is_optional, ..part("each", 2, each) }]
}

fn names(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| text(1, name)).collect()
}

#[test]
fn items_are_called_for_once_each_and_a_few_at_a_time() {
    let [list, each] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(fan(&list, &each, 2, 10, false), PLENTY, "");
    list.answer(0, names(&["a", "b", "a", "c", "b"]));
    running.poll_pending();
    assert_eq!(each.requests(), [text(1, "a"), text(1, "b")]);
    each.answer(1, text(1, "B"));
    running.poll_pending();
    assert_eq!(each.count(), 3, "one is answered, so one more is called");
    each.answer(0, text(1, "A"));
    running.poll_pending();
    assert_eq!(each.count(), 3, "there are no others");
    each.answer(2, text(1, "C"));
    let found: Vec<_> = fields(&running.answer()).into_iter().skip(1).collect();
    let expected: Vec<_> = ["A", "B", "A", "C", "B"].iter().map(|name| (2, text(1, name))).collect();
    assert_eq!(found, expected, "in the order of the items");
}

#[test]
fn an_item_that_fails_leaves_its_place_empty_or_fails_the_whole() {
    let [list, each] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(fan(&list, &each, 8, 10, true), PLENTY, "");
    list.answer(0, names(&["a", "b", "a"]));
    running.poll_pending();
    each.fail(0, Status::backend(Code::NotFound, "No a."));
    each.answer(1, text(1, "B"));
    let answer = running.answer();
    let found: Vec<_> = fields(&answer)[1..4].to_vec();
    assert_eq!(found, [(2, vec![]), (2, text(1, "B")), (2, vec![])]);
    let expected = [error("each[0]", Code::NotFound, "No a."), error("each[2]", Code::NotFound, "No a.")];
    assert_eq!(errors(&answer), expected);

    let [list, each] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(fan(&list, &each, 8, 10, false), PLENTY, "");
    list.answer(0, names(&["a", "b"]));
    running.poll_pending();
    each.fail(0, Status::backend(Code::NotFound, "No a."));
    assert_eq!(running.reply().status.code(), Code::NotFound);
    assert!(each.is_left(1));
}

#[test]
fn lists_are_bounded() {
    let [list, each] = [(); 2].map(|()| Script::default());
    let many: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let mut running = Running::new(fan(&list, &each, 8, 100, true), PLENTY, "");
    list.answer(0, names(&many));
    let answer = running.poll();
    let Poll::Ready(reply) = answer else { panic!("it waits") };
    let text = "The part \"each\" would be called for 10000 items. At most 100 may be.";
    assert_eq!(errors(&reply.message.bytes), [error("each", Code::ResourceExhausted, text)]);
    assert_eq!(each.count(), 0);

    // As many as may be, none of which is called for twice; eight at a time.
    let mut running = Running::new(fan(&list, &each, 8, 10_000, true), PLENTY, "");
    list.answer(1, names(&many));
    running.poll_pending();
    for call in 0..9_999 {
        assert!(each.count() <= call + 8);
        each.answer(call, "");
        running.poll_pending();
    }
    each.answer(9_999, "");
    assert_eq!(fields(&running.answer()).len(), 10_001);

    // An empty list is no call and no field.
    let running = {
        let mut running = Running::new(fan(&list, &each, 8, 1, false), PLENTY, "");
        list.answer(2, "");
        running.poll()
    };
    let Poll::Ready(reply) = running else { panic!("it waits") };
    assert_eq!(fields(&reply.message.bytes), [(1, vec![])]);
}

#[test]
fn sizes_are_bounded_together() {
    let [one, other] = [(); 2].map(|()| Script::default());
    let optional = Part { is_optional: true, ..part("other", 2, &other) };
    let mut running = Running::new(vec![part("one", 1, &one), optional], 10, "");
    one.answer(0, vec![0; 6]);
    running.poll_pending();
    other.answer(0, vec![0; 5]);
    let answer = running.answer();
    let text = "With that of the part \"other\" the answers are longer than 10 bytes together.";
    assert_eq!(errors(&answer), [error("other", Code::ResourceExhausted, text)]);

    let [one, other] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(vec![part("one", 1, &one), part("other", 2, &other)], 10, "");
    one.answer(0, vec![0; 6]);
    running.poll_pending();
    other.answer(0, vec![0; 5]);
    let status = running.reply().status;
    assert_eq!((status.code(), status.http(), status.message()), (Code::ResourceExhausted, 502, text));

    // An answer that many items share is there many times.
    let [list, each] = [(); 2].map(|()| Script::default());
    let mut running = Running::new(fan(&list, &each, 8, 10, true), 100, "");
    list.answer(0, names(&["a"; 10]));
    running.poll_pending();
    each.answer(0, vec![0; 11]);
    let answer = running.answer();
    let expected = "With that of the part \"each\" the answers are longer than 100 bytes together.";
    assert_eq!(errors(&answer), [error("each", Code::ResourceExhausted, expected)]);

    // Requests for items are made before any is called.
    let [list, each] = [(); 2].map(|()| Script::default());
    let mut parts = fan(&list, &each, 8, 10, true);
    parts[1].request.0.push(Piece::Constant(super::text(2, "xx")));
    let running = Running::new(parts, 20, "");
    list.answer(0, names(&["aaa", "bbb", "ccc", "ddd"]));
    let expected = "The requests of the part \"each\" are longer than 20 bytes together.";
    assert_eq!(errors(&running.answer()), [error("each", Code::ResourceExhausted, expected)]);
    assert_eq!(each.count(), 0);
}

#[test]
fn answers_that_are_no_messages_fail_their_part() {
    let [user, offers] = [(); 2].map(|()| Script::default());
    let needy = Part { request: copy(of(0)), is_optional: true, ..part("offers", 2, &offers) };
    let mut running = Running::new(vec![part("user", 1, &user), needy], PLENTY, "");
    user.answer(0, vec![0x0a, 5, b'x']);
    let Poll::Ready(reply) = running.poll() else { panic!("it waits") };
    let text = "The answer of the part \"user\" is not valid protobuf: a value goes on after the end of the message, at \
                byte 1.";
    assert_eq!(errors(&reply.message.bytes), [error("offers", Code::Internal, text)]);

    let request = Plan::new(
        settings(PLENTY),
        vec![Part { request: copy(source(Root::Request, [text_step(1)])), ..part("a", 1, &user) }],
    );
    let mut running = Running(request.call(call(vec![0x0a, 5, b'x'])));
    let Poll::Ready(reply) = running.poll() else { panic!("it waits") };
    assert_eq!((reply.status.code(), reply.status.http()), (Code::InvalidArgument, 400));
}

#[test]
fn as_many_parts_as_there_may_be_are_called_at_once() {
    let script = Script::default();
    let parts = (1..=MAX_PARTS).map(|number| part("p", number as u32, &script)).collect();
    let running = Running::new(parts, PLENTY, "");
    assert_eq!(script.count(), MAX_PARTS);
    (0..MAX_PARTS).for_each(|call| script.answer(call, ""));
    // Some executors let others have a turn after so many.
    let mut running = running;
    let reply = (0..10).find_map(|_| match running.poll() {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    });
    assert_eq!(fields(&reply.unwrap().message.bytes).len(), MAX_PARTS);
}

#[test]
fn a_part_that_nobody_wants_is_no_error_though_what_it_needs_failed() {
    let [user, offers] = [(); 2].map(|()| Script::default());
    let optional = |part: Part| Part { is_optional: true, ..part };
    let parts = |when| {
        vec![
            optional(part("user", 1, &user)),
            optional(Part { request: copy(of(0)), when: Some(when), ..part("offers", 2, &offers) }),
        ]
    };
    let wanted = source(Root::Request, [step(9, Layout::Varint, false)]);
    for (when, is_told) in [(wanted, false), (of(0), true)] {
        let running = Running::new(parts(when), PLENTY, "");
        user.fail(user.count() - 1, Status::backend(Code::Unavailable, "away"));
        let answer = errors(&running.answer());
        let told = error("offers", Code::FailedPrecondition, "It needs the part \"user\", which failed.");
        assert_eq!(answer.contains(&told), is_told, "{answer:?}");
        assert!(answer.contains(&error("user", Code::Unavailable, "away")));
    }
}

/// What is noted of parts, for whoever observes the call.
#[tokio::test(start_paused = true)]
async fn each_part_is_told_with_its_end() {
    let [user, slow, list, each, left] = [(); 5].map(|()| Script::default());
    let optional = |part: Part| Part { is_optional: true, ..part };
    let never = source(Root::Request, [step(9, Layout::Varint, false)]);
    let parts = vec![
        optional(part("user", 1, &user)),
        part("slow", 2, &slow),
        Part { when: Some(never), ..part("skipped", 3, &left) },
        optional(Part { request: copy(of(0)), ..part("needy", 4, &left) }),
        optional(Part {
            for_each: Some(ForEach {
                list: source(Root::Request, [step(7, Layout::Bytes, true)]),
                at_once: 1,
                max_items: 9,
            }),
            request: copy(source(Root::Item, [])),
            ..part("each", 5, &each)
        }),
        part("list", 6, &list),
    ];
    let meters: Vec<_> = parts.iter().map(|part| Arc::clone(&part.meter)).collect();
    let noted = Arc::new(Parts::default());
    let mut call = call([text(7, "a"), text(7, "b")].concat());
    call.origin.parts = Some(Arc::clone(&noted));
    let mut running = Running(Plan::new(settings(PLENTY), parts).call(call));
    running.poll_pending();
    let pause = std::time::Duration::from_millis(3);
    tokio::time::advance(pause).await;
    user.fail(0, Status::backend(Code::Unavailable, "away"));
    each.fail(0, Status::backend(Code::NotFound, "none"));
    list.answer(0, "");
    running.poll_pending();
    each.answer(1, "");
    running.poll_pending();
    let codes = || (0..6).map(|part| noted.outcome(part).map(|(code, _)| code)).collect::<Vec<_>>();
    let expected = [
        Some(Code::Unavailable),
        Some(Code::Cancelled),
        None,
        Some(Code::FailedPrecondition),
        Some(Code::NotFound),
        Some(Code::Ok),
    ];
    assert_eq!(codes(), expected);
    assert_eq!(noted.outcome(5), Some((Code::Ok, pause)));
    // Whoever leaves cancels what is under way.
    tokio::time::advance(pause).await;
    drop(running);
    tokio::time::advance(pause).await;
    assert_eq!(noted.outcome(1), Some((Code::Cancelled, 2 * pause)));
    let counts =
        |code: Code| meters.iter().map(|meter| meter.count(code.number().into())).collect::<Vec<_>>();
    assert_eq!(counts(Code::Ok), [0, 0, 0, 0, 0, 1]);
    assert_eq!(counts(Code::Cancelled), [0, 1, 0, 0, 0, 0]);
    assert_eq!(counts(Code::FailedPrecondition), [0, 0, 0, 1, 0, 0]);
}
