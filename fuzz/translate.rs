//! Requests and answers of a translated method, through its tables in both directions.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use transom::call::service::{BoxFuture, CallService};
use transom::call::{Body, Call, Dialect, Encodings, Method, Origin, Reply};
use transom::compose::translate::names::{Names, Renaming};
use transom::compose::translate::number::{Convert, Integer, Values};
use transom::compose::translate::service::{Settings, Side, Translated};
use transom::compose::translate::table::{Action, Field, Layout, Node, Slot, Table, Tables, To, Width};
use transom::status::Status;

static TRANSLATED: LazyLock<Translated> = LazyLock::new(translated);

const LENGTH: usize = 1 << 20;

/// A backend that answers with the request.
struct Echo;

impl CallService for Echo {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        Box::pin(async move {
            match call.body.message().await {
                Ok(message) => Reply { message, ..Reply::from(Status::ok()) },
                Err(status) => Reply::from(status),
            }
        })
    }
}

fn method() -> Method {
    Method {
        path: "/fuzz.v1.Things/Put".parse().expect("it is a path"),
        client_streaming: false,
        server_streaming: false,
        idempotent: false,
        safe: false,
        meter: Default::default(),
    }
}

fn to(number: u32) -> To {
    To { number, ..To::default() }
}

fn field(number: u32, layout: Layout, is_list: bool, action: Action) -> Field {
    let (mark, others) = (0, 0);
    Field {
        number,
        name: "field".into(),
        layout,
        is_list,
        mark,
        others,
        oneof: 0,
        actions: Box::new([action]),
    }
}

fn single(mark: u64, others: u64, oneof: u16, field: Field) -> Field {
    Field { mark, others, oneof, ..field }
}

const VARINT: Layout = Layout::Number(Width::Varint);

/// There and back again: numbers of fields are changed and restored, number 2 lies in a message meanwhile.
fn translated() -> Translated {
    let values = |pairs: [(i32, i32); 3]| {
        Convert::Enum(Arc::new(Values { pairs: pairs.into(), others: Box::new([0, 1, 2, 9]) }))
    };
    let there = Node {
        fields: Box::new([
            field(1, Layout::Bytes, false, Action::Value(to(11), Convert::No)),
            field(2, Layout::Bytes, false, Action::Value(To { slot: 1, ..to(5) }, Convert::No)),
            field(3, Layout::Message, true, Action::Message(to(13), 0)),
            single(
                1,
                1,
                0,
                field(4, Layout::Message, false, Action::Message(To { is_group: true, ..to(14) }, 0)),
            ),
            field(
                5,
                VARINT,
                false,
                Action::Value(to(15), Convert::Integer(Integer::Int64, Integer::Sfixed32)),
            ),
            single(2, 4, 1, field(6, Layout::Bytes, false, Action::Value(to(16), Convert::Text))),
            single(4, 6, 1, field(7, Layout::Message, false, Action::Message(to(17), 0))),
            field(8, VARINT, true, Action::Value(to(18), Convert::Integer(Integer::Int32, Integer::Sint64))),
            field(9, VARINT, true, Action::Value(to(19), values([(0, 1), (1, 2), (2, 0)]))),
        ]),
        is_large: false,
    };
    let back = Node {
        fields: Box::new([
            field(11, Layout::Bytes, false, Action::Value(to(1), Convert::No)),
            single(1, 1, 0, field(12, Layout::Message, false, Action::Inside(1))),
            field(13, Layout::Message, true, Action::Message(to(3), 0)),
            single(2, 2, 0, field(14, Layout::Message, false, Action::Message(to(4), 0))),
            field(
                15,
                Layout::Number(Width::Four),
                false,
                Action::Value(to(5), Convert::Integer(Integer::Sfixed32, Integer::Int64)),
            ),
            single(4, 8, 1, field(16, Layout::Bytes, false, Action::Value(to(6), Convert::No))),
            single(8, 12, 1, field(17, Layout::Message, false, Action::Message(to(7), 0))),
            field(18, VARINT, true, Action::Value(to(8), Convert::Integer(Integer::Sint64, Integer::Int32))),
            field(19, VARINT, true, Action::Value(to(9), values([(0, 2), (1, 0), (2, 1)]))),
        ]),
        is_large: false,
    };
    let inside = Node {
        fields: Box::new([field(5, Layout::Bytes, false, Action::Value(to(2), Convert::No))]),
        is_large: false,
    };
    let slot = Slot { parent: 0, number: 12, is_group: false };
    let request = Table { nodes: Box::new([there]), slots: Box::new([slot]), ..Table::default() };
    let answer = Table { nodes: Box::new([back, inside]), ..Table::default() };
    let side = |table| Side { tables: Arc::new(Tables(Box::new([table]))), table: 0 };
    Translated::new(Settings {
        method: Arc::new(method()),
        name: "fuzz.v2.Things/Put".into(),
        service: Arc::new(Echo),
        route: None,
        request: side(request),
        answer: side(answer),
        violations: Renaming { names: Arc::new(Names::default()), scope: 0, is_strict: false },
        length: LENGTH,
        depth: 50,
    })
}

fn put(wire: Bytes) -> Reply {
    let call = Call {
        method: Arc::new(method()),
        origin: Origin::new(Dialect::Grpc, "/".into()),
        metadata: HeaderMap::new(),
        deadline: None,
        encodings: Encodings::default(),
        trace: None,
        body: Body::Message(wire.into()),
    };
    match pin!(TRANSLATED.call(call)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => reply,
        Poll::Pending => panic!("it waits for nobody"),
    }
}

/// Wire bytes are refused, or become what stays as it is from then on.
pub fn translate(input: &[u8]) {
    let reply = put(Bytes::copy_from_slice(input));
    if !reply.status.is_ok() {
        assert!(reply.status.message().len() < 2_000, "{}", reply.status);
        return;
    }
    let once = reply.message.bytes;
    assert!(once.len() <= LENGTH);
    let again = put(once.clone());
    assert!(again.status.is_ok(), "{}", again.status);
    assert_eq!(once, again.message.bytes);
}
