//! How a socket is closed: codes and reasons, by RFC 6455 section 7.4.

use crate::status::{Code, Status};
use crate::wire::websocket::Flaw;

/// The longest reason in bytes: a control frame holds 125, of which two are the code.
const MAX_REASON: usize = 123;

/// Where the codes of calls that failed begin.
const FAILED: u16 = 4000;

/// The call has ended well.
pub(super) const NORMAL: u16 = 1000;
/// What no frame says: the connection was lost.
pub(super) const LOST: u16 = 1006;

pub(super) const CONTROLS: Flaw = Flaw { code: 1008, reason: "Too many control frames came." };
pub(super) const BINARY: Flaw = Flaw {
    code: 1003,
    reason: "Messages are text frames here; binary ones need the subprotocol transom.proto.",
};
pub(super) const TEXT: Flaw =
    Flaw { code: 1003, reason: "Messages are binary frames here; text needs the subprotocol transom.json." };
pub(super) const RESTART: Flaw = Flaw { code: 1012, reason: "The server is about to stop. Connect again." };
pub(super) const IDLE: Flaw = Flaw { code: 1001, reason: "No message passed for too long." };
pub(super) const DURATION: Flaw =
    Flaw { code: 1001, reason: "The socket was open for as long as is allowed." };

/// The code for how a call ended.
pub(super) const fn code_of(code: Code) -> u16 {
    match code {
        Code::Ok => NORMAL,
        failed => FAILED + failed.number() as u16,
    }
}

/// How a call is recorded whose socket is closed for a flaw.
pub(super) fn status_of(flaw: Flaw) -> Status {
    match flaw.code {
        1012 => Status::gateway(Code::Unavailable, flaw.reason),
        1001 => Status::gateway(Code::DeadlineExceeded, flaw.reason),
        1008 | 1009 => Status::caller(Code::ResourceExhausted, flaw.reason),
        _ => Status::caller(Code::InvalidArgument, flaw.reason),
    }
}

/// As much of a text as a close frame holds.
pub(super) fn reason(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_REASON)]
}

/// The codes that are counted each by itself, as they stand in labels; any other is the last.
pub(super) const COUNTED: [u16; 26] = [
    1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 4001, 4002, 4003, 4004, 4005, 4006, 4007,
    4008, 4009, 4010, 4011, 4012, 4013, 4014, 4015, 4016,
];

/// The position of a code among those that are counted.
pub(super) fn position(code: u16) -> usize {
    COUNTED.binary_search(&code).unwrap_or(COUNTED.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_between_characters() {
        let long = "x".repeat(122);
        for (text, expected) in [
            ("", ""),
            ("short", "short"),
            (&*format!("{long}y"), &*format!("{long}y")),
            (&*format!("{long}yz"), &*format!("{long}y")),
            (&*format!("{long}\u{e9}"), &*long),
            (&*format!("{}\u{1f600}", &long[..120]), &long[..120]),
        ] {
            assert_eq!(reason(text), expected);
        }
    }

    #[test]
    fn reasons_of_flaws_fit() {
        for flaw in [CONTROLS, BINARY, TEXT, RESTART, IDLE, DURATION] {
            assert_eq!(reason(flaw.reason), flaw.reason);
        }
    }

    #[test]
    fn codes_are_those_of_the_specification() {
        assert_eq!(code_of(Code::Ok), 1000);
        assert_eq!(code_of(Code::InvalidArgument), 4003);
        assert_eq!(code_of(Code::Unauthenticated), 4016);
        assert_eq!(COUNTED[position(4016)], 4016);
        assert_eq!(position(3000), COUNTED.len());
    }
}
