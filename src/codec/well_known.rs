//! What each text has to know of the well-known types that it has a form of its own for.

/// Of `google.protobuf.Value`.
pub(super) mod value {
    pub(in crate::codec) const NULL: u32 = 1;
    pub(in crate::codec) const NUMBER: u32 = 2;
    pub(in crate::codec) const STRING: u32 = 3;
    pub(in crate::codec) const BOOL: u32 = 4;
    pub(in crate::codec) const STRUCT: u32 = 5;
    pub(in crate::codec) const LIST: u32 = 6;
}

/// Of `google.protobuf.Any`.
pub(super) mod any {
    use crate::codec::error::cut;
    use crate::schema::{MessageId, Schema};
    use crate::wire::WireType;
    use crate::wire::reader::{Error, Reader};

    pub(in crate::codec) const TYPE_URL: u32 = 1;
    pub(in crate::codec) const VALUE: u32 = 2;

    /// The type URL and the bytes of an Any, in which groups may lie `groups` deep in one another.
    pub(in crate::codec) fn read<'w>(
        mut wire: Reader<'w>,
        groups: usize,
    ) -> Result<(&'w [u8], &'w [u8]), Error> {
        let (mut url, mut value): (&'w [u8], &'w [u8]) = (&[], &[]);
        while !wire.is_at_end() {
            match wire.tag()? {
                (TYPE_URL, WireType::Len) => url = wire.bytes()?,
                (VALUE, WireType::Len) => value = wire.bytes()?,
                (number, wire_type) => wire.skip(number, wire_type, groups)?,
            }
        }
        Ok((url, value))
    }

    /// The message that a type URL names, if the schema has it.
    pub(in crate::codec) fn message_of(schema: &Schema, url: &[u8]) -> Option<MessageId> {
        let (_, name) = std::str::from_utf8(url).ok()?.rsplit_once('/')?;
        schema.find_message(name)
    }

    /// A type URL for an error text.
    pub(in crate::codec) fn shown(url: &[u8]) -> String {
        cut(url, 200)
    }
}
