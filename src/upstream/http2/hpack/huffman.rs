//! The Huffman code of RFC 7541 appendix B.
//!
//! The code is canonical: the lengths of the codes say what the codes are. Shorter codes come before longer ones,
//! and among those of one length the order is that of the symbols.

/// How many bits the code of each byte has, and that of the end of a string.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const LONGEST: usize = 30;
/// Codes of up to so many bits are looked up at once.
const FIRST_BITS: u32 = 8;
const END: u16 = 256;

/// The symbols in the order of their codes, and where those of each length begin.
struct Code {
    symbols: [u16; 257],
    /// For each length: the first 32 bits of what comes after its last code.
    limits: [u64; LONGEST + 1],
    /// For each length: its first code, and the place of its symbol.
    starts: [(u32, usize); LONGEST + 1],
    /// For the next bits: the symbol and the length of its code, 0 where that is longer.
    first: [(u8, u8); 1 << FIRST_BITS],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code {
        symbols: [0; 257],
        limits: [0; LONGEST + 1],
        starts: [(0, 0); LONGEST + 1],
        first: [(0, 0); 1 << FIRST_BITS],
    };
    let (mut next, mut place, mut length) = (0_u32, 0, 1);
    while length <= LONGEST {
        next <<= 1;
        code.starts[length] = (next, place);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                code.symbols[place] = symbol as u16;
                if length <= FIRST_BITS as usize {
                    let free = FIRST_BITS as usize - length;
                    let (mut at, end) = ((next as usize) << free, ((next as usize) + 1) << free);
                    while at < end {
                        code.first[at] = (symbol as u8, length as u8);
                        at += 1;
                    }
                }
                next += 1;
                place += 1;
            }
            symbol += 1;
        }
        code.limits[length] = (next as u64) << (32 - length);
        length += 1;
    }
    code
}

/// Appends what `input` stands for; `None` if it is no valid string (RFC 7541 section 5.2). At most eight fifths of
/// the input come out.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = input.iter();
    // The next bits, from the top; the others are zero.
    let (mut bits, mut have) = (0_u64, 0_u32);
    loop {
        while have <= 56
            && let Some(&byte) = rest.next()
        {
            bits |= u64::from(byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = match CODE.first[(bits >> (64 - FIRST_BITS)) as usize] {
            (_, 0) => long(bits)?,
            (symbol, length) => (u16::from(symbol), u32::from(length)),
        };
        if length > have {
            // What is left is padding: the beginning of the end's code, which is of ones.
            let padding = !(u64::MAX.checked_shr(have).unwrap_or(0));
            return (have < 8 && bits == padding).then_some(());
        }
        if symbol == END {
            return None;
        }
        out.push(symbol as u8);
        bits <<= length;
        have -= length;
    }
}

/// The symbol of a code that is longer than [`FIRST_BITS`], and its length.
fn long(bits: u64) -> Option<(u16, u32)> {
    let top = bits >> 32;
    let length = (FIRST_BITS as usize + 1..=LONGEST).find(|&length| top < CODE.limits[length])?;
    let (start, place) = CODE.starts[length];
    let offset = (top >> (32 - length)) as u32 - start;
    Some((CODE.symbols[place + offset as usize], length as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| out)
    }

    /// The code of a symbol by the rule at the head of this file, without the tables.
    fn code_of(symbol: usize) -> (u32, u8) {
        let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
        order.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
        let (mut code, mut length) = (0, LENGTHS[order[0]]);
        for other in order {
            code <<= LENGTHS[other] - length;
            length = LENGTHS[other];
            if other == symbol {
                return (code, length);
            }
            code += 1;
        }
        unreachable!()
    }

    /// Bits as bytes, with ones at the end.
    fn packed(codes: impl IntoIterator<Item = (u32, u8)>) -> Vec<u8> {
        let mut bits = String::new();
        for (code, length) in codes {
            bits += &format!("{code:0width$b}", width = usize::from(length));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |all, &bit| all << 1 | (bit - b'0')))
            .collect()
    }

    #[test]
    fn codes_are_those_of_the_appendix() {
        // Some lines of RFC 7541 appendix B.
        let table = [
            (usize::from(b'0'), 0x0, 5),
            (usize::from(b' '), 0x14, 6),
            (usize::from(b'z'), 0x7b, 7),
            (usize::from(b'&'), 0xf8, 8),
            (usize::from(b'!'), 0x3f8, 10),
            (usize::from(b'~'), 0x1ffd, 13),
            (0, 0x1ff8, 13),
            (0x5c, 0x7_fff0, 19),
            (0xff, 0x3ff_ffee, 26),
            (0x0a, 0x3fff_fffc, 30),
            (256, 0x3fff_ffff, 30),
        ];
        for (symbol, code, length) in table {
            assert_eq!(code_of(symbol), (code, length), "{symbol}");
        }
    }

    #[test]
    fn every_byte_is_decoded_alone_and_among_others() {
        for byte in 0..=255_u8 {
            assert_eq!(text(&packed([code_of(byte.into())])), Some(vec![byte]));
            let three = [b'a', byte, b'0'];
            assert_eq!(text(&packed(three.map(|byte| code_of(byte.into())))), Some(three.to_vec()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(text(&packed(all.iter().map(|&byte| code_of(byte.into())))), Some(all));
        assert_eq!(text(b""), Some(vec![]));
    }

    #[test]
    fn what_is_no_string_is_refused() {
        // Padding of a whole byte, padding of zeros, and the end of a string within it.
        assert_eq!(text(&[0xff]), None);
        assert_eq!(text(&[packed([code_of(b'a'.into())])[0], 0xff]), None);
        assert_eq!(text(&[0b0001_1000]), None);
        assert_eq!(text(&packed([code_of(256)])), None);
        assert_eq!(text(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(text(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
