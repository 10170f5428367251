//! `google/protobuf/descriptor.proto` read in place: nothing is copied, nested descriptors stay bytes
//! until they are asked for, and what a codec does not need (source locations, reserved ranges) is
//! never looked at. Field numbers are those of `descriptor.proto`.

use crate::wire::WireType;
use crate::wire::reader::{Error, ErrorKind, Reader};

/// Options may hold groups of extensions that nobody here knows.
const GROUP_DEPTH: usize = 64;

/// One field as it lies on the wire.
#[derive(Clone, Copy)]
pub(super) struct RawField<'a> {
    pub(super) number: u32,
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> RawField<'a> {
    /// The value, zero for one of another wire type.
    pub(super) const fn varint(&self) -> u64 {
        match self.value {
            Value::Varint(value) => value,
            _ => 0,
        }
    }

    /// The value, empty for one of another wire type.
    pub(super) const fn bytes(&self) -> &'a [u8] {
        match self.value {
            Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    fn text(&self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()).map_err(|_| Error { offset: 0, kind: ErrorKind::Utf8 })
    }
}

/// The fields of a message, one after the other.
pub(super) struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    pub(super) const fn new(wire: &'a [u8]) -> Self {
        Self(Reader::new(wire))
    }

    /// Where the next field begins.
    pub(super) const fn position(&self) -> usize {
        self.0.position()
    }

    fn read(&mut self) -> Result<RawField<'a>, Error> {
        let (number, wire_type) = self.0.tag()?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(self.0.varint()?),
            WireType::Len => Value::Bytes(self.0.bytes()?),
            _ => {
                self.0.skip(number, wire_type, GROUP_DEPTH)?;
                Value::Other
            }
        };
        Ok(RawField { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<RawField<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_at_end() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(field)
    }
}

/// Declares a descriptor message: its fields with their numbers and how each is read.
macro_rules! descriptor {
    ($(#[$meta:meta])* $name:ident $(<$a:lifetime>)? {
        $($field:ident: $kind:ident = $number:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Default)]
        pub(super) struct $name $(<$a>)? {
            $(pub(super) $field: descriptor!(@type $kind),)*
        }

        impl $(<$a>)? $name $(<$a>)? {
            pub(super) fn read(wire: descriptor!(@wire $($a)?)) -> Result<Self, Error> {
                let mut message = Self::default();
                for field in Fields::new(wire) {
                    let field = field?;
                    match field.number {
                        $($number => descriptor!(@read $kind message.$field, field),)*
                        _ => {}
                    }
                }
                Ok(message)
            }
        }
    };
    (@wire) => { &[u8] };
    (@wire $a:lifetime) => { &$a [u8] };
    (@type text) => { &'a str };
    (@type number) => { u64 };
    (@type maybe_number) => { Option<u64> };
    (@type message) => { &'a [u8] };
    (@type messages) => { Vec<&'a [u8]> };
    (@type texts) => { Vec<&'a str> };
    (@read text $to:expr, $field:ident) => { $to = $field.text()? };
    (@read number $to:expr, $field:ident) => { $to = $field.varint() };
    (@read maybe_number $to:expr, $field:ident) => { $to = Some($field.varint()) };
    (@read message $to:expr, $field:ident) => { $to = $field.bytes() };
    (@read messages $to:expr, $field:ident) => { $to.push($field.bytes()) };
    (@read texts $to:expr, $field:ident) => { $to.push($field.text()?) };
}

descriptor! {
    /// `FileDescriptorSet`.
    FileSet<'a> { files: messages = 1, }
}

descriptor! {
    /// `FileDescriptorProto`.
    File<'a> {
        name: text = 1,
        package: text = 2,
        dependencies: texts = 3,
        messages: messages = 4,
        enums: messages = 5,
        services: messages = 6,
        extensions: messages = 7,
        options: message = 8,
        syntax: text = 12,
        edition: number = 14,
        option_dependencies: texts = 15,
    }
}

impl<'a> File<'a> {
    /// The files that it imports, also those for options alone.
    pub(super) fn imports(&self) -> impl Iterator<Item = &'a str> {
        self.dependencies.iter().chain(&self.option_dependencies).copied()
    }
}

descriptor! {
    /// `DescriptorProto`.
    Message<'a> {
        name: text = 1,
        fields: messages = 2,
        nested: messages = 3,
        enums: messages = 4,
        extensions: messages = 6,
        options: message = 7,
        oneofs: messages = 8,
    }
}

descriptor! {
    /// `MessageOptions`.
    MessageOptions { message_set: number = 1, map_entry: number = 7, }
}

descriptor! {
    /// `FieldDescriptorProto`.
    Field<'a> {
        name: text = 1,
        extendee: text = 2,
        number: number = 3,
        label: number = 4,
        kind: number = 5,
        type_name: text = 6,
        options: message = 8,
        oneof: maybe_number = 9,
        json_name: text = 10,
        proto3_optional: number = 17,
    }
}

descriptor! {
    /// `FieldOptions`.
    FieldOptions { packed: maybe_number = 2, }
}

descriptor! {
    /// `OneofDescriptorProto`.
    Oneof<'a> { name: text = 1, options: message = 2, }
}

descriptor! {
    /// `EnumDescriptorProto`.
    Enum<'a> { name: text = 1, values: messages = 2, options: message = 3, }
}

descriptor! {
    /// `EnumValueDescriptorProto`.
    EnumValue<'a> { name: text = 1, number: number = 2, }
}

descriptor! {
    /// `ServiceDescriptorProto`.
    Service<'a> { name: text = 1, methods: messages = 2, }
}

descriptor! {
    /// `MethodDescriptorProto`.
    Method<'a> {
        name: text = 1,
        input: text = 2,
        output: text = 3,
        options: message = 4,
        client_streaming: number = 5,
        server_streaming: number = 6,
    }
}

descriptor! {
    /// `MethodOptions`, with the extension `google.api.http`.
    MethodOptions<'a> { idempotency: number = 34, http: message = 72_295_728, }
}

/// Where the options messages hold their `FeatureSet`.
pub(super) mod features {
    pub(in super::super) const FILE: u32 = 50;
    pub(in super::super) const MESSAGE: u32 = 12;
    pub(in super::super) const FIELD: u32 = 21;
    pub(in super::super) const ONEOF: u32 = 1;
}
