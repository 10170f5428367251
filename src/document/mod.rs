//! What clients are generated from: XML Schema of packages and WSDL of services, written from the descriptors.
//!
//! ```text
//! comments  whether those of proto files are in them
//! text    XML with indentation, escaped
//! types   which messages and enums a document describes, by package
//! xsd     one `xs:schema` for a package or a service
//! wsdl    a service with its schemas: WSDL 1.1 with bindings for SOAP 1.1 and 1.2
//! ```
//!
//! The forms are those of `codec::xml`, whose answers are valid by what is written here.

pub mod comments;
mod text;
mod types;
pub mod wsdl;
pub mod xsd;

#[cfg(test)]
mod tests;
