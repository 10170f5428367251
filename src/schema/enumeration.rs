//! Enums.

use super::names::{NameIndex, NumberIndex};
use super::{Name, Schema};

/// An enum: its values and how they are found.
#[derive(Debug)]
pub struct Enum {
    pub(super) name: Name,
    pub(super) package: Name,
    pub(super) values: Box<[EnumValue]>,
    pub(super) by_name: NameIndex,
    pub(super) by_number: NumberIndex,
    pub(super) is_null: bool,
}

/// One value of an enum.
#[derive(Debug)]
pub struct EnumValue {
    pub(super) number: i32,
    pub(super) name: Name,
    pub(super) quoted: Name,
}

impl EnumValue {
    /// The number.
    pub const fn number(&self) -> i32 {
        self.number
    }

    /// The name.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The name in double quotes.
    #[inline]
    pub const fn quoted(&self) -> Name {
        self.quoted
    }
}

impl Enum {
    /// The full name, without a leading dot.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The package that it is declared in, empty without one. Equal packages are equal names.
    pub const fn package(&self) -> Name {
        self.package
    }

    /// The values in order of declaration; the first one is the default.
    pub fn values(&self) -> &[EnumValue] {
        &self.values
    }

    /// Whether it is `google.protobuf.NullValue`, which JSON writes as `null`.
    #[inline]
    pub const fn is_null(&self) -> bool {
        self.is_null
    }

    /// The number of the value with this name.
    #[inline]
    pub fn number(&self, schema: &Schema, name: &[u8]) -> Option<i32> {
        let position = self.by_name.find(name, |at| schema.bytes(self.values[at as usize].name) == name)?;
        Some(self.values[position as usize].number)
    }

    /// The value with this number; of several the first declared.
    #[inline]
    pub fn value(&self, number: i32) -> Option<&EnumValue> {
        self.by_number.find(number).map(|position| &self.values[position as usize])
    }

    /// The number that an unset field of this enum has.
    pub fn default_number(&self) -> i32 {
        self.values.first().map_or(0, EnumValue::number)
    }
}
