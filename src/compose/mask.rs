//! The fields of an answer that are kept.

use std::collections::BTreeMap;

use super::source::GROUPS;
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer::{self, Length};

/// The fields of a message that are kept, by their numbers, each as a whole or with a mask for the messages in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(BTreeMap<u32, Option<Self>>);

impl Mask {
    /// Adds the field that a path of numbers leads to. What is kept as a whole stays so.
    pub fn add(&mut self, path: &[u32]) {
        match path {
            [] => {}
            [last] => drop(self.0.insert(*last, None)),
            [first, rest @ ..] => {
                if let Some(inner) = self.0.entry(*first).or_insert_with(|| Some(Self::default())) {
                    inner.add(rest);
                }
            }
        }
    }

    /// What it keeps of a message.
    pub(super) fn apply(&self, wire: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(wire.len());
        self.write(Reader::new(wire), &mut out)?;
        Ok(out)
    }

    fn write(&self, mut reader: Reader<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        while !reader.is_at_end() {
            let start = reader.position();
            let (number, wire_type) = reader.tag()?;
            match (self.0.get(&number), wire_type) {
                (Some(Some(inner)), WireType::Len) => {
                    writer::tag(out, number, WireType::Len);
                    let length = Length::begin(out);
                    inner.write(reader.nested()?, out)?;
                    length.end(out);
                }
                (Some(Some(inner)), WireType::StartGroup) => {
                    writer::tag(out, number, WireType::StartGroup);
                    inner.write(reader.group(number, GROUPS)?, out)?;
                    writer::tag(out, number, WireType::EndGroup);
                }
                (kept, _) => {
                    reader.skip(number, wire_type, GROUPS)?;
                    if kept == Some(&None) {
                        out.extend_from_slice(&reader.wire()[start..reader.position()]);
                    }
                }
            }
        }
        Ok(())
    }
}
