//! Values in XML text, by the lexical forms of XML Schema: numbers, bools, enums, text, base64 and maps.

use super::error::{ReadError, Result, shown};
use super::lexer::Leaf;
use super::read::{At, Place, Reader, Space};
use super::scan::{is_space, trimmed};
use crate::codec::fields;
use crate::codec::json::value::{decode_base64, integer, integer_name, narrowed};
use crate::codec::number::{self, Decimal, Digits, NumberError};
use crate::schema::EnumId;
use crate::schema::message::{Field, Kind};
use crate::schema::xml_name::{has_escape, unescaped};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

type Number<T> = std::result::Result<T, NumberError>;

impl<'a, 't> Reader<'a, 't, '_> {
    /// A number, bool or enum as the bits that go on the wire; none for an enum name to be ignored.
    #[inline]
    pub(super) fn scalar(
        &self,
        kind: Kind,
        is_nil: bool,
        leaf: Leaf<'t>,
        place: Place<'t>,
    ) -> Result<Option<u64>> {
        let text = trimmed(leaf.of(&self.scratch));
        let number = match kind {
            Kind::Bool => return self.bool_value(text, place).map(|value| Some(value.into())),
            Kind::Enum(id) => {
                let number =
                    if is_nil && text.is_empty() { Some(0) } else { self.enum_value(id, text, place)? };
                return Ok(number.map(|number| i64::from(number) as u64));
            }
            Kind::Double => double(text).map(f64::to_bits),
            Kind::Float => float(text).map(|value| value.to_bits().into()),
            _ => whole(text, kind),
        };
        number.map(Some).map_err(|error| self.no_number(place, kind, error))
    }

    fn bool_value(&self, text: &[u8], place: Place<'t>) -> Result<bool> {
        match text {
            b"true" | b"1" => Ok(true),
            b"false" | b"0" => Ok(false),
            _ => Err(self.error(place, format!("true or false is needed, found {:?}", shown(text)))),
        }
    }

    /// A finite double.
    pub(super) fn number(&self, leaf: Leaf<'t>, place: Place<'t>) -> Result<f64> {
        let value = double(trimmed(leaf.of(&self.scratch)))
            .map_err(|error| self.no_number(place, Kind::Double, error))?;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.error(place, "a Value cannot hold NaN or an infinity"))
        }
    }

    #[cold]
    fn no_number(&self, place: Place<'t>, kind: Kind, error: NumberError) -> Box<ReadError> {
        let name = match kind {
            Kind::Double => "a double",
            Kind::Float => "a float",
            kind => integer_name(kind),
        };
        self.error(place, error.text(name))
    }

    /// An enum's number; none for an unknown name that is to be ignored.
    fn enum_value(&self, id: EnumId, text: &[u8], place: Place<'t>) -> Result<Option<i32>> {
        let each = self.schema.enumeration(id);
        if let Some(number) = each.number(self.schema, text) {
            return Ok(Some(number));
        }
        if let [b'-' | b'+' | b'0'..=b'9', ..] = text {
            let number = whole(text, Kind::Int32);
            return number
                .map(|number| Some(number as i32))
                .map_err(|error| self.no_number(place, Kind::Int32, error));
        }
        if self.ignore_unknown {
            return Ok(None);
        }
        Err(self.error(place, fields::no_value(self.schema, id, text)))
    }

    /// Text with its length; true if it is empty.
    #[inline]
    pub(super) fn text(&mut self, leaf: Leaf<'t>) -> bool {
        let text = leaf.of(&self.scratch);
        if has_escape(text) {
            // The whole text is UTF-8, and so is a run of it.
            let plain = unescaped(std::str::from_utf8(text).unwrap_or_default());
            writer::varint(self.out, plain.len() as u64);
            self.out.extend_from_slice(plain.as_bytes());
        } else {
            writer::varint(self.out, text.len() as u64);
            writer::append(self.out, text, 0, text.len());
        }
        text.is_empty()
    }

    /// Base64 with its length: either alphabet, with or without padding, with white space anywhere; true if it is empty.
    pub(super) fn bytes(&mut self, leaf: Leaf<'t>, place: Place<'t>) -> Result<bool> {
        let Self { out, scratch, .. } = self;
        let mut text = trimmed(leaf.of(scratch));
        let packed;
        if text.iter().any(|&byte| is_space(byte)) {
            packed = text.iter().copied().filter(|&byte| !is_space(byte)).collect::<Vec<_>>();
            text = &packed;
        }
        let length = Length::begin(out);
        if !decode_base64(text, out) {
            return Err(self.error(place, "base64 text is needed"));
        }
        length.end(out);
        Ok(text.is_empty())
    }

    // Maps.

    /// A map, whose elements are in the namespace of the field's.
    pub(super) fn map(&mut self, field: &'a Field, space: Space<'a>) -> Result<()> {
        match fields::entry_of(self.schema, field) {
            Some((key, value)) => self.entries(field.number(), key, value, space),
            None => Err(self.lexer.refused("the field is no map")),
        }
    }

    /// The entries of a map to the end of the innermost element, each an embedded message under `number`.
    pub(super) fn entries(
        &mut self,
        number: u32,
        key: &'a Field,
        value: &'a Field,
        space: Space<'a>,
    ) -> Result<()> {
        let mut map = self.keys.open();
        while self.lexer.child()? {
            self.expect("entry", space)?;
            let place = self.here();
            let start = self.out.len();
            writer::tag(self.out, number, WireType::Len);
            let length = Length::begin(self.out);
            let (from, to, is_set) = self.entry([key, value], space, length.content(), place)?;
            if !is_set {
                self.out.truncate(start);
                continue;
            }
            let content = self.out.len() - length.content();
            length.end(self.out);
            let key = (self.out.len() - content + from, to - from);
            let left = self.lexer.left();
            if !self.keys.insert(&mut map, self.out, key, left) {
                return Err(self.error(place, "the key is there twice"));
            }
        }
        self.keys.close(&map);
        Ok(())
    }

    /// The content of an entry: where its key was put, and whether it has a value.
    fn entry(
        &mut self,
        [key_field, value_field]: [&'a Field; 2],
        space: Space<'a>,
        base: usize,
        place: Place<'t>,
    ) -> Result<(usize, usize, bool)> {
        let (mut key, mut value) = (None, None);
        while self.lexer.child()? {
            let is_here = space.includes(self.lexer.namespace());
            match self.lexer.local() {
                b"key" if is_here && key.is_none() => {
                    self.refuse_nil()?;
                    let from = self.out.len() - base;
                    self.element(key_field, At::Content, false, false)?;
                    key = Some((from, self.out.len() - base));
                }
                b"value" if is_here && value.is_none() => {
                    let is_nil = self.is_nil(value_field)?;
                    if is_nil && !fields::takes_null(self.schema, value_field.kind()) {
                        return Err(self.lexer.refused("xsi:nil is not allowed in a map"));
                    }
                    let is_set = self.element(value_field, At::Content, is_nil, false);
                    value = Some(is_set.map_err(|error| self.in_key(error, key_field, base, key))?);
                }
                b"key" | b"value" if is_here => {
                    let text = format!("<{}> is there twice", shown(self.lexer.local()));
                    return Err(self.lexer.refused(text));
                }
                _ if self.ignore_unknown => self.lexer.skip()?,
                local => {
                    let text = format!("<{}> stands where <key> or <value> is needed", shown(local));
                    return Err(self.lexer.refused(text));
                }
            }
        }
        match (key, value) {
            (Some((from, to)), Some(is_set)) => Ok((from, to, is_set)),
            (None, _) => Err(self.error(place, "the entry has no <key>")),
            (_, None) => Err(self.error(place, "the entry has no <value>")),
        }
    }

    /// Names the key of an entry, if it is a text that stands before the value.
    #[cold]
    fn in_key(
        &self,
        mut error: Box<ReadError>,
        field: &Field,
        base: usize,
        key: Option<(usize, usize)>,
    ) -> Box<ReadError> {
        if let (Kind::String, Some((from, to))) = (field.kind(), key) {
            let written = self.out.get(base + from..base + to).unwrap_or_default();
            let mut reader = crate::wire::reader::Reader::new(written);
            let text = reader.tag().and_then(|_| reader.bytes()).unwrap_or_default();
            error.path.push_key(text);
        }
        error
    }

    /// Checks that the innermost element has this name.
    pub(super) fn expect(&self, name: &str, space: Space<'_>) -> Result<()> {
        if self.lexer.local() != name.as_bytes() || !space.includes(self.lexer.namespace()) {
            let local = shown(self.lexer.local());
            if local == name {
                let found = shown(self.lexer.namespace());
                let text = format!("<{name}> is in the namespace {found:?}, but {} is needed", space.shown());
                return Err(self.lexer.refused(text));
            }
            return Err(self.lexer.refused(format!("<{local}> stands where <{name}> is needed")));
        }
        match name {
            // An item is a Value, which looks at its attributes itself.
            "item" => Ok(()),
            _ => self.refuse_nil(),
        }
    }
}

/// An integer as `xs:integer` or JSON has it.
#[inline]
fn whole(text: &[u8], kind: Kind) -> Number<u64> {
    let negative = text.first() == Some(&b'-');
    let first = usize::from(negative);
    let Digits { value, count } = number::digits(text, first, Digits::default());
    if count == 0 || count > 18 || first + count != text.len() {
        return unusual_whole(text, kind);
    }
    let value = i128::from(value);
    narrowed(if negative { -value } else { value }, kind).ok_or(NumberError::Range)
}

/// With a plus sign, leading zeros, a fraction or an exponent, or very long.
#[cold]
fn unusual_whole(text: &[u8], kind: Kind) -> Number<u64> {
    let (sign, digits) = match text {
        [b'+', digits @ ..] => (&b""[..], digits),
        [b'-', digits @ ..] => (&b"-"[..], digits),
        digits => (&b""[..], digits),
    };
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    let is_number = digits.get(zeros).is_some_and(u8::is_ascii_digit);
    let digits = &digits[if is_number { zeros } else { zeros.saturating_sub(1) }..];
    integer(&[sign, digits].concat(), kind)
}

/// A double as `xs:double` has it.
#[inline]
fn double(text: &[u8]) -> Number<f64> {
    match Decimal::read(text, 0) {
        Some(decimal) if decimal.length == text.len() => match decimal.simple_double() {
            Some(value) => Ok(value),
            None => number::double(text),
        },
        _ => match text {
            b"NaN" => Ok(f64::NAN),
            b"INF" | b"+INF" => Ok(f64::INFINITY),
            b"-INF" => Ok(f64::NEG_INFINITY),
            text => {
                let value: f64 = unusual_decimal(text)?.parse().map_err(|_| NumberError::Syntax)?;
                if value.is_finite() { Ok(value) } else { Err(NumberError::Range) }
            }
        },
    }
}

/// A float as `xs:float` has it.
#[inline]
fn float(text: &[u8]) -> Number<f32> {
    match Decimal::read(text, 0) {
        Some(decimal) if decimal.length == text.len() => match decimal.simple_float() {
            Some(value) => Ok(value),
            None => number::float(text),
        },
        _ => match text {
            b"NaN" => Ok(f32::NAN),
            b"INF" | b"+INF" => Ok(f32::INFINITY),
            b"-INF" => Ok(f32::NEG_INFINITY),
            text => {
                let value: f32 = unusual_decimal(text)?.parse().map_err(|_| NumberError::Syntax)?;
                if value.is_finite() { Ok(value) } else { Err(NumberError::Range) }
            }
        },
    }
}

/// What `xs:double` allows beside JSON's numbers: a plus sign, leading zeros, no digit before or behind the point.
/// Everything of this grammar is read by the standard library, too.
#[cold]
fn unusual_decimal(text: &[u8]) -> Number<&str> {
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let (mantissa, exponent) = match unsigned.iter().position(|byte| byte | 0x20 == b'e') {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let is_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let has_exponent = exponent.is_none_or(|exponent| match exponent {
        [b'+' | b'-', digits @ ..] => is_digits(digits),
        digits => is_digits(digits),
    });
    let mut points = mantissa.split(|&byte| byte == b'.');
    let (whole, fraction, rest) = (points.next(), points.next(), points.next());
    let digits = [whole.unwrap_or_default(), fraction.unwrap_or_default()].concat();
    if has_exponent && rest.is_none() && is_digits(&digits) {
        std::str::from_utf8(text).map_err(|_| NumberError::Syntax)
    } else {
        Err(NumberError::Syntax)
    }
}
