use futures_util::TryStreamExt;
use futures_util::future::FutureExt;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Code;

use super::super::errors::{BadRequest, RichStatus};
use super::room_event::Event;
use super::rooms::{MAX_BEHIND, MAX_HISTORY, MAX_MEMBERS, MAX_NAME, MAX_ROOMS, MAX_TEXT};
use super::*;

/// A member as its client sees it.
struct Visitor {
    requests: mpsc::UnboundedSender<Result<JoinRequest, Status>>,
    answers: Answers<RoomEvent>,
}

impl Visitor {
    fn new(hall: &Hall) -> Self {
        let (requests, received) = mpsc::unbounded_channel();
        let conversation = join(hall.clone(), UnboundedReceiverStream::new(received));
        Self { requests, answers: Box::pin(stream::once(conversation).try_flatten()) }
    }

    async fn enter(hall: &Hall, room: &str, name: &str) -> Self {
        let mut visitor = Self::new(hall);
        visitor.send(room, name, "");
        assert!(matches!(visitor.hear().await, Event::Welcome(_)));
        visitor
    }

    fn send(&self, room: &str, name: &str, text: &str) {
        let request = JoinRequest { room: room.into(), name: name.into(), text: text.into() };
        self.requests.send(Ok(request)).unwrap();
    }

    fn say(&self, text: &str) {
        self.send("", "", text);
    }

    async fn hear(&mut self) -> Event {
        self.answers.next().await.unwrap().unwrap().event.unwrap()
    }

    async fn status(mut self) -> Status {
        loop {
            if let Err(status) = self.answers.next().await.expect("it ended well") {
                return status;
            }
        }
    }
}

/// What was said, as `name: text`.
fn said(event: &Event) -> String {
    match event {
        Event::Said(Message { name, text, time: Some(_) }) => format!("{name}: {text}"),
        Event::Joined(member) => format!("{} joined", member.name),
        Event::Left(member) => format!("{} left", member.name),
        Event::Missed(missed) => format!("missed {}", missed.events),
        other => panic!("{other:?}"),
    }
}

/// The state that a watcher sees next, which must be there.
fn state(states: &mut (impl Stream<Item = Result<RoomState, Status>> + Unpin)) -> (String, i32, i64, bool) {
    let state = states.next().now_or_never().expect("nothing changed").unwrap().unwrap();
    assert!(state.time.is_some());
    (state.room, state.members, state.messages, state.closed)
}

#[tokio::test]
async fn members_hear_each_other_and_themselves() {
    let hall = Hall::default();
    let mut ada = Visitor::enter(&hall, "lobby", "Ada").await;
    ada.say("Is anybody here?");
    assert_eq!(said(&ada.hear().await), "Ada: Is anybody here?");

    let mut bob = Visitor::new(&hall);
    bob.send("lobby", "Bob", "I am.");
    let Event::Welcome(welcome) = bob.hear().await else { panic!("no welcome") };
    let names: Vec<_> = welcome.members.iter().map(|member| member.name.as_str()).collect();
    let history: Vec<_> = welcome.history.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((welcome.room.as_str(), names), ("lobby", vec!["Ada", "Bob"]));
    assert_eq!(history, ["Is anybody here?"], "what is said with the arrival comes after the welcome");
    assert_eq!(said(&bob.hear().await), "Bob: I am.");
    for expected in ["Bob joined", "Bob: I am."] {
        assert_eq!(said(&ada.hear().await), expected);
    }

    // Another room is another room.
    let mut eve = Visitor::enter(&hall, "attic", "Ada").await;
    // The end of the messages: the last words are still heard.
    bob.say("Bye.");
    drop(bob.requests);
    assert_eq!(said(&bob.answers.next().await.unwrap().unwrap().event.unwrap()), "Bob: Bye.");
    assert!(bob.answers.next().await.is_none());
    drop(bob.answers);
    for expected in ["Bob: Bye.", "Bob left"] {
        assert_eq!(said(&ada.hear().await), expected);
    }
    assert!(eve.answers.next().now_or_never().is_none());

    // A call that is dropped has left as well, and its name is free.
    drop(ada);
    drop(Visitor::enter(&hall, "lobby", "Ada").await);
    let list = ListMessagesRequest { room: "lobby".into() };
    let kept = hall.list_messages(Request::new(list)).await.unwrap().into_inner().messages;
    let kept: Vec<_> = kept.iter().map(|message| (&*message.name, &*message.text)).collect();
    assert_eq!(kept, [("Ada", "Is anybody here?"), ("Bob", "I am."), ("Bob", "Bye.")]);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let hall = Hall::default();
    let long = "ü".repeat(MAX_NAME + 1);
    let text = "x".repeat(MAX_TEXT + 1);
    let table: [(&str, &str, &str, &[&str]); 7] = [
        ("", "", "", &["room", "name"]),
        ("Lobby", "Ada", "", &["room"]),
        (&"r".repeat(41), "Ada", "", &["room"]),
        ("lobby", " Ada", "", &["name"]),
        ("lobby", "A\u{7}da", "", &["name"]),
        ("lobby", &long, "", &["name"]),
        ("lobby", &long[2..], &text, &["text"]),
    ];
    for (room, name, text, fields) in table {
        let visitor = Visitor::new(&hall);
        visitor.send(room, name, text);
        let status = visitor.status().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let detail = &RichStatus::decode(status.details()).unwrap().details[0];
        let violations = BadRequest::decode(detail.value.as_slice()).unwrap().field_violations;
        let found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(found, fields);
    }
    // Without any message.
    let Visitor { requests, answers } = Visitor::new(&hall);
    drop(requests);
    let status = answers.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);

    // A member says nothing, or too much: the call ends, and so the member leaves.
    for text in [String::new(), text] {
        let visitor = Visitor::enter(&hall, "lobby", "Ada").await;
        visitor.say(&text);
        let status = visitor.status().await;
        assert_eq!(status.message(), "The field text must be 1 to 1,000 bytes long.");
    }

    let _ada = Visitor::enter(&hall, "lobby", "Ada").await;
    let second = Visitor::new(&hall);
    second.send("lobby", "Ada", "");
    let status = second.status().await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::AlreadyExists, "There is a Member rooms/lobby/members/Ada already.")
    );
    let list = ListMessagesRequest { room: "attic".into() };
    let status = hall.list_messages(Request::new(list)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "There is no Room rooms/attic."));
    let watch = WatchRoomsRequest { max_states: -1 };
    let status = hall.watch_rooms(Request::new(watch)).await.err().unwrap();
    assert_eq!(status.message(), "The field max_states must not be negative.");
}

#[tokio::test]
async fn a_slow_member_is_told_what_it_missed() {
    let hall = Hall::default();
    let mut slow = Visitor::enter(&hall, "lobby", "Slow").await;
    let mut fast = Visitor::enter(&hall, "lobby", "Fast").await;
    for number in 0..200 {
        fast.say(&number.to_string());
        assert_eq!(said(&fast.hear().await), format!("Fast: {number}"));
    }
    // 201 with the arrival of the other, and the last that fit.
    assert_eq!(said(&slow.hear().await), format!("missed {}", 201 - MAX_BEHIND));
    for number in 200 - MAX_BEHIND..200 {
        assert_eq!(said(&slow.hear().await), format!("Fast: {number}"));
    }
    let kept = hall.rooms().history("lobby").unwrap();
    assert_eq!((kept.len(), &*kept[0].text), (MAX_HISTORY, "150"));
}

#[tokio::test]
async fn the_feed_tells_what_rooms_are() {
    let hall = Hall::default();
    let ada = Visitor::enter(&hall, "attic", "Ada").await;
    let mut feed = hall.watch_rooms(Request::new(WatchRoomsRequest::default())).await.unwrap().into_inner();
    assert_eq!(state(&mut feed), ("attic".into(), 1, 0, false));
    let mut bob = Visitor::enter(&hall, "lobby", "Bob").await;
    assert_eq!(state(&mut feed), ("lobby".into(), 1, 0, false));
    bob.say("Hello");
    bob.hear().await;
    assert_eq!(state(&mut feed), ("lobby".into(), 1, 1, false));
    drop(ada);
    assert_eq!(state(&mut feed), ("attic".into(), 0, 0, false));
    assert!(feed.next().now_or_never().is_none());

    // Who does not follow gets what is, and not all that was.
    for _ in 0..=MAX_BEHIND {
        bob.say("Hello");
        bob.hear().await;
    }
    assert_eq!(state(&mut feed), ("attic".into(), 0, 0, false));
    assert_eq!(state(&mut feed), ("lobby".into(), 1, MAX_BEHIND as i64 + 2, false));
    assert!(feed.next().now_or_never().is_none());

    let limited = hall.watch_rooms(Request::new(WatchRoomsRequest { max_states: 1 })).await.unwrap();
    assert_eq!(limited.into_inner().count().await, 1);
}

#[tokio::test]
async fn rooms_and_places_are_bounded() {
    let hall = Hall::default();
    let mut members = Vec::new();
    for number in 0..MAX_MEMBERS {
        members.push(Visitor::enter(&hall, "lobby", &format!("Member {number}")).await);
    }
    let late = Visitor::new(&hall);
    late.send("lobby", "Late", "");
    assert_eq!(
        late.status().await.message(),
        "The room lobby has 50 members, which is all it takes. Enter another one."
    );

    // Empty rooms are kept while there is room for others; then the oldest goes.
    drop(Visitor::enter(&hall, "one", "Ada").await);
    drop(Visitor::enter(&hall, "two", "Ada").await);
    drop(Visitor::enter(&hall, "one", "Ada").await);
    for number in 3..MAX_ROOMS {
        members.push(Visitor::enter(&hall, &format!("room-{number}"), "Ada").await);
    }
    let mut feed = hall.watch_rooms(Request::new(WatchRoomsRequest::default())).await.unwrap().into_inner();
    for _ in 0..MAX_ROOMS {
        feed.next().now_or_never().unwrap().unwrap().unwrap();
    }
    members.push(Visitor::enter(&hall, "three", "Ada").await);
    assert_eq!(state(&mut feed), ("two".into(), 0, 0, true));
    assert_eq!(state(&mut feed), ("three".into(), 1, 0, false));
    members.push(Visitor::enter(&hall, "four", "Ada").await);
    let late = Visitor::new(&hall);
    late.send("five", "Ada", "");
    assert_eq!(
        late.status().await.message(),
        "There are 100 rooms with members, which is all there can be. Enter one of them."
    );
}

/// A welcome is the largest message: what it holds is bounded, and so is it.
#[tokio::test]
async fn a_welcome_fits_into_a_frame() {
    let hall = Hall::default();
    let mut members = Vec::new();
    for number in 10..10 + MAX_MEMBERS {
        // The name is as long as can be, in characters of four bytes.
        let name = format!("{number}{}", "\u{1f600}".repeat(MAX_NAME - 2));
        let mut member = Visitor::enter(&hall, "lobby", &name).await;
        member.say(&"x".repeat(MAX_TEXT));
        member.hear().await;
        members.push(member);
    }
    drop(members.pop());
    let mut last = Visitor::new(&hall);
    last.send("lobby", "Last", "");
    let welcome = last.answers.next().await.unwrap().unwrap();
    assert!(welcome.encoded_len() < 100_000, "{}", welcome.encoded_len());
}

/// The policy of the page allows its own style and script and nothing else.
#[tokio::test]
async fn the_page_is_whole_and_keeps_others_out() {
    let response = Hall::default().get_page(Request::new(GetPageRequest {})).await.unwrap();
    assert_eq!(response.metadata().get("x-frame-options").unwrap(), "DENY");
    let body = response.into_inner();
    assert_eq!(body.content_type, "text/html; charset=utf-8");
    let page = String::from_utf8(body.data).unwrap();
    for external in ["http://", "https://", "src=", "href=", "innerHTML", "@import", "url("] {
        assert!(!page.contains(external), "the page has {external}");
    }
}
