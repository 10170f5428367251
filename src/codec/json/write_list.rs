//! Lists as JSON arrays.

use super::write::{Result, Stop, Writer};
use super::write_value::Before;
use crate::codec::fields::fits;
use crate::schema::message::Field;
use crate::wire::WireType;
use crate::wire::reader::Reader;

/// Memory is nearly full when no more than so many bytes are free: more than any number takes.
const NEAR: usize = 128;

impl<'a> Writer<'a, '_> {
    /// The elements of a list from the first one, whose tag was read, to the last one that follows without a
    /// gap.
    pub(super) fn elements(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
    ) -> Result<()> {
        let mut wire_type = wire_type;
        let mut index = 0;
        let mut ahead = *wire;
        loop {
            self.occurrence(field, wire_type, &mut ahead, &mut index)?;
            wire.seek(ahead.position());
            if ahead.take_tag(field.tag()) {
                wire_type = field.wire_type();
                continue;
            }
            if ahead.is_at_end() {
                return Ok(());
            }
            let (number, next) = ahead.tag()?;
            if number != field.number() || !fits(field, next) {
                return Ok(());
            }
            wire_type = next;
        }
    }

    /// One occurrence of a repeated field: an element, or a packed run of them, each behind a comma.
    #[inline]
    pub(super) fn occurrence(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
        index: &mut usize,
    ) -> Result<()> {
        if wire_type == WireType::Len && field.kind().is_packable() {
            return self.packed(field, wire.nested()?);
        }
        self.inlined_value(Before::COMMA, field, wire_type, wire).map_err(|stop| in_element(stop, *index))?;
        self.check_length()?;
        *index += 1;
        Ok(())
    }

    fn packed(&mut self, field: &'a Field, mut elements: Reader<'_>) -> Result<()> {
        let wire_type = field.kind().wire_type();
        let (from, start) = (elements.position(), self.out.len());
        // Few bytes can make much text here, so that memory doubled again and again would be slow.
        let mut enough = self.near_full();
        while !elements.is_at_end() {
            self.inlined_value(Before::COMMA, field, wire_type, &mut elements)?;
            if self.out.len() >= enough {
                self.check_length()?;
                // As much text for each byte that is left as for those before, and some more.
                let (done, left) = (elements.position() - from, elements.wire().len() - elements.position());
                let expected = (self.out.len() - start).saturating_mul(left + left / 8) / done.max(1);
                self.out.reserve(expected.min(self.limit - self.out.len()).saturating_add(NEAR));
                enough = self.near_full();
            }
        }
        self.check_length()
    }

    /// The length of the text from which on memory is nearly full, or the text is too long.
    fn near_full(&self) -> usize {
        self.out.capacity().saturating_sub(NEAR).min(self.limit)
    }
}

fn in_element(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::Error(mut error) => {
            error.path.push_index(index);
            Stop::Error(error)
        }
        Stop::Unusual => Stop::Unusual,
    }
}
