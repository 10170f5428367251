//! The frames of an HTTP/2 connection (RFC 9113 section 4), as far as its bounds need them: they are looked at on
//! their way between the socket and `h2`, which does the protocol.
//!
//! - A client that sends more frames that carry nothing (pings, settings, windows, empty data, frames of no known
//!   kind) than it has reason to is flooding. `h2` bounds what it remembers of them, not how many it works on.
//! - A head of which a part has come is known to the timers.
//! - Small frames of data that come together are put together, and empty ones are left out. `h2` keeps each that
//!   nobody has read yet as an object of its own, and ends a connection with more than a few thousand of them, or
//!   that has ever had a hundred empty ones. A stream of small messages has as many in one window, and some
//!   clients send an empty frame whenever they flush.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The largest payload that `h2` takes, as no other setting is sent.
const LARGEST: usize = 16 * 1024;

/// The time for which a client has its allowance of frames that carry nothing.
const WHILE: Duration = Duration::from_secs(10);

/// How many more it is allowed for each frame of a request or of an answer: an answer that is read makes the client
/// send windows, and some clients send a ping with each.
const FOR_EACH: usize = 10;

/// The first nine bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Head {
    const fn parse([a, b, c, kind, flags, s, t, u, v]: [u8; HEAD]) -> Self {
        let length = (a as usize) << 16 | (b as usize) << 8 | c as usize;
        Self { length, kind, flags, stream: [s, t, u, v] }
    }
}

/// Finds the frames in bytes that come in any pieces.
#[derive(Debug, Default)]
struct Walk {
    /// What has come of a head that is not complete.
    head: [u8; HEAD],
    filled: usize,
    /// How much of the frame's payload is to come.
    left: usize,
}

impl Walk {
    /// Goes on by one step: the rest of a payload or of a head, as far as it is there. Says how many bytes
    /// that is, and gives the head if it is complete now.
    fn step(&mut self, bytes: &[u8]) -> (usize, Option<Head>) {
        if self.left > 0 {
            let count = self.left.min(bytes.len());
            self.left -= count;
            return (count, None);
        }
        let count = (HEAD - self.filled).min(bytes.len());
        self.head[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        if self.filled < HEAD {
            return (count, None);
        }
        self.filled = 0;
        let head = Head::parse(self.head);
        self.left = head.length;
        (count, Some(head))
    }
}

/// What is known of the frames of one connection.
pub(super) struct Frames {
    activity: Arc<Activity>,
    read: Walk,
    written: Walk,
    /// Whether the last head of a request goes on in the next frame.
    goes_on: bool,
    /// Whether the frame that is being read is a part of a head.
    is_head: bool,
    /// How many frames that carry nothing are allowed until `since` is [`WHILE`] ago.
    left: usize,
    since: Instant,
    allowance: usize,
}

impl Frames {
    /// `allowance` is for frames that carry nothing, in [`WHILE`].
    pub(super) fn new(activity: Arc<Activity>, allowance: usize) -> Self {
        Self {
            activity,
            read: Walk::default(),
            written: Walk::default(),
            goes_on: false,
            is_head: false,
            left: allowance,
            since: Instant::now(),
            allowance,
        }
    }

    /// Looks at what was read and puts together the data that can be. What is to be handed on stands at the
    /// beginning then; its length is returned, which may be 0.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut end) = (0, 0);
        // Where the head of the data stands that ends at `end`, if more can be put to it.
        let mut open: Option<usize> = None;
        while at < bytes.len() {
            let (count, head) = self.read.step(&bytes[at..]);
            if at != end {
                bytes.copy_within(at..at + count, end);
            }
            at += count;
            let Some(head) = head else {
                end += count;
                self.progressed();
                continue;
            };
            self.began(head);
            let is_whole = head.length <= bytes.len() - at;
            if head.kind == DATA && head.length == 0 && head.flags == 0 && count == HEAD {
                continue;
            }
            let is_data = head.kind == DATA && head.flags & !END_STREAM == 0 && is_whole && count == HEAD;
            match open {
                Some(start) if is_data && may_join(&bytes[start..], head) => {
                    join(&mut bytes[start..], head);
                    bytes.copy_within(at..at + head.length, end);
                    self.read.left = 0;
                    at += head.length;
                    end += head.length;
                    open = (head.flags == 0).then_some(start);
                }
                _ => {
                    open = (is_data && head.flags == 0).then_some(end);
                    end += count;
                    self.progressed();
                }
            }
        }
        end
    }

    /// Looks at what was written.
    pub(super) fn written(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (count, head) = self.written.step(bytes);
            bytes = &bytes[count..];
            if head.is_some_and(|head| matches!(head.kind, DATA | HEADERS)) {
                self.allow();
            }
        }
    }

    fn allow(&mut self) {
        self.left = (self.left + FOR_EACH).min(self.allowance);
    }

    /// A frame has begun.
    fn began(&mut self, head: Head) {
        self.is_head = matches!(head.kind, HEADERS | CONTINUATION);
        match head.kind {
            HEADERS | CONTINUATION => {
                self.goes_on = head.flags & END_HEADERS == 0;
                self.activity.head_begins();
                if head.kind == HEADERS {
                    self.allow();
                }
            }
            DATA if head.length > 0 || head.flags & END_STREAM != 0 => self.allow(),
            // They have a bound of their own.
            RST_STREAM => {}
            _ => self.spend(),
        }
    }

    /// A part of a frame has come.
    fn progressed(&mut self) {
        if self.is_head && !self.goes_on && self.read.left == 0 {
            self.is_head = false;
            self.activity.head_ends();
        }
    }

    fn spend(&mut self) {
        if self.left == 0 {
            if self.since.elapsed() < WHILE {
                self.activity.flooded();
                return;
            }
            self.since = Instant::now();
            self.left = self.allowance;
        }
        self.left = self.left.saturating_sub(1);
    }
}

/// Whether a frame of data can be put to the one that begins here.
fn may_join(open: &[u8], head: Head) -> bool {
    let Some(first) = open.first_chunk() else { return false };
    let first = Head::parse(*first);
    first.stream == head.stream && first.length + head.length <= LARGEST
}

/// Makes the frame that begins here the longer one that has the other's payload too, and ends the stream if
/// that does.
fn join(open: &mut [u8], head: Head) {
    let Some(first) = open.first_chunk_mut::<HEAD>() else { return };
    let length = u32::try_from(Head::parse(*first).length + head.length).unwrap_or(u32::MAX).to_be_bytes();
    first[..3].copy_from_slice(&length[1..]);
    first[4] = head.flags;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn frames(allowance: usize) -> (Arc<Activity>, Frames) {
        let activity = Arc::new(Activity::new());
        activity.is_multiplexed();
        (activity.clone(), Frames::new(activity, allowance))
    }

    fn passed(pieces: &[&[u8]]) -> Vec<u8> {
        let (_, mut frames) = frames(1000);
        let mut all = Vec::new();
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let length = frames.read(&mut bytes);
            all.extend_from_slice(&bytes[..length]);
        }
        all
    }

    /// The data of each stream with its end, and all other frames as they are.
    fn meaning(mut bytes: &[u8]) -> Vec<(u8, u8, u8, Vec<u8>)> {
        let mut found: Vec<(u8, u8, u8, Vec<u8>)> = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() {
            let head = Head::parse(*head);
            let (payload, rest) = rest.split_at(head.length);
            bytes = rest;
            match found.last_mut() {
                Some((DATA, flags, stream, data))
                    if head.kind == DATA && *flags == 0 && *stream == head.stream[3] =>
                {
                    data.extend_from_slice(payload);
                    *flags = head.flags;
                }
                _ => found.push((head.kind, head.flags, head.stream[3], payload.to_vec())),
            }
        }
        assert_eq!(bytes, b"", "frames are whole");
        found
    }

    #[tokio::test]
    async fn data_that_comes_together_is_put_together() {
        let (a, b) = (frame(DATA, 0, 1, b"a"), frame(DATA, 0, 1, b"bc"));
        let end = frame(DATA, END_STREAM, 1, b"d");
        let (empty, last) = (frame(DATA, 0, 1, b""), frame(DATA, END_STREAM, 1, b""));
        let other = frame(DATA, 0, 3, b"x");
        let ping = frame(6, 0, 0, &[7; 8]);
        let padded = frame(DATA, 8, 1, &[1, b'p', 0]);
        let half = frame(DATA, 0, 1, &[b'h'; LARGEST / 2]);
        for (sent, expected) in [
            (vec![&a, &b], frame(DATA, 0, 1, b"abc")),
            (vec![&a, &empty, &b, &empty], frame(DATA, 0, 1, b"abc")),
            (vec![&empty, &empty], Vec::new()),
            (vec![&a, &last], frame(DATA, END_STREAM, 1, b"a")),
            (vec![&a, &b, &end], frame(DATA, END_STREAM, 1, b"abcd")),
            (vec![&a, &end, &b], [frame(DATA, END_STREAM, 1, b"ad"), b.clone()].concat()),
            (vec![&a, &other, &b], [&a[..], &other, &b].concat()),
            (vec![&a, &ping, &b, &b], [&a[..], &ping, &frame(DATA, 0, 1, b"bcbc")].concat()),
            (vec![&a, &padded, &b], [&a[..], &padded, &b].concat()),
            (vec![&half, &half, &a], [frame(DATA, 0, 1, &[b'h'; LARGEST]), a.clone()].concat()),
            (
                vec![&half, &b, &half],
                [frame(DATA, 0, 1, &[&half[9..], b"bc"].concat()), half.clone()].concat(),
            ),
        ] {
            assert_eq!(passed(&[&sent.into_iter().flatten().copied().collect::<Vec<_>>()]), expected);
        }
    }

    #[tokio::test]
    async fn cuts_change_no_meaning() {
        let all = [
            frame(HEADERS, END_HEADERS, 1, b"head"),
            frame(DATA, 0, 1, b"a"),
            frame(DATA, 0, 1, b""),
            frame(DATA, 0, 1, b"bcd"),
            frame(6, 0, 0, &[7; 8]),
            frame(DATA, 0, 1, b"e"),
            frame(DATA, END_STREAM, 1, b""),
            frame(DATA, 0, 3, b"xyz"),
        ]
        .concat();
        for first in 0..all.len() {
            for second in first..all.len() {
                let pieces = [&all[..first], &all[first..second], &all[second..]];
                assert_eq!(meaning(&passed(&pieces)), meaning(&all), "cut at {first} and {second}");
            }
        }
        let each: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(passed(&each), all);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_carry_nothing_have_an_allowance() {
        let (activity, mut frames) = frames(100);
        let mut read = |kind: u8, payload: &[u8], times: usize| {
            for _ in 0..times {
                frames.read(&mut frame(kind, 0, 1, payload));
            }
            activity.floods()
        };
        assert_eq!(read(6, &[0; 8], 60), 0);
        assert_eq!(read(DATA, b"", 40), 0);
        assert_eq!(read(8, &[0; 4], 3), 3, "a window too many");
        assert_eq!(read(DATA, b"x", 1), 3, "data makes up for ten");
        assert_eq!(read(4, b"", 10), 3);
        assert_eq!(read(99, b"?", 1), 4);
        tokio::time::advance(WHILE).await;
        assert_eq!(read(2, &[0; 5], 100), 4);
        assert_eq!(read(2, &[0; 5], 1), 5);
        frames.written(&[frame(6, 1, 0, &[0; 8]), frame(DATA, 0, 1, b"x")].concat());
        for _ in 0..11 {
            frames.read(&mut frame(6, 0, 0, &[0; 8]));
        }
        assert_eq!(activity.floods(), 6, "what is answered counts, not the answers to pings");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_lasts_until_its_last_byte() {
        use super::super::activity::Waiting;

        let (activity, mut frames) = frames(100);
        let waits = || matches!(activity.waiting(), Some(Waiting::Head(_)));
        let all = [frame(HEADERS, 0, 1, b"head"), frame(CONTINUATION, END_HEADERS, 1, b"rest")].concat();
        for (index, byte) in all.iter().enumerate() {
            assert_eq!(waits(), index >= HEAD, "at {index}");
            frames.read(&mut [*byte]);
        }
        assert!(!waits());
        frames.read(&mut frame(HEADERS, END_HEADERS, 3, b"head"));
        assert!(!waits());
        let call = activity.begin();
        frames.read(&mut frame(HEADERS, 0, 5, b"head"));
        assert!(waits(), "whatever calls there are");
        drop(call);
    }
}
