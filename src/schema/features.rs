//! Edition features: what proto2, proto3 and the editions 2023 and 2024 mean for a field.
//!
//! Specification: `google/protobuf/descriptor.proto` (FeatureSet) and
//! <https://protobuf.dev/editions/features/>. A feature that an element does not set comes from the
//! element around it, and at last from the edition.

use super::descriptor::Fields;
use crate::wire::reader::Error;

/// Whether a singular scalar field tells "unset" from "default".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A default value is the same as no value (`proto3` without `optional`).
    Implicit,
    /// Set or not, apart from its value.
    Explicit,
    /// It must be set (`proto2` `required`).
    Required,
}

/// The features that a codec must know, resolved for one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) presence: Presence,
    pub(super) packed: bool,
    pub(super) verify_utf8: bool,
    pub(super) delimited: bool,
    pub(super) closed_enum: bool,
}

/// `google.protobuf.Edition` numbers.
const PROTO2: u64 = 998;
const PROTO3: u64 = 999;
const EDITION_2023: u64 = 1000;
const EDITION_2024: u64 = 1001;

/// The edition that the `syntax` and `edition` of a file stand for.
pub(super) fn edition_number(syntax: &str, edition: u64) -> Result<u64, String> {
    match (syntax, edition) {
        ("" | "proto2", _) => Ok(PROTO2),
        ("proto3", _) => Ok(PROTO3),
        ("editions", EDITION_2023 | EDITION_2024) => Ok(edition),
        ("editions", number) => Err(format!(
            "it uses an edition (number {number}) that is not supported; editions 2023 and 2024 are"
        )),
        (other, _) => Err(format!("its syntax {other:?} is not supported; proto2, proto3 and editions are")),
    }
}

impl Features {
    /// The defaults of an edition that [`edition_number`] returned.
    pub(super) const fn of_edition(edition: u64) -> Self {
        match edition {
            PROTO2 => Self {
                presence: Presence::Explicit,
                packed: false,
                verify_utf8: false,
                delimited: false,
                closed_enum: true,
            },
            PROTO3 => Self {
                presence: Presence::Implicit,
                packed: true,
                verify_utf8: true,
                delimited: false,
                closed_enum: false,
            },
            _ => Self {
                presence: Presence::Explicit,
                packed: true,
                verify_utf8: true,
                delimited: false,
                closed_enum: false,
            },
        }
    }

    /// These features with what a `FeatureSet` message sets.
    pub(super) fn with(mut self, feature_set: &[u8]) -> Result<Self, Error> {
        for field in Fields::new(feature_set) {
            let field = field?;
            match (field.number, field.varint()) {
                (1, 1) => self.presence = Presence::Explicit,
                (1, 2) => self.presence = Presence::Implicit,
                (1, 3) => self.presence = Presence::Required,
                (2, value @ (1 | 2)) => self.closed_enum = value == 2,
                (3, value @ (1 | 2)) => self.packed = value == 1,
                (4, value @ (2 | 3)) => self.verify_utf8 = value == 2,
                (5, value @ (1 | 2)) => self.delimited = value == 2,
                _ => {}
            }
        }
        Ok(self)
    }

    /// These features with those of an options message, which holds its `FeatureSet` under `number`.
    pub(super) fn with_options(self, options: &[u8], number: u32) -> Result<Self, Error> {
        let mut features = self;
        for field in Fields::new(options) {
            let field = field?;
            if field.number == number {
                features = features.with(field.bytes())?;
            }
        }
        Ok(features)
    }
}
