//! XML as the body of a request, and as an answer.
//!
//! A body that is the whole request, or a single message in it, is the element that this message is by itself, just as
//! an answer of that type is. Where the rule binds body or answer to a field of another kind (a list, a map, a number),
//! the element is that of the message which holds the field, with nothing but this field in it.

use super::{Binding, Body};
use crate::codec::fields::single_message;
use crate::codec::xml::encoding::decode;
use crate::codec::xml::error::{ReadError, WriteError};
use crate::codec::xml::lexer::Limits;
use crate::codec::xml::read::{ReadOptions, read, read_only};
use crate::codec::xml::write::{self, WriteOptions};
use crate::schema::Schema;
use crate::schema::message::Field;
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

impl Binding {
    /// What bounds the XML text of a message.
    pub const fn xml_limits(&self) -> Limits {
        Limits { depth: self.options.read.max_depth, elements: self.options.max_elements }
    }

    pub(super) fn bind_xml(
        &self,
        schema: &Schema,
        body: &[u8],
        charset: Option<&str>,
        is_wrapped: bool,
        wire: &mut Vec<u8>,
    ) -> Result<(), Box<ReadError>> {
        let text = decode(body, charset)?;
        let limits = self.xml_limits();
        let options = ReadOptions { ignore_unknown: self.options.read.ignore_unknown, limits, is_wrapped };
        let path = match &self.body {
            Body::None => return Ok(()),
            Body::Whole => return read(schema, self.input, &text, &options, wire),
            Body::Field(path) => path,
        };
        let field = path.leaf(schema);
        let Some(inner) = single_message(field) else {
            // A body is a field of the request itself, so that the path has one step.
            let position = path.steps().last().map_or(0, |&(_, position)| position);
            return read_only(schema, self.input, position, &text, &options, wire);
        };
        let read = |field: &Field, wire: &mut Vec<u8>| {
            if field.is_delimited() {
                writer::tag(wire, field.number(), WireType::StartGroup);
                read(schema, inner, &text, &options, wire)?;
                writer::tag(wire, field.number(), WireType::EndGroup);
            } else {
                writer::tag(wire, field.number(), WireType::Len);
                let length = Length::begin(wire);
                read(schema, inner, &text, &options, wire)?;
                length.end(wire);
            }
            Ok(())
        };
        path.write(schema, wire, read).map_err(|mut error: Box<ReadError>| {
            error.path.push_field(schema.text(field.json_name()));
            error
        })
    }

    /// As [`Binding::answer`], in XML.
    ///
    /// # Errors
    /// When the message cannot be written as XML.
    pub fn answer_xml(
        &self,
        schema: &Schema,
        wire: &[u8],
        options: &WriteOptions,
        text: &mut Vec<u8>,
    ) -> Result<(), Box<WriteError>> {
        match self.response {
            None => write::write(schema, self.output, wire, options, text),
            Some(position) => write::write_field(schema, self.output, position, wire, options, text),
        }
    }
}
