//! `google.rpc.Status` as XML: the body of an error.

use super::write::{How, Scope, Space, Tag, TagName, WriteOptions, Writer, with_writer};
use crate::schema::Schema;
use crate::schema::message::Kind;
use crate::schema::xml_name::namespace;
use crate::status::Status;

const PACKAGE: &str = "google.rpc";
const ANY: &str = "google.protobuf";

/// Appends a status as the element that `google.rpc.Status` is by itself: `<Status xmlns="urn:google.rpc"><code/>
/// <message/><details/>…</Status>`, each detail an Any. A detail whose type the schema does not know, or whose bytes are
/// broken, keeps its type beside its bytes as base64 in `value`.
pub fn write_status(schema: &Schema, status: &Status, options: &WriteOptions, text: &mut Vec<u8>) {
    let (own, any) = (namespace(PACKAGE), namespace(ANY));
    // What is broken is kept as it is, so that nothing is left that can fail but a text that is too long.
    let written = with_writer(schema, options, text, status.message().len(), |writer| {
        writer.keeps_broken = true;
        write_with(writer, status, &own, &any)
    });
    if written.is_err() {
        let short = Status::caller(status.code(), "The error has too much to say.");
        let _ = with_writer(schema, options, text, 64, |writer| write_with(writer, &short, &own, &any));
    }
}

fn write_with<'a>(
    writer: &mut Writer<'a, '_>,
    status: &Status,
    own: &'a str,
    any: &'a str,
) -> super::write::Result<()> {
    let space = Space::Given(own);
    writer.scope = Scope { space, how: How::Default };
    let root = Tag { name: TagName::Text(b"Status"), how: How::Root(space) };
    writer.composite(root, space, b"", |writer| {
        let [code, message, details] = ["code", "message", "details"].map(|name| writer.fixed(name));
        writer.start(code);
        writer.number(Kind::Int32, status.code().number() as u64);
        writer.end(code);
        writer.start(message);
        writer.text(status.message().as_bytes(), true)?;
        writer.end(message);
        for detail in status.details() {
            writer.any_of(details, Space::Given(any), detail.type_url.as_bytes(), &detail.value)?;
        }
        Ok(())
    })
}
