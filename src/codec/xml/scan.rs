//! Finding the ends of runs of text, many bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The position of the first byte from `at` on that ends a plain run of content: `<`, `&`, `]` or CR. The length of
/// `text` if there is none.
#[inline]
pub(super) fn run_end(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        match ends(u64::from_le_bytes(*chunk)) {
            0 => at += 8,
            found => return at + (found.trailing_zeros() / 8) as usize,
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'<' | b'&' | b']' | b'\r')).unwrap_or(rest.len())
}

/// The high bit of each byte that ends a run. The bits above the lowest one that is set may be wrong; that one never is.
#[inline]
const fn ends(word: u64) -> u64 {
    const fn is(word: u64, byte: u8) -> u64 {
        let other = word ^ (ONES * byte as u64);
        other.wrapping_sub(ONES) & !other
    }
    (is(word, b'<') | is(word, b'&') | is(word, b']') | is(word, b'\r')) & HIGHS
}

/// The position of the first byte that stands for a character which XML cannot hold, or begins one: control characters
/// but tab and line ends, and U+FFFE and U+FFFF. The text is UTF-8, which has no surrogates.
pub(super) fn forbidden(text: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let mut start = 0;
    while start < text.len() {
        let block = text.get(start..start + BLOCK).unwrap_or_else(|| &text[start..]);
        // Without a branch for each byte, so that it becomes vector instructions.
        let is_near = block.iter().fold(false, |any, &byte| any | is_control(byte) | (byte == 0xef));
        if is_near {
            let found = block.iter().enumerate().find(|&(at, &byte)| {
                let last = text.get(start + at + 1..start + at + 3);
                is_control(byte) || (byte == 0xef && matches!(last, Some([0xbf, 0xbe | 0xbf])))
            });
            if let Some((at, _)) = found {
                return Some(start + at);
            }
        }
        start += BLOCK;
    }
    None
}

#[inline]
pub(super) const fn is_control(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Text without the white space around it.
pub(super) fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_markup_wherever_it_stands() {
        for length in 0..40 {
            for special in [b'<', b'&', b']', b'\r'] {
                for place in 0..length {
                    let mut text = vec![b'='; length];
                    text[length / 2] = 0xbc;
                    text[place] = special;
                    assert_eq!(run_end(&text, 0), place);
                }
            }
            for byte in [b'\n', b'>', b'[', b'\\', b'^', b'%', b'\'', b';', 0x8c, 0x0c, 0xbc, 0xdd, 0xff] {
                assert_eq!(run_end(&vec![byte; length], 0), length, "{byte}");
            }
        }
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_found() {
        for (text, expected) in [
            ("plain\t\r\n é\u{7f}\u{85}\u{1f601}\u{fffd}\u{feff}", None),
            ("\u{0}", Some(0)),
            ("a\u{b}", Some(1)),
            ("é\u{fffe}", Some(2)),
            ("é\u{ffff}", Some(2)),
        ] {
            assert_eq!(forbidden(text.as_bytes()), expected, "{text:?}");
            let [padded, at] = [62, 63].map(|before| ["x".repeat(before), text.into()].concat());
            assert_eq!(forbidden(padded.as_bytes()), expected.map(|at| at + 62));
            assert_eq!(forbidden(at.as_bytes()), expected.map(|at| at + 63));
        }
    }

    #[test]
    fn only_the_white_space_of_xml_is_trimmed() {
        assert_eq!(trimmed(b" \t\r\n1 2\n"), b"1 2");
        assert_eq!(trimmed(b"\x0c1\x0b"), b"\x0c1\x0b");
        assert_eq!(trimmed(b" \n"), b"");
    }
}
