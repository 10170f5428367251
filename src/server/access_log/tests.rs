//! Lines, and what becomes of them.

use std::sync::{Arc, Condvar, Mutex, mpsc};

use serde_json::{Value, json};

use super::*;
use crate::telemetry::trace::context::Context;

fn record<'a>() -> Record<'a> {
    let trace = Context::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_250),
        request_id: Some(b"7f"),
        peer: Some(([127, 0, 0, 1], 4000).into()),
        method: "GET",
        path: Some("/v1/shelves/crime"),
        route: Some("/v1/{name=shelves/*}"),
        status: 200,
        code: "OK",
        dialect: Some("rest"),
        duration: Duration::from_micros(1_250),
        received: 0,
        sent: 321,
        rpc: Some("shop.v1.Shop/Get"),
        upstream: Some("shop"),
        trace: trace.map(|context| context.trace_id()),
        socket: None,
        agent: Some(b"curl/8.0"),
        principal: Some("acme-1"),
        parts: Some(&PARTS),
    }
}

fn line(record: &Record<'_>, form: Form) -> String {
    let mut line = Vec::new();
    line::write(&mut line, record, form);
    String::from_utf8(line).unwrap()
}

const EMPTY: Record<'static> = Record {
    time: SystemTime::UNIX_EPOCH,
    request_id: None,
    peer: None,
    method: "GET",
    path: None,
    route: None,
    status: 499,
    code: "CANCELLED",
    dialect: None,
    duration: Duration::ZERO,
    received: 1,
    sent: 0,
    rpc: None,
    upstream: None,
    trace: None,
    socket: None,
    agent: None,
    principal: None,
    parts: None,
};

const PARTS: [PartRecord<'static>; 2] = [
    PartRecord { name: "user", outcome: Some(("OK", Duration::from_micros(500))) },
    PartRecord { name: "offers", outcome: None },
];

#[test]
fn lines_say_what_happened() {
    assert_eq!(
        line(&record(), Form::Text),
        "time=2026-01-01T00:00:00.250Z request_id=7f peer=127.0.0.1:4000 method=GET path=/v1/shelves/crime \
         route=\"/v1/{name=shelves/*}\" status=200 code=OK dialect=rest duration_ms=1.250 bytes_in=0 bytes_out=321 \
         rpc=shop.v1.Shop/Get upstream=shop trace_id=4bf92f3577b34da6a3ce929d0e0e4736 user_agent=curl/8.0 \
         principal=acme-1 parts=user:OK:0.500,offers:-\n"
    );
    let text = line(&record(), Form::Json);
    let expected = json!({
        "time": "2026-01-01T00:00:00.250Z", "request_id": "7f", "peer": "127.0.0.1:4000", "method": "GET",
        "path": "/v1/shelves/crime", "route": "/v1/{name=shelves/*}", "status": 200, "code": "OK", "dialect": "rest",
        "duration_ms": 1.25, "bytes_in": 0, "bytes_out": 321, "rpc": "shop.v1.Shop/Get", "upstream": "shop",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "websocket": null, "user_agent": "curl/8.0",
        "principal": "acme-1",
        "parts": [
            {"name": "user", "code": "OK", "duration_ms": 0.5}, {"name": "offers", "code": null, "duration_ms": null},
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert_eq!(
        line(&EMPTY, Form::Text),
        "time=1970-01-01T00:00:00.000Z method=GET status=499 code=CANCELLED duration_ms=0.000 bytes_in=1 bytes_out=0\n"
    );
    let empty: Value = serde_json::from_str(&line(&EMPTY, Form::Json)).unwrap();
    assert_eq!(
        empty.as_object().unwrap().len(),
        expected.as_object().unwrap().len(),
        "the keys are always the same"
    );
    assert_eq!((&empty["path"], &empty["trace_id"]), (&Value::Null, &Value::Null));
    // What only a proxy has told has no port.
    for (peer, shown) in [
        ("192.0.2.1:0", "192.0.2.1"),
        ("[2001:db8::1]:0", "2001:db8::1"),
        ("[2001:db8::1]:99", "[2001:db8::1]:99"),
    ] {
        let record = Record { peer: Some(peer.parse().unwrap()), ..EMPTY };
        let value: Value = serde_json::from_str(&line(&record, Form::Json)).unwrap();
        assert_eq!(value["peer"], shown);
    }
}

/// Whatever callers write, a line stays a line, its fields stay what they are, and a terminal shows it as it is.
#[test]
fn callers_cannot_forge_lines_or_fields() {
    for hostile in [
        "a\nstatus=200",
        "a\r\n2026-01-01 forged",
        "a b",
        "a\" status=200 x=\"",
        "a\\",
        "a=b",
        "",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{9b}2J",
        "\u{2028}x\u{2029}y",
        "\u{202e}txt.exe",
        "\u{7f}\0\t",
        "naïve ☃",
        &"x".repeat(5000),
        &"☃".repeat(2000),
    ] {
        let record = Record {
            method: hostile,
            path: Some(hostile),
            request_id: Some(hostile.as_bytes()),
            agent: Some(hostile.as_bytes()),
            principal: Some(hostile),
            ..EMPTY
        };
        for form in [Form::Text, Form::Json] {
            let text = line(&record, form);
            assert!(text.ends_with('\n') && text.lines().count() == 1, "{text:?}");
            assert!(
                !text
                    .trim_end_matches('\n')
                    .chars()
                    .any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c))
            );
            assert!(text.len() < 4 * 1100 + 600, "{}", text.len());
        }
        let value: Value = serde_json::from_str(&line(&record, Form::Json)).unwrap();
        let path = value["path"].as_str().unwrap();
        assert!(path == hostile || hostile.starts_with(path.strip_suffix('…').unwrap()), "{path}");
        assert_eq!(value["status"], 499);
        // In text, the fields are found again by whoever knows quotes.
        let text = line(&record, Form::Text);
        assert_eq!(
            fields(&text),
            [
                "time",
                "request_id",
                "method",
                "path",
                "status",
                "code",
                "duration_ms",
                "bytes_in",
                "bytes_out",
                "user_agent",
                "principal"
            ]
        );
    }
    let record = Record { agent: Some(b"\xff\xfe"), ..EMPTY };
    assert!(line(&record, Form::Json).contains("\"user_agent\":\"\u{fffd}\u{fffd}\""));
}

/// The names of the fields of a line in text, in which quoted values are read as JSON.
fn fields(line: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), line.trim_end_matches('\n'));
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').unwrap();
        names.push(name.trim_start().to_owned());
        rest = if value.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
            values.next().unwrap().unwrap();
            &value[values.byte_offset()..]
        } else {
            value.find(' ').map_or("", |end| &value[end..])
        };
    }
    names
}

/// Held by tests that look at the counts of all logs.
static COUNTS: Mutex<()> = Mutex::new(());

/// Takes writes only while it is open.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

struct Gated(Gate, mpsc::Sender<Vec<u8>>);

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (open, changed) = &*self.0.0;
        drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_reader_and_the_end_brings_what_is_left() {
    let _alone = COUNTS.lock();
    let (gate, (sender, receiver)) = (Gate::default(), mpsc::channel());
    let log = AccessLog::start(Form::Json, Gated(gate.clone(), sender)).unwrap();
    let length = line(&record(), Form::Json).len();
    let dropped = LINES.value(DROPPED);
    // Twice what is waiting at the gate and in the buffer.
    let lines = 4 * MAX_WAITING / length;
    (0..lines).for_each(|_| log.write(&record()));
    let dropped = LINES.value(DROPPED) - dropped;
    assert!(dropped > 0, "what does not fit is dropped");
    *gate.0.0.lock().unwrap() = true;
    gate.0.1.notify_all();
    log.finish();
    drop(log);
    let written: Vec<u8> = receiver.iter().flatten().collect();
    assert_eq!(written.len() / length + dropped as usize, lines, "every line is written or counted");
    assert!(written.len() <= 2 * (MAX_WAITING + length));
    assert!(written.ends_with(b"}\n"));
}

#[test]
fn a_log_that_cannot_be_written_is_counted() {
    let _alone = COUNTS.lock();
    let (sender, receiver) = mpsc::channel();
    drop(receiver);
    let (gate, dropped) = (Gate::default(), LINES.value(DROPPED));
    *gate.0.0.lock().unwrap() = true;
    let log = AccessLog::start(Form::Text, Gated(gate, sender)).unwrap();
    log.write(&record());
    log.finish();
    assert!(LINES.value(DROPPED) > dropped);
}
