//! A codec for reflection that counts before it decodes: entries of two bytes on the wire take ten times as much and
//! more once they are decoded, so that a bound of bytes alone is not enough.

use std::fmt;
use std::sync::Arc;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::wire::WireType;
use crate::wire::reader::Reader;

/// How deep groups of unknown fields may be nested.
const GROUP_DEPTH: usize = 64;

/// The most entries of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) services: usize,
    /// Also imports of one file.
    pub(super) files: usize,
}

/// There are too many of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) limit: usize,
    pub(super) unit: &'static str,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} {}", self.limit, self.unit)
    }
}

impl std::error::Error for TooMany {}

impl Counts {
    /// Holds a `ServerReflectionResponse` against the counts.
    fn check_answer(self, wire: &[u8]) -> Result<(), TooMany> {
        // list_services_response.service and file_descriptor_response.file_descriptor_proto
        let services = entries(wire, 6).flat_map(|list| entries(list, 1));
        let files = entries(wire, 4).flat_map(|files| entries(files, 1));
        self.check(services, files)
    }

    /// Holds the imports and services of a `FileDescriptorProto` against the counts.
    pub(super) fn check_file(self, wire: &[u8]) -> Result<(), TooMany> {
        self.check(entries(wire, 6), entries(wire, 3))
    }

    fn check<'a>(
        self,
        mut services: impl Iterator<Item = &'a [u8]>,
        mut files: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), TooMany> {
        if services.nth(self.services).is_some() {
            return Err(TooMany { limit: self.services, unit: "services" });
        }
        if files.nth(self.files).is_some() {
            return Err(TooMany { limit: self.files, unit: "files" });
        }
        Ok(())
    }
}

/// The values of a field, up to the first byte that is no protobuf.
fn entries(wire: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(wire);
    std::iter::from_fn(move || {
        while !reader.is_at_end() {
            let (found, wire_type) = reader.tag().ok()?;
            if wire_type == WireType::Len {
                let value = reader.bytes().ok()?;
                if found == number {
                    return Some(value);
                }
            } else {
                reader.skip(found, wire_type, GROUP_DEPTH).ok()?;
            }
        }
        None
    })
}

impl Codec for Counts {
    type Encode = ServerReflectionRequest;
    type Decode = ServerReflectionResponse;
    type Encoder = ProstEncoder<ServerReflectionRequest>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Decoder for Counts {
    type Item = ServerReflectionResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let wire = buffer.copy_to_bytes(buffer.remaining());
        self.check_answer(&wire).map_err(|too_many| {
            let mut status = Status::resource_exhausted(too_many.to_string());
            status.set_source(Arc::new(too_many));
            status
        })?;
        let answer = ServerReflectionResponse::decode(wire);
        answer.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::writer;

    fn repeated(outer: u32, inner: u32, count: usize) -> Vec<u8> {
        let mut list = Vec::new();
        (0..count).for_each(|_| writer::bytes(&mut list, inner, b""));
        let mut wire = Vec::new();
        writer::bytes(&mut wire, outer, &list);
        wire
    }

    #[test]
    fn entries_are_counted_wherever_they_are() {
        let counts = Counts { services: 3, files: 2 };
        let services = Err(TooMany { limit: 3, unit: "services" });
        let files = Err(TooMany { limit: 2, unit: "files" });
        for (wire, expected) in [
            (repeated(6, 1, 3), Ok(())),
            (repeated(6, 1, 4), services),
            ([repeated(6, 1, 2), repeated(6, 1, 2)].concat(), services),
            (repeated(4, 1, 2), Ok(())),
            (repeated(4, 1, 3), files),
            (repeated(4, 2, 9), Ok(())),
            (b"\xff\xff".to_vec(), Ok(())),
        ] {
            assert_eq!(counts.check_answer(&wire), expected, "{wire:?}");
        }
        let file = |number: u32, count: usize| {
            let mut wire = Vec::new();
            (0..count).for_each(|_| writer::bytes(&mut wire, number, b""));
            wire
        };
        assert_eq!(counts.check_file(&file(3, 2)), Ok(()));
        assert_eq!(counts.check_file(&file(3, 3)), files);
        assert_eq!(counts.check_file(&file(6, 4)), services);
    }
}
