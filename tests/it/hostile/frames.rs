//! HTTP/2 frames that no good client sends: floods, bombs and frames that are wrong (RFC 9113).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::{assert_alive, short};
use crate::support::backend;
use crate::support::frames::*;
use crate::support::gateway::Gateway;

const MB: u64 = 1_000_000;

// Reasons of RFC 9113 section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A request whose body goes on.
fn open_post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("POST", "/v1/shelves"))
}

/// How long a flood goes on until it counts as endless.
const ENDLESS: Duration = Duration::from_secs(20);

/// Sends bytes over and over while others are served, until the gateway closes the connection, and says how long
/// that took. What it says meanwhile is read and forgotten, or not even read; if it is read, GOAWAY is enough.
fn flood(gateway: &Gateway, connection: &Connection, piece: &[u8], reads: bool) -> Duration {
    let is_over = AtomicBool::new(false);
    let (mut writer, mut reader) = (connection.again(), connection.again());
    thread::scope(|scope| {
        if reads {
            scope.spawn(|| {
                reader.next_of(&[GOAWAY]);
                is_over.store(true, Relaxed);
            });
        }
        let writing = scope.spawn(|| {
            let start = Instant::now();
            while writer.send(piece) {
                if is_over.load(Relaxed) || start.elapsed() > ENDLESS {
                    break;
                }
            }
            writer.close();
            start.elapsed()
        });
        let mut slowest = Duration::ZERO;
        loop {
            let start = Instant::now();
            assert_alive(gateway);
            slowest = slowest.max(start.elapsed());
            if writing.is_finished() {
                break;
            }
        }
        assert!(slowest < Duration::from_secs(5), "others waited for {slowest:?}");
        writing.join().unwrap()
    })
}

#[test]
fn floods_of_frames_are_ended_and_hold_up_nobody() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    let table = [
        ("ping", frame(PING, 0, 0, &[7; 8])),
        ("answers to no ping", frame(PING, ACK, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, b"")),
        ("settings that change all", frame(SETTINGS, 0, 0, &[setting(1, 0), setting(4, 1)].concat())),
        ("priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7])),
        ("priority of streams that are not", frame(PRIORITY, 0, 0x0fff_ffff, &[0, 0, 0, 0, 7])),
        ("windows of a call", frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("empty data", frame(DATA, 0, 1, b"")),
        ("nothing but padding", frame(DATA, 8, 1, &[255; 256])),
        ("frames of no known kind", frame(99, 0, 1, b"what?")),
    ];
    for (what, one) in table {
        let mut connection = Connection::open(gateway.address(), b"");
        assert!(connection.send(&open_post(1)));
        let time = flood(&gateway, &connection, &one.repeat(200), true);
        assert!(time < ENDLESS, "{what}: the gateway takes any number of them");
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20 * MB, "{grown} bytes more");
}

/// What it has to say is bounded, and whoever takes nothing of it is cut.
#[test]
fn floods_whose_answers_nobody_reads_are_cut() {
    let mut gateway = short("write_timeout: 500ms");
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    for one in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, b""), get(1, "/v1/nowhere")] {
        let connection = Connection::open(gateway.address(), b"");
        let time = flood(&gateway, &connection, &one.repeat(1000), false);
        assert!(time < ENDLESS, "it has no end: {one:?}");
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20 * MB, "{grown} bytes more");
}

/// CVE-2024-27316 and its like: a head that never ends.
#[test]
fn heads_without_end_are_cut() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    for block in [field("x", &"v".repeat(1000)), field("x", "v"), Vec::new(), vec![0x82; 10_000]] {
        for flags in [0, END_STREAM] {
            let mut connection = Connection::open(gateway.address(), b"");
            assert!(connection.send(&frame(HEADERS, flags, 1, &head("GET", "/v1/shelves"))));
            let time = flood(&gateway, &connection, &frame(CONTINUATION, 0, 1, &block).repeat(10), true);
            assert!(time < ENDLESS, "it has no end, in pieces of {} bytes", block.len());
        }
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20 * MB, "{grown} bytes more");
}

/// Few bytes that are large once they are decoded.
#[test]
fn header_bombs_are_refused() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    // Literal with indexing (RFC 7541 section 6.2.1): a field that fills the table, then found at 62.
    let mut fills = field("x", &"v".repeat(4000));
    fills[0] = 0x40;
    for (references, is_answered) in [(15, true), (40, true), (100, false), (60_000, false)] {
        for _ in 0..10 {
            let mut connection = Connection::open(gateway.address(), b"");
            let block = [head("GET", "/v1/shelves"), fills.clone(), vec![0x80 | 62; references]].concat();
            for (index, piece) in block.chunks(16_000).enumerate() {
                let kind = if index == 0 { HEADERS } else { CONTINUATION };
                let is_last = (index + 1) * 16_000 >= block.len();
                let flags = if index == 0 { END_STREAM } else { 0 } | if is_last { END_HEADERS } else { 0 };
                connection.send(&frame(kind, flags, 1, piece));
            }
            let first = connection.next_of(&[HEADERS, RST_STREAM, GOAWAY]);
            if is_answered {
                assert_eq!(first.unwrap().status(), 431, "{references} references");
                // The table of the connection is in order.
                assert!(connection.send(&get(3, "/v1/shelves/crime")));
                assert_eq!(connection.next_of(&[HEADERS, GOAWAY]).unwrap().status(), 200);
            } else {
                let first = first.unwrap();
                assert_eq!(
                    (first.kind, first.reason()),
                    (GOAWAY, ENHANCE_YOUR_CALM),
                    "{references} references"
                );
            }
        }
        assert_alive(&gateway);
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20 * MB, "{grown} bytes more");
}

/// CVE-2023-44487, where the client takes its calls back, and CVE-2025-8671, where it makes the server reset them.
#[test]
fn calls_that_are_reset_all_the_time_cost_the_connection() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    let no_window = frame(WINDOW_UPDATE, 0, 0, &0_u32.to_be_bytes());
    let much_window = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
    let self_dependent = frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 7]);
    let table = [
        ("taken back", frame(RST_STREAM, 0, 0, &8_u32.to_be_bytes())),
        ("an empty window", no_window),
        ("a window too large", much_window),
        ("it waits for itself", self_dependent),
        ("longer than it says", frame(DATA, END_STREAM, 0, b"{}")),
    ];
    for (what, second) in table {
        for in_batch in [1, 100] {
            let mut connection = Connection::open(gateway.address(), b"");
            let mut reader = connection.again();
            let reading = thread::spawn(move || reader.next_of(&[GOAWAY]));
            let mut batch = Vec::new();
            for call in 0..100_000_u32 {
                let stream = 2 * call + 1;
                let mut second = second.clone();
                second[5..9].copy_from_slice(&stream.to_be_bytes());
                if second[3] == PRIORITY {
                    second[9..13].copy_from_slice(&stream.to_be_bytes());
                }
                let block = [head("POST", "/v1/shelves"), field("content-length", "1")].concat();
                batch.extend(frame(HEADERS, END_HEADERS, stream, &block));
                batch.extend(second);
                if call % in_batch == 0
                    && (reading.is_finished() || !connection.send(&std::mem::take(&mut batch)))
                {
                    break;
                }
            }
            let goodbye = reading.join().unwrap().unwrap_or_else(|| panic!("{what}: no goodbye"));
            let last = u32::from_be_bytes(goodbye.payload[..4].try_into().unwrap());
            assert!(last < 2 * 10_000, "{what}, {in_batch} at once: {last} is the last call");
            assert_alive(&gateway);
        }
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20 * MB, "{grown} bytes more");
}

/// What a client may do a few times is no flood.
#[test]
fn a_client_may_ping_and_change_its_mind() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let mut connection = Connection::open(gateway.address(), b"");
    for round in 0..500_u32 {
        let stream = 4 * round + 1;
        let ping = frame(PING, 0, 0, &[7; 8]);
        assert!(connection.send(&[get(stream, "/v1/shelves/crime"), ping].concat()));
        while connection.next_of(&[DATA, PING]).is_some_and(|frame| frame.kind != DATA) {}
        let cancel = frame(RST_STREAM, 0, stream + 2, &8_u32.to_be_bytes());
        assert!(connection.send(&[get(stream + 2, "/v1/shelves/crime"), cancel].concat()));
    }
}

/// One frame behind a good beginning, and the reasons that RFC 9113 gives for it.
#[test]
fn wrong_frames_end_the_connection_with_the_reason() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let open = open_post(1);
    let done = get(1, "/v1/shelves");
    let part = frame(HEADERS, 0, 1, &head("GET", "/v1/shelves"));
    let table = [
        ("data of no stream", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("data before its head", frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
        ("data behind the end", [&*done, &frame(DATA, 0, 1, b"x")].concat(), STREAM_CLOSED),
        ("more padding than data", [&*open, &frame(DATA, 8, 1, &[9, 0])].concat(), PROTOCOL_ERROR),
        (
            "more data than its window",
            [&*open, &frame(DATA, 0, 1, &[b' '; 16_384]).repeat(5)].concat(),
            FLOW_CONTROL_ERROR,
        ),
        ("a head of no stream", get(0, "/"), PROTOCOL_ERROR),
        ("a head of the server's stream", get(2, "/"), PROTOCOL_ERROR),
        ("a head of an earlier stream", [get(5, "/v1/shelves"), get(3, "/")].concat(), PROTOCOL_ERROR),
        ("no HPACK", frame(HEADERS, 5, 1, &[0xff; 20]), COMPRESSION_ERROR),
        ("no field at 1000", frame(HEADERS, 5, 1, &[0xff, 0xe9, 0x06]), COMPRESSION_ERROR),
        ("a large table", frame(HEADERS, 5, 1, &[0x3f, 0xff, 0xff, 0x03]), COMPRESSION_ERROR),
        ("a continuation of nothing", frame(CONTINUATION, 4, 1, b""), PROTOCOL_ERROR),
        ("a ping within a head", [&*part, &frame(PING, 0, 0, &[0; 8])].concat(), PROTOCOL_ERROR),
        ("a head within a head", [&*part, &get(3, "/")].concat(), PROTOCOL_ERROR),
        ("a continuation of another", [&*part, &frame(CONTINUATION, 4, 3, b"")].concat(), PROTOCOL_ERROR),
        ("a short priority", frame(PRIORITY, 0, 1, &[0; 4]), FRAME_SIZE_ERROR),
        ("priority of no stream", frame(PRIORITY, 0, 0, &[0; 5]), PROTOCOL_ERROR),
        ("a reset before its head", frame(RST_STREAM, 0, 1, &[0; 4]), PROTOCOL_ERROR),
        ("a reset of no stream", frame(RST_STREAM, 0, 0, &[0; 4]), PROTOCOL_ERROR),
        ("a short reset", [&*open, &frame(RST_STREAM, 0, 1, &[0; 3])].concat(), FRAME_SIZE_ERROR),
        ("settings of a stream", frame(SETTINGS, 0, 1, b""), PROTOCOL_ERROR),
        ("half a setting", frame(SETTINGS, 0, 0, &[0; 5]), FRAME_SIZE_ERROR),
        ("agreed settings", frame(SETTINGS, ACK, 0, &[0; 6]), FRAME_SIZE_ERROR),
        ("push neither on nor off", frame(SETTINGS, 0, 0, &setting(2, 2)), PROTOCOL_ERROR),
        ("windows too large", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), FLOW_CONTROL_ERROR),
        ("frames too small", frame(SETTINGS, 0, 0, &setting(5, 1)), PROTOCOL_ERROR),
        (
            "a promise",
            frame(PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2][..], &head("GET", "/")].concat()),
            PROTOCOL_ERROR,
        ),
        ("a short ping", frame(PING, 0, 0, &[0; 7]), FRAME_SIZE_ERROR),
        ("a ping of a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("a goodbye of a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("a short goodbye", frame(GOAWAY, 0, 0, &[0; 7]), FRAME_SIZE_ERROR),
        ("a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), PROTOCOL_ERROR),
        ("a window too large", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), FLOW_CONTROL_ERROR),
        ("a window before its head", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), PROTOCOL_ERROR),
        ("a short window", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), FRAME_SIZE_ERROR),
        ("more than 16 KiB", [&*open, &frame(DATA, 0, 1, &[b' '; 16_385])].concat(), FRAME_SIZE_ERROR),
        ("16 MiB are coming", vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1], FRAME_SIZE_ERROR),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, reason) in table {
        for _ in 0..10 {
            let mut connection = Connection::open(gateway.address(), b"");
            assert!(connection.send(&bytes));
            // What the beginning asked for may be answered before.
            let end = connection.next_of(&[RST_STREAM, GOAWAY]);
            // Section 7: the general reason stands for any other.
            let is_right = |frame: &Frame| [reason, PROTOCOL_ERROR].contains(&frame.reason());
            if !end.as_ref().is_some_and(is_right) {
                wrong.push((what, end.map(|frame| (frame.kind, frame.reason()))));
                break;
            }
        }
        assert_alive(&gateway);
    }
    assert_eq!(wrong, []);
}

/// Requests that RFC 9113 section 8 calls malformed: each is refused, and what is behind it is served.
#[test]
fn malformed_requests_are_refused() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let good = head("GET", "/v1/shelves/crime");
    let with = |name: &str, value: &str| [good.clone(), field(name, value)].concat();
    let [method, scheme, path] =
        [field(":method", "GET"), field(":scheme", "http"), field(":path", "/v1/shelves/crime")];
    let table = [
        ("no method", [&*scheme, &path].concat()),
        ("no path", [&*method, &scheme].concat()),
        ("no scheme", [&*method, &path].concat()),
        ("an empty path", [&*method, &scheme, &field(":path", "")].concat()),
        ("a path that is none", [&*method, &scheme, &field(":path", "v1")].concat()),
        ("two methods", with(":method", "GET")),
        ("two paths", [&*path, &good].concat()),
        ("a pseudo-field behind others", [method, scheme, field("x", "y"), path].concat()),
        ("a pseudo-field of answers", [field(":status", "200"), good.clone()].concat()),
        ("an unknown pseudo-field", [field(":what", "x"), good.clone()].concat()),
        ("capitals", with("X-Y", "z")),
        ("an empty name", with("", "z")),
        ("a space in a name", with("x y", "z")),
        ("a null byte", with("x", "a\0b")),
        ("a new line", with("x", "a\r\nb: c")),
        ("connection", with("connection", "keep-alive")),
        ("keep-alive", with("keep-alive", "5")),
        ("upgrade", with("upgrade", "h2c")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("te", with("te", "gzip")),
        ("a body that does not come", with("content-length", "5")),
        ("two lengths", [good.clone(), field("content-length", "0"), field("content-length", "1")].concat()),
        ("a length that is none", with("content-length", "-1")),
        ("another host", with("host", "y")),
        ("two hosts", [good.clone(), field("host", "x"), field("host", "x")].concat()),
    ];
    let mut wrong = Vec::new();
    for (what, block) in table {
        let mut connection = Connection::open(gateway.address(), b"");
        for stream in (1..40).step_by(4) {
            assert!(connection.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)), "{what}");
            let Some(answer) = connection.next_of(&[HEADERS, RST_STREAM, GOAWAY]) else {
                wrong.push((what, "cut".to_owned()));
                break;
            };
            let is_refused = match answer.kind {
                // Without a path it is the empty one.
                HEADERS => [400, 404].contains(&answer.status()),
                _ => answer.reason() == PROTOCOL_ERROR,
            };
            if !is_refused {
                wrong.push((what, format!("{answer:?}")));
                break;
            }
            if answer.kind == GOAWAY {
                // Names and values that are none: nobody knows what else the sender gets wrong.
                connection = Connection::open(gateway.address(), b"");
            }
            assert!(connection.send(&get(stream + 2, "/v1/shelves/crime")));
            let good = connection.next_of(&[HEADERS, GOAWAY]).unwrap();
            assert_eq!((good.stream, good.status()), (stream + 2, 200), "behind {what}");
        }
        assert_alive(&gateway);
    }
    assert_eq!(wrong, []);
}

/// A client that has said goodbye gets the answers that it waits for, and its connection ends.
#[test]
fn frames_behind_a_goodbye_change_nothing() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    for later in
        [get(3, "/v1/shelves/crime"), frame(PING, 0, 0, &[0; 8]), frame(GOAWAY, 0, 0, &[0; 8]), Vec::new()]
    {
        for _ in 0..10 {
            let mut connection = Connection::open(gateway.address(), b"");
            let goodbye = frame(GOAWAY, 0, 0, &[0; 8]);
            assert!(connection.send(&[get(1, "/v1/shelves/crime"), goodbye, later.clone()].concat()));
            let mut answered = Vec::new();
            while let Some(answer) = connection.next_of(&[HEADERS]) {
                assert_eq!(answer.status(), 200);
                answered.push(answer.stream);
            }
            assert!(answered.contains(&1), "{answered:?}");
        }
        assert_alive(&gateway);
    }
}

/// Frames by chance: whatever they mean, the connection ends or goes on, and nothing panics.
#[test]
fn noise_is_survived() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut chance = |below: u64| {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let blocks = [head("GET", "/v1/shelves/crime"), head("POST", "/v1/shelves"), field("x", "y"), Vec::new()];
    for round in 0..500 {
        let mut connection = Connection::open(gateway.address(), b"");
        let mut bytes = Vec::new();
        for _ in 0..chance(40) {
            let kind = u8::try_from(chance(11)).unwrap();
            let flags = [0, 1, 4, 5, 8, 32, 255][usize::try_from(chance(7)).unwrap()];
            let stream = u32::try_from(chance(8)).unwrap();
            let block = match chance(3) {
                0 => (0..chance(30)).map(|_| u8::try_from(chance(256)).unwrap()).collect(),
                1 => vec![u8::try_from(chance(2)).unwrap(); usize::try_from(4 + chance(5)).unwrap()],
                _ => blocks[usize::try_from(chance(4)).unwrap()].clone(),
            };
            bytes.extend(frame(kind, flags, stream, &block));
        }
        // The gateway may have closed the connection before it has all.
        let _ = connection.send(&bytes);
        connection.close();
        if round % 50 == 0 {
            assert_alive(&gateway);
        }
    }
    let printed = gateway.server().printed();
    assert!(!printed.contains("panic") && !printed.contains("WARN"), "{printed}");
}
