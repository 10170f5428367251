//! What attributes say of an element: whether it is nil.

use super::error::{Result, shown};
use super::lexer::{XML, XSI};
use super::read::Reader;
use crate::schema::message::{Cardinality, Field, Kind, WellKnown};

impl Reader<'_, '_, '_> {
    /// Whether the innermost element, whose start tag was read last, is nil. Attributes that mean nothing here are
    /// refused.
    pub(super) fn is_nil(&self, field: &Field) -> Result<bool> {
        if self.lexer.attributes().is_empty() {
            return Ok(false);
        }
        let well_known = match field.kind() {
            Kind::Message(id) if field.cardinality() != Cardinality::Map => {
                self.schema.message(id).well_known()
            }
            _ => None,
        };
        self.nil_of(well_known)
    }

    pub(super) fn nil_of(&self, well_known: Option<WellKnown>) -> Result<bool> {
        let has_kind =
            matches!(well_known, Some(WellKnown::Value | WellKnown::Struct | WellKnown::ListValue));
        let mut is_nil = false;
        for attribute in self.lexer.attributes() {
            let space = self.lexer.namespace_of(attribute);
            match attribute.local() {
                b"nil" if space == XSI.as_bytes() => {
                    is_nil = match attribute.value().trim_ascii() {
                        b"true" | b"1" => true,
                        b"false" | b"0" => false,
                        _ => return Err(self.lexer.refused("xsi:nil must be true or false")),
                    };
                }
                b"type" | b"schemaLocation" | b"noNamespaceSchemaLocation" if space == XSI.as_bytes() => {}
                b"kind" if space.is_empty() && has_kind => {}
                _ if space == XML.as_bytes() || self.ignore_unknown => {}
                _ => {
                    let name = shown(attribute.name());
                    return Err(self.lexer.refused(format!("the attribute {name:?} is not known here")));
                }
            }
        }
        Ok(is_nil)
    }

    /// As [`Self::is_nil`], where nil has no meaning.
    pub(super) fn refuse_nil(&self) -> Result<()> {
        if self.nil_of(None)? { Err(self.lexer.refused("xsi:nil is not allowed here")) } else { Ok(()) }
    }

    /// The end of an element that holds nothing.
    pub(super) fn empty(&mut self) -> Result<()> {
        let place = self.here();
        let leaf = self.lexer.leaf(&mut self.scratch)?;
        if leaf.of(&self.scratch).trim_ascii().is_empty() {
            Ok(())
        } else {
            Err(self.error(place, "an element that is nil must be empty"))
        }
    }
}
