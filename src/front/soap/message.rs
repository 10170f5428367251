//! Messages as the content of an envelope's body.
//!
//! The element that names the method holds the fields of the message, in its own namespace. A message that has a form of
//! its own in XML is an element in there, and so is each message of a stream.

use super::envelope;
use super::fault::Fault;
use super::list;
use crate::call::Reply;
use crate::codec::xml::encoding;
use crate::codec::xml::lexer::{Lexer, Limits as Bounds};
use crate::codec::xml::read::read_content;
use crate::codec::xml::write::{Element, push_attribute, write_as};
use crate::document::xsd::{ITEM, VALUE, response_name};
use crate::front::stream::unwritable;
use crate::schema::xml_name::{namespace, spelled};
use crate::schema::{MessageId, Schema};
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};

/// Elements around those of a message: envelope, body, and the one for the method or that for a value.
const AROUND: usize = 4;

/// How much larger than a message the list of a stream's messages may be.
const LIST: usize = 4;

/// What bounds an envelope up to its body.
pub(super) const HEADER: Bounds = Bounds { depth: 32, elements: 10_000 };

/// A method as the schema knows it.
struct Method<'r> {
    schema: &'r Schema,
    service: &'r str,
    input: MessageId,
    output: MessageId,
    /// The name of the element in answers, as XML spells it.
    response: String,
}

impl<'r> Method<'r> {
    fn of(route: &'r Route) -> Result<Self, Status> {
        let endpoint = &route.endpoint;
        let (schema, name) = (&*endpoint.schema, &*endpoint.full_name);
        let Some(((service, method), (table, own))) = name.split_once('/').zip(schema.method(name)) else {
            // The route was made of it.
            return Err(Status::gateway(Code::Internal, "The method is not in the descriptors."));
        };
        let response = spelled(&response_name(schema, table, method)).into_owned();
        Ok(Self { schema, service, input: own.input(), output: own.output(), response })
    }

    fn has_form(&self, message: MessageId) -> bool {
        self.schema.message(message).well_known().is_some()
    }
}

/// The message in an envelope whose body holds an element for the method, in wire form.
///
/// # Errors
/// When the envelope is not valid, or holds no such message.
pub(super) fn read(route: &Route, envelope: &[u8], charset: Option<&str>) -> Result<Vec<u8>, Fault> {
    let method = Method::of(route)?;
    let options = &route.endpoint.options.read;
    let Bounds { depth, elements } = route.binding.xml_limits();
    let bounds = Bounds { depth: depth + AROUND, elements };
    let own = namespace(method.service);
    let text = encoding::decode(envelope, charset).map_err(envelope::invalid)?;
    let mut lexer = Lexer::new(&text, bounds).map_err(envelope::invalid)?;
    envelope::reopen(&mut lexer)?;
    let mut wire = Vec::with_capacity(envelope.len() / 2);
    let mut content = |lexer: &mut Lexer<'_>| {
        read_content(method.schema, method.input, lexer, &own, options.ignore_unknown, &mut wire)
            .map_err(envelope::invalid)
    };
    if method.has_form(method.input) {
        read_value(&own, &mut lexer, content)?;
    } else {
        content(&mut lexer)?;
    }
    envelope::finish(&mut lexer)?;
    Ok(route.binding.complete(method.schema, wire)?)
}

/// A message with a form of its own. Nothing is the empty message.
fn read_value(
    own: &str,
    lexer: &mut Lexer<'_>,
    mut content: impl FnMut(&mut Lexer<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut count = 0;
    while lexer.child().map_err(envelope::invalid)? {
        count += 1;
        if count > 1 || !(lexer.is(own, VALUE) || lexer.is("", VALUE)) {
            let text = format!("one element {VALUE} is needed here and no other");
            return Err(envelope::invalid(lexer.refused(text)));
        }
        content(lexer)?;
    }
    Ok(())
}

/// Writes the message of a reply, or all of a stream, as the element for the answer of the method.
///
/// # Errors
/// When a message cannot be written, or there are too many. How the call ended is in the reply.
pub(super) async fn write(
    route: &Route,
    reply: &mut Reply,
    limits: &Limits,
    text: &mut Vec<u8>,
) -> Result<(), Status> {
    let method = Method::of(route)?;
    let options = &route.endpoint.options.write;
    let own = namespace(method.service);
    let streams = route.endpoint.method.server_streaming;
    if !streams && !method.has_form(method.output) {
        let element = Element { name: &method.response, namespace: &own };
        return write_as(method.schema, method.output, &reply.message.bytes, element, options, text)
            .map_err(|error| unwritable(route, error, true));
    }
    start(&method, &own, text);
    let write = |wire: &[u8], name: &str, text: &mut Vec<u8>| {
        write_as(method.schema, method.output, wire, Element { name, namespace: &own }, options, text)
            .map_err(|error| unwritable(route, error, true))
    };
    if streams {
        let limit = limits.message.saturating_mul(LIST);
        list::collect(reply, limit, text, |message, text| write(message, ITEM, text)).await?;
    } else {
        write(&reply.message.bytes, VALUE, text)?;
    }
    text.extend_from_slice(b"</");
    text.extend_from_slice(method.response.as_bytes());
    text.push(b'>');
    Ok(())
}

fn start(method: &Method<'_>, own: &str, text: &mut Vec<u8>) {
    text.push(b'<');
    text.extend_from_slice(method.response.as_bytes());
    text.extend_from_slice(b" xmlns=\"");
    push_attribute(text, own);
    text.extend_from_slice(b"\">");
}
