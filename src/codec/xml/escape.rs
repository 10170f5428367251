//! Text and the values of attributes, with what XML cannot hold in them escaped.

use super::scan::is_control;
use crate::codec::json::out::Out;
use crate::schema::xml_name::begins_escape;

impl Out {
    /// Appends text as long as it is ASCII that stands for itself, in blocks; returns how much that was.
    pub(super) fn plain_text(&mut self, text: &[u8]) -> usize {
        const BLOCK: usize = 16;
        let mut at = 0;
        while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
            // Without a branch for each byte, so that it becomes vector instructions.
            if block.iter().fold(false, |any, &byte| any | is_special(byte)) {
                return at;
            }
            self.start_of(block, BLOCK);
            at += BLOCK;
        }
        let rest = text.get(at..).unwrap_or_default();
        if rest.iter().fold(false, |any, &byte| any | is_special(byte)) {
            return at;
        }
        self.extend(rest);
        text.len()
    }

    /// Appends text with what XML cannot hold escaped.
    pub(super) fn escaped_text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let (mut at, mut copied) = (0, 0);
        loop {
            at = unusual(bytes, at);
            let Some(&byte) = bytes.get(at) else { break };
            // How it is written, how long that is, and how many bytes it stands for.
            let (escape, length, taken): (&[u8; 8], usize, usize) = match byte {
                b'<' => (b"&lt;\0\0\0\0", 4, 1),
                b'>' => (b"&gt;\0\0\0\0", 4, 1),
                b'&' => (b"&amp;\0\0\0", 5, 1),
                b'\r' => (b"&#13;\0\0\0", 5, 1),
                b'_' if begins_escape(&bytes[at..]) => (b"_x005F_\0", 7, 1),
                0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe])) => (b"_xFFFE_\0", 7, 3),
                0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbf])) => (b"_xFFFF_\0", 7, 3),
                byte if is_control(byte) => (&CONTROLS[usize::from(byte)], 7, 1),
                _ => {
                    at += 1;
                    continue;
                }
            };
            if copied < at {
                self.extend(&bytes[copied..at]);
            }
            self.start_of(escape, length);
            at += taken;
            copied = at;
        }
        self.extend(&bytes[copied..]);
    }

    /// Appends the value of an attribute, for double quotes. `_` stands for itself in front of anything, as whoever reads
    /// an attribute takes nothing in it for an escape.
    pub(super) fn attribute_text(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                '"' => self.all(b"&quot;"),
                '\t' => self.all(b"&#9;"),
                '\n' => self.all(b"&#10;"),
                _ => self.escaped_text(char.encode_utf8(&mut [0; 4])),
            }
        }
    }
}

/// The position of the first byte from `at` on that may have to be escaped.
fn unusual(text: &[u8], mut at: usize) -> usize {
    // Where escapes are close to one another blocks only cost.
    if text.get(at).is_some_and(|&byte| may_be_escaped(byte)) {
        return at;
    }
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        // Without a branch for each byte, so that it becomes vector instructions.
        if block.iter().fold(false, |any, &byte| any | may_be_escaped(byte)) {
            break;
        }
        at += 16;
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| may_be_escaped(byte)).unwrap_or(rest.len())
}

#[inline(always)]
const fn may_be_escaped(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\n') & (byte != b'\t'))
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'&')
        | (byte == b'_')
        | (byte == 0xef)
}

/// What control characters are written as, in seven bytes.
static CONTROLS: [[u8; 8]; 32] = {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escapes = [*b"_x0000_\0"; 32];
    let mut byte = 0;
    while byte < 32 {
        escapes[byte][4] = HEX[byte >> 4];
        escapes[byte][5] = HEX[byte & 15];
        byte += 1;
    }
    escapes
};

/// Whether a byte is not ASCII, or may have to be escaped.
#[inline(always)]
const fn is_special(byte: u8) -> bool {
    ((byte.cast_signed() < 0x20) & (byte != b'\n') & (byte != b'\t'))
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'&')
        | (byte == b'_')
}
