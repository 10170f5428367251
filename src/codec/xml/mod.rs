//! Messages as XML: text to and from wire bytes by the same tables as JSON, without a tree in between.
//!
//! A message is an element in the namespace of its package (`urn:shop.v1`), its fields are elements of that namespace
//! by their JSON names, in order of declaration; they are read in any order, and without any namespace too:
//!
//! - a list is an element for each value; a map `<field><entry><key/><value/></entry>…</field>`;
//! - an enum value is its name, one that the schema does not know its number; `bytes` are base64; doubles that are no
//!   number `NaN`, `INF` and `-INF`; a Timestamp is an `xs:dateTime`, Duration and FieldMask are as in JSON;
//! - a wrapper is the value that it holds;
//! - a Struct holds `entry` as a map does, a ListValue an `item` for each value; a Value says in its attribute `kind`
//!   what it is (`null`, `number`, `string`, `bool`, `struct`, `list`), and null is `xsi:nil` besides;
//! - an Any holds the element `type`, its type URL, and then the message as an element of its own; of a type that is not
//!   known `value` with base64;
//! - text that XML cannot carry is written as [names](crate::schema::xml_name) are.
//!
//! [`read`] and [`mod@write`] do it for a text of its own. Whoever reads an envelope drives a [`lexer::Lexer`] itself and
//! has [`read::read_content`] read the element that it stands in; [`write::write_as`] writes a message as an element of
//! any name.

pub mod encoding;
pub mod error;
mod escape;
pub mod lexer;
mod markup;
pub mod read;
mod read_attributes;
mod read_value;
mod read_well_known;
mod scan;
pub mod split;
pub mod status;
pub mod write;
mod write_members;
mod write_value;
mod write_well_known;

#[cfg(test)]
mod tests;
