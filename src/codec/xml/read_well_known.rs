//! The XML forms of well-known types, read.

use super::error::{Result, shown};
use super::read::{At, Reader, Space};
use super::scan::trimmed;
use crate::codec::fields::entry_of;
use crate::codec::well_known::{any, value};
use crate::codec::{mask, time};
use crate::schema::message::{Kind, Message, WellKnown};
use crate::schema::xml_name::{self, package_of, unescaped};
use crate::schema::{MessageId, Presence};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

use crate::schema::message::Cardinality::Singular;

/// What a Value is.
#[derive(Clone, Copy)]
enum Is {
    Null,
    Number,
    String,
    Bool,
    Struct,
    List,
}

const PROTOBUF: Space<'static> = Space::Package("google.protobuf");

impl<'a> Reader<'a, '_, '_> {
    /// The rest of an element that holds a message with a form of its own.
    pub(super) fn well_known(&mut self, message: &'a Message, well_known: WellKnown) -> Result<()> {
        let is_nil = self.nil_of(Some(well_known))?;
        if is_nil && well_known != WellKnown::Value {
            return Err(self.lexer.refused("xsi:nil is not allowed here"));
        }
        match well_known {
            WellKnown::Any => self.any(),
            WellKnown::Timestamp => {
                const WHAT: &str = "a time as xs:dateTime between the years 1 and 9999, such as \
                                    \"2006-01-02T15:04:05Z\"";
                self.time(WHAT, date_time)
            }
            WellKnown::Duration => {
                self.time("a duration of at most 10,000 years, such as \"1.5s\"", time::parse_duration)
            }
            WellKnown::FieldMask => self.field_mask(),
            WellKnown::Struct => self.struct_value(message),
            WellKnown::Value => self.value(is_nil),
            WellKnown::ListValue => self.list_value(),
            WellKnown::Wrapper => match message.fields().first() {
                Some(field) => {
                    let leave_out = field.cardinality() == Singular(Presence::Implicit);
                    self.element(field, At::Content, false, leave_out).map(drop)
                }
                None => Err(self.lexer.refused("the message has no value field")),
            },
        }
    }

    fn time(&mut self, what: &str, parse: fn(&[u8]) -> Option<time::Time>) -> Result<()> {
        let place = self.here();
        let leaf = self.lexer.leaf(&mut self.scratch)?;
        let Some(time) = parse(trimmed(leaf.of(&self.scratch))) else {
            return Err(self.error(place, format!("{what} is needed")));
        };
        time.write(self.out);
        Ok(())
    }

    fn field_mask(&mut self) -> Result<()> {
        let place = self.here();
        let leaf = self.lexer.leaf(&mut self.scratch)?;
        let Self { out, scratch, .. } = self;
        mask::read(out, trimmed(leaf.of(scratch))).map_err(|text| self.error(place, text))
    }

    fn struct_value(&mut self, message: &'a Message) -> Result<()> {
        // Struct is map<string, Value> fields = 1.
        match message.fields().first().and_then(|fields| entry_of(self.schema, fields)) {
            Some((key, value)) => self.entries(1, key, value, PROTOBUF),
            None => Err(self.lexer.refused("the schema's google.protobuf.Struct is not the official one")),
        }
    }

    /// A Value: what it is stands in the attribute `kind`. Without it an element is a list if its first child is an
    /// `item`, a struct if that is any other, and else text.
    fn value(&mut self, is_nil: bool) -> Result<()> {
        let kind = match self.lexer.attribute("", "kind").map(|kind| kind.value().trim_ascii()) {
            Some(b"null") => Is::Null,
            None | Some(_) if is_nil => Is::Null,
            Some(b"number") => Is::Number,
            Some(b"string") => Is::String,
            Some(b"bool") => Is::Bool,
            Some(b"struct") => Is::Struct,
            Some(b"list") => Is::List,
            Some(other) => {
                let text = format!(
                    "the kind {:?} is none of null, number, string, bool, struct and list",
                    shown(other)
                );
                return Err(self.lexer.refused(text));
            }
            None => match self.lexer.next_local() {
                Some(b"item") => Is::List,
                Some(_) => Is::Struct,
                None => Is::String,
            },
        };
        match kind {
            Is::Struct => return self.nested(value::STRUCT, Self::dynamic_struct),
            Is::List => return self.nested(value::LIST, Self::list_value),
            Is::Null => {
                self.empty()?;
                writer::tag(self.out, value::NULL, WireType::Varint);
                self.out.push(0);
                return Ok(());
            }
            Is::Number | Is::String | Is::Bool => {}
        }
        let place = self.here();
        let leaf = self.lexer.leaf(&mut self.scratch)?;
        match kind {
            Is::Number => {
                let number = self.number(leaf, place)?;
                writer::tag(self.out, value::NUMBER, WireType::Fixed64);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Is::Bool => {
                let bits = self.scalar(Kind::Bool, false, leaf, place)?.unwrap_or_default();
                writer::tag(self.out, value::BOOL, WireType::Varint);
                writer::varint(self.out, bits);
            }
            _ => {
                writer::tag(self.out, value::STRING, WireType::Len);
                self.text(leaf);
            }
        }
        Ok(())
    }

    fn nested(&mut self, number: u32, content: fn(&mut Self) -> Result<()>) -> Result<()> {
        writer::tag(self.out, number, WireType::Len);
        let length = Length::begin(self.out);
        content(self)?;
        length.end(self.out);
        Ok(())
    }

    /// A Struct inside a Value, found by name as the Value's own table may lack it.
    fn dynamic_struct(&mut self) -> Result<()> {
        match self.schema.find_message("google.protobuf.Struct") {
            Some(id) => self.struct_value(self.schema.message(id)),
            None => Err(self.lexer.refused("the schema has no google.protobuf.Struct")),
        }
    }

    fn list_value(&mut self) -> Result<()> {
        while self.lexer.child()? {
            self.expect("item", PROTOBUF)?;
            let is_nil = self.nil_of(Some(WellKnown::Value))?;
            writer::tag(self.out, 1, WireType::Len);
            let length = Length::begin(self.out);
            self.value(is_nil)?;
            length.end(self.out);
        }
        Ok(())
    }

    /// An Any: `<type>` and the element of its message, in any order, or `<value>` with base64.
    fn any(&mut self) -> Result<()> {
        let place = self.here();
        let (mut url, mut content): (Option<Vec<u8>>, Option<Option<MessageId>>) = (None, None);
        while self.lexer.child()? {
            let is_own = PROTOBUF.includes(self.lexer.namespace());
            match self.lexer.local() {
                b"type" if is_own && url.is_none() => url = Some(self.type_url()?),
                b"value" if is_own && content.is_none() => {
                    self.refuse_nil()?;
                    let place = self.here();
                    let leaf = self.lexer.leaf(&mut self.scratch)?;
                    let start = self.out.len();
                    writer::tag(self.out, any::VALUE, WireType::Len);
                    if self.bytes(leaf, place)? {
                        self.out.truncate(start);
                    }
                    content = Some(None);
                }
                b"type" if is_own => return Err(self.lexer.refused("<type> is there twice")),
                local if content.is_some() => {
                    let text = format!("<{}> stands in an Any, which holds one message only", shown(local));
                    return Err(self.lexer.refused(text));
                }
                _ => {
                    let id = self.content_type(url.as_deref())?;
                    let start = self.out.len();
                    writer::tag(self.out, any::VALUE, WireType::Len);
                    let length = Length::begin(self.out);
                    self.root(id, None)?;
                    length.end_unless_empty(self.out, start);
                    content = Some(Some(id));
                }
            }
        }
        let problem = match (&url, content) {
            (None, None) => return Ok(()),
            (None, Some(_)) => "an Any needs the element <type>",
            (Some(_), None) => "an Any needs the element of its message beside <type>",
            (Some(url), Some(Some(id))) if any::message_of(self.schema, url) != Some(id) => {
                "the message in an Any is of another type than <type> says"
            }
            (Some(_), Some(_)) => return Ok(()),
        };
        Err(self.error(place, problem))
    }

    fn type_url(&mut self) -> Result<Vec<u8>> {
        self.refuse_nil()?;
        let place = self.here();
        let leaf = self.lexer.leaf(&mut self.scratch)?;
        let text = trimmed(leaf.of(&self.scratch));
        let url = unescaped(std::str::from_utf8(text).unwrap_or_default()).into_owned().into_bytes();
        if !url.contains(&b'/') {
            let text = "<type> is no type URL, such as \"type.googleapis.com/package.Message\"";
            return Err(self.error(place, text));
        }
        writer::bytes(self.out, any::TYPE_URL, &url);
        Ok(url)
    }

    /// The type of the message that the innermost element holds: that of the type URL, or before one was read the one
    /// that its own name stands for.
    fn content_type(&self, url: Option<&[u8]>) -> Result<MessageId> {
        match url {
            Some(url) => any::message_of(self.schema, url).ok_or_else(|| {
                let url = any::shown(url);
                let text = format!(
                    "the type {url:?} is not known here; its bytes can be given in <value> as base64"
                );
                self.lexer.refused(text)
            }),
            None => self.named_message().ok_or_else(|| {
                let text = format!("<type> is needed before <{}>", shown(self.lexer.local()));
                self.lexer.refused(text)
            }),
        }
    }

    fn named_message(&self) -> Option<MessageId> {
        let local = unescaped(std::str::from_utf8(self.lexer.local()).ok()?);
        match package_of(self.lexer.namespace())? {
            "" => self.schema.find_message(&local),
            package => self.schema.find_message(&format!("{package}.{local}")),
        }
        .filter(|&id| {
            let message = self.schema.message(id);
            let package = self.schema.text(message.package());
            xml_name::local(self.schema.text(message.name()), package) == local
        })
    }
}

/// An `xs:dateTime`. One without a zone is taken as UTC.
fn date_time(text: &[u8]) -> Option<time::Time> {
    let zone = text.get(19..)?;
    let has_zone = zone.iter().any(|byte| matches!(byte, b'Z' | b'+' | b'-'));
    if has_zone { time::parse_timestamp(text) } else { time::parse_timestamp(&[text, b"Z"].concat()) }
}
