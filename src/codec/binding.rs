//! Path, query and body of an HTTP request into the one request message, as `google/api/http.proto`
//! binds them; and the part of the response message that is the HTTP answer.
//!
//! The parts are written one behind the other: query, body, path. In protobuf the last value of a field wins
//! and messages that come in pieces are merged, so a path variable wins over all else. The pieces are joined
//! at the end, for the sake of backends whose parser does not merge them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use super::field_path::{FieldPath, PathError};
use super::fields::single_message;
use super::http_body::{HttpBody, is_http_body};
use super::json::error::WriteError;
use super::json::read::{self, ReadOptions};
use super::json::text::{is_textual, read_text, reset};
use super::json::write::{self, WriteOptions};
use super::pieces;
use super::required::missing_field;
use crate::route::query::{QueryError, pairs};
use crate::schema::message::{Cardinality, Field, Kind, WellKnown};
use crate::schema::{MessageId, Schema};
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};
use crate::wire::writer;

mod form;
mod frame;
mod upload;
mod xml;

pub use form::BodyFormat;
pub use frame::{Around, Content};
pub use upload::{CHUNK, FormUpload, UploadLimits};

/// Names in a path of a rule; the grammar itself sets no bound.
const MAX_RULE_PATH: usize = 32;

/// How many characters of a name error texts repeat: it comes from the caller.
const MAX_SHOWN: usize = 200;

/// What a request is bound by.
#[derive(Clone, Debug)]
pub struct BindingOptions {
    /// How JSON bodies and the text of single values are read; depth and unknown names of XML too.
    pub read: ReadOptions,
    /// Skip query parameters that name no field instead of refusing them.
    pub ignore_unknown_query: bool,
    /// How many query parameters, and how many fields of a form, a request may have.
    pub max_parameters: usize,
    /// How many names the path of a query parameter or of a form's field may have.
    pub max_path: usize,
    /// How many elements XML may have.
    pub max_elements: usize,
    /// How many messages may lie inside one another on the wire.
    pub max_depth: usize,
}

impl Default for BindingOptions {
    fn default() -> Self {
        Self {
            read: ReadOptions::default(),
            ignore_unknown_query: false,
            max_parameters: 1000,
            max_path: 32,
            max_elements: 100_000,
            max_depth: 100,
        }
    }
}

/// What the HTTP body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: a body is not looked at.
    None,
    /// The whole request message.
    Whole,
    /// One field of the request message.
    Field(FieldPath),
}

/// How the requests of one rule become messages, and messages answers.
#[derive(Clone, Debug)]
pub struct Binding {
    input: MessageId,
    output: MessageId,
    variables: Vec<(String, FieldPath)>,
    body: Body,
    /// Whether the body is bound to a `google.api.HttpBody`.
    takes_raw: bool,
    /// The position of the field in the response message that is the answer.
    response: Option<usize>,
    /// Whether the answer is a `google.api.HttpBody`.
    gives_raw: bool,
    options: BindingOptions,
}

/// The parts of a rule that name fields.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The field paths of the template's variables, in their order.
    pub variables: &'a [String],
    /// Empty, `*` or the name of a request field.
    pub body: &'a str,
    /// Empty or the name of a response field.
    pub response_body: &'a str,
}

impl Binding {
    /// Resolves the fields that a rule names.
    ///
    /// # Errors
    /// A sentence about the first one that does not fit.
    pub fn new(
        schema: &Schema,
        [input, output]: [MessageId; 2],
        rule: Rule<'_>,
        options: BindingOptions,
    ) -> Result<Self, String> {
        let mut variables: Vec<(String, FieldPath)> = Vec::with_capacity(rule.variables.len());
        for name in rule.variables {
            let path = variable(schema, input, name)?;
            if variables.iter().any(|(_, other)| *other == path) {
                return Err(format!("the path variable {{{name}}} stands twice"));
            }
            variables.push((name.clone(), path));
        }
        let body = match rule.body {
            "" => Body::None,
            "*" => Body::Whole,
            name => Body::Field(body_field(schema, input, name)?),
        };
        let response = match rule.response_body {
            "" => None,
            name => Some(top_level(schema, output, name, "response_body")?),
        };
        let taken = match &body {
            Body::None => None,
            Body::Whole => Some(input),
            Body::Field(path) => single_message(path.leaf(schema)),
        };
        let given = match response {
            None => Some(output),
            Some(position) => single_message(&schema.message(output).fields()[position]),
        };
        let [takes_raw, gives_raw] = [taken, given].map(|id| id.is_some_and(|id| is_http_body(schema, id)));
        Ok(Self { input, output, variables, body, takes_raw, response, gives_raw, options })
    }

    /// What the HTTP body is.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Whether bodies of any type are bound as they are, with [`BodyFormat::Raw`].
    pub const fn takes_raw(&self) -> bool {
        self.takes_raw
    }

    /// Whether answers are those of [`Binding::raw_answer`] and not messages as JSON or XML.
    pub const fn gives_raw(&self) -> bool {
        self.gives_raw
    }

    /// The request message in wire form, from the values of the path's variables in their order, the
    /// query string and the HTTP body, which is JSON. An empty body is no body.
    ///
    /// # Errors
    /// What is wrong with the request, with the names of the fields as `google.rpc.BadRequest`.
    pub fn request<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        query: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, Status> {
        self.request_as(schema, values, query, body, &BodyFormat::Json)
    }

    /// As [`Self::request`], with a body in any format.
    ///
    /// # Errors
    /// As [`Self::request`]; 415 for a form where the body is a field that is no message.
    pub fn request_as<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        query: &str,
        body: &[u8],
        format: &BodyFormat,
    ) -> Result<Vec<u8>, Status> {
        let mut wire = Vec::with_capacity(format.expected(body) + query.len() + 32);
        if !query.is_empty() {
            self.bind_query(schema, query, &self.body, &mut wire)?;
        }
        if !body.is_empty() && self.body != Body::None {
            match format {
                BodyFormat::Json => self.bind_json(schema, body, &mut wire)?,
                BodyFormat::Xml { charset, is_wrapped } => {
                    self.bind_xml(schema, body, charset.as_deref(), *is_wrapped, &mut wire)?;
                }
                BodyFormat::Form => self.bind_form(schema, body, &mut wire)?,
                BodyFormat::Multipart { boundary } => {
                    self.bind_multipart(schema, boundary, body, &mut wire)?;
                }
                BodyFormat::Raw { content_type } => {
                    self.bind_raw(schema, HttpBody { content_type, data: body }, &mut wire);
                }
            }
        }
        let is_form = matches!(format, BodyFormat::Form | BodyFormat::Multipart { .. });
        self.bind_path(schema, values, wire, is_form || is_dotted(query))
    }

    /// As [`Self::request`], with a body that is in wire form already, as [`FormUpload::next`] gives it.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn request_around<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        query: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Status> {
        let mut wire = Vec::new();
        if !query.is_empty() {
            self.bind_query(schema, query, &self.body, &mut wire)?;
        }
        if wire.is_empty() {
            wire = body;
        } else {
            wire.extend_from_slice(&body);
        }
        self.bind_path(schema, values, wire, true)
    }

    /// Appends the variables of the path, joins what is `in_pieces`, and checks that nothing is missing then.
    fn bind_path<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        mut wire: Vec<u8>,
        in_pieces: bool,
    ) -> Result<Vec<u8>, Status> {
        let is_nested = self.write_path(schema, values, &mut wire)?;
        self.joined(schema, wire, in_pieces || is_nested)
    }

    /// Appends the variables of the path, and says whether one of them lies within a message.
    fn write_path<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        wire: &mut Vec<u8>,
    ) -> Result<bool, Status> {
        let mut is_nested = false;
        for ((name, path), value) in self.variables.iter().zip(values) {
            let read = |field, wire: &mut Vec<u8>| {
                reset(schema, field, wire);
                read_text(schema, field, value, &self.options.read, wire)
            };
            let is_known = path
                .write(schema, wire, read)
                .map_err(|error| refused("path variable", name, error.message()))?;
            if !is_known {
                // What is ignored elsewhere cannot be left out here: the path wins over the body.
                return Err(refused("path variable", name, "its enum has no value of this name"));
            }
            is_nested |= path.steps().len() > 1;
        }
        Ok(is_nested)
    }

    /// Joins what is `in_pieces`, and checks that nothing is missing then.
    fn joined(&self, schema: &Schema, mut wire: Vec<u8>, in_pieces: bool) -> Result<Vec<u8>, Status> {
        let invalid =
            |error| Status::caller(Code::InvalidArgument, format!("The request is not valid: {error}."));
        if in_pieces {
            wire = pieces::join(schema, self.input, wire, self.options.max_depth).map_err(invalid)?;
        }
        self.complete(schema, wire)
    }

    /// A request message in wire form that has all its required fields.
    ///
    /// # Errors
    /// The first field that is missing.
    pub fn complete(&self, schema: &Schema, wire: Vec<u8>) -> Result<Vec<u8>, Status> {
        match missing_field(schema, self.input, &wire, self.options.max_depth) {
            Ok(None) => Ok(wire),
            Ok(Some(field)) => Err(refused("field", &field, "it is required and not set")),
            Err(error) => {
                Err(Status::caller(Code::InvalidArgument, format!("The request is not valid: {error}.")))
            }
        }
    }

    /// Appends the HTTP answer for a response message in wire form.
    ///
    /// # Errors
    /// When the message cannot be written as JSON.
    pub fn answer(
        &self,
        schema: &Schema,
        wire: &[u8],
        options: &WriteOptions,
        text: &mut Vec<u8>,
    ) -> Result<(), Box<WriteError>> {
        match self.response {
            None => write::write(schema, self.output, wire, options, text),
            Some(position) => write::write_field(schema, self.output, position, wire, options, text),
        }
    }

    fn bind_raw(&self, schema: &Schema, content: HttpBody<'_>, wire: &mut Vec<u8>) {
        match &self.body {
            Body::None => {}
            Body::Whole => content.write(wire),
            Body::Field(path) => {
                let write = |field: &Field, wire: &mut Vec<u8>| {
                    let mut message = Vec::new();
                    content.write(&mut message);
                    writer::bytes(wire, field.number(), &message);
                    Ok::<(), Infallible>(())
                };
                match path.write(schema, wire, write) {
                    Ok(()) => {}
                }
            }
        }
    }

    fn bind_json(&self, schema: &Schema, body: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
        match &self.body {
            Body::None => Ok(()),
            Body::Whole => Ok(read::read(schema, self.input, body, &self.options.read, wire)?),
            Body::Field(path) => {
                let read = |field, wire: &mut Vec<u8>| {
                    read::read_field(schema, field, body, &self.options.read, wire)
                };
                Ok(path.write(schema, wire, read)?)
            }
        }
    }

    /// The body that is the answer, where it [is one](Binding::gives_raw).
    ///
    /// # Errors
    /// When the message is not valid protobuf.
    pub fn raw_answer<'w>(&self, schema: &Schema, wire: &'w [u8]) -> Result<HttpBody<'w>, Box<WriteError>> {
        let field = self.response.map(|position| schema.message(self.output).fields()[position].number());
        Ok(HttpBody::read(wire, field)?)
    }

    /// Appends what the query says, where `body` is what it cannot say.
    fn bind_query(
        &self,
        schema: &Schema,
        query: &str,
        body: &Body,
        wire: &mut Vec<u8>,
    ) -> Result<(), Status> {
        let mut seen = Seen::default();
        for pair in pairs(query, self.options.max_parameters) {
            let (name, value) = pair?;
            let path = match self.query_path(schema, &name, body) {
                Ok(path) => path,
                Err(unknown) if self.options.ignore_unknown_query && unknown.is_unknown => continue,
                Err(unknown) => return Err(refused("query parameter", &name, &unknown.message)),
            };
            seen.add(schema, &path).map_err(|message| refused("query parameter", &name, message))?;
            let read = |field, wire: &mut Vec<u8>| read_text(schema, field, &value, &self.options.read, wire);
            path.write(schema, wire, read)
                .map_err(|error| refused("query parameter", &name, error.message()))?;
        }
        Ok(())
    }

    fn query_path(&self, schema: &Schema, name: &str, body: &Body) -> Result<FieldPath, Unbound> {
        let unknown = |message: String| Unbound { is_unknown: true, message };
        if *body == Body::Whole {
            return Err(unknown("the body is the whole request, so no parameter names a field of it".into()));
        }
        let path = FieldPath::resolve(schema, self.input, name, self.options.max_path).map_err(|error| {
            Unbound { is_unknown: matches!(error, PathError::Unknown { .. }), message: error.to_string() }
        })?;
        match body {
            Body::Field(body) if path.is_within(body) => {
                Err(unknown("the field is the body of the request, so it cannot be set here too".into()))
            }
            _ => Ok(path),
        }
    }
}

/// Whether a name in a query may lead into a message.
fn is_dotted(query: &str) -> bool {
    memchr::memchr2(b'.', b'%', query.as_bytes()).is_some()
}

struct Unbound {
    is_unknown: bool,
    message: String,
}

type Step = (MessageId, usize);

/// The fields that a query or a form has set.
#[derive(Default)]
struct Seen {
    fields: HashSet<Vec<Step>>,
    /// The member that is set of each oneof, which is found by the path of its message and its position.
    oneofs: HashMap<(Vec<Step>, usize), usize>,
}

impl Seen {
    fn add(&mut self, schema: &Schema, path: &FieldPath) -> Result<(), &'static str> {
        let steps = path.steps();
        for (depth, &(message, position)) in steps.iter().enumerate() {
            if let Some(oneof) = schema.message(message).fields()[position].oneof() {
                let outer = steps[..depth].to_vec();
                if *self.oneofs.entry((outer, oneof)).or_insert(position) != position {
                    return Err("another member of the same oneof is set already");
                }
            }
        }
        // A time can be given as text or by its fields; both would be merged to a third.
        let leaf = path.leaf(schema);
        let has_whole = (1..steps.len()).any(|depth| self.fields.contains(&steps[..depth]));
        let has_part = matches!(leaf.kind(), Kind::Message(_))
            && self.fields.iter().any(|other| other.len() > steps.len() && other.starts_with(steps));
        if has_whole || has_part {
            return Err("a field and a part of it cannot both be set");
        }
        let is_new = self.fields.insert(steps.to_vec());
        if !is_new && matches!(leaf.cardinality(), Cardinality::Singular(_)) {
            return Err("it is there twice, but its field holds a single value");
        }
        Ok(())
    }
}

fn variable(schema: &Schema, input: MessageId, name: &str) -> Result<FieldPath, String> {
    let path = FieldPath::resolve(schema, input, name, MAX_RULE_PATH)
        .map_err(|error| format!("the path variable {{{name}}} names no field of the request: {error}"))?;
    let leaf = path.leaf(schema);
    let fits = matches!(leaf.cardinality(), Cardinality::Singular(_))
        && is_textual(schema, leaf.kind())
        // The paths of a mask in the body would stand beside those of the variable.
        && !is_field_mask(schema, leaf.kind());
    if fits {
        Ok(path)
    } else {
        Err(format!("the path variable {{{name}}} must name a field with a single plain value"))
    }
}

fn is_field_mask(schema: &Schema, kind: Kind) -> bool {
    matches!(kind, Kind::Message(id) if schema.message(id).well_known() == Some(WellKnown::FieldMask))
}

fn body_field(schema: &Schema, input: MessageId, name: &str) -> Result<FieldPath, String> {
    top_level(schema, input, name, "body")?;
    FieldPath::resolve(schema, input, name, MAX_RULE_PATH).map_err(|error| error.to_string())
}

fn top_level(schema: &Schema, message: MessageId, name: &str, what: &str) -> Result<usize, String> {
    let table = schema.message(message);
    table.field_by_name(schema, name.as_bytes()).ok_or_else(|| {
        format!(
            "{what}: {name:?} must be a field of {}, which has none of this name",
            schema.text(table.name())
        )
    })
}

fn refused(what: &str, name: &str, message: &str) -> Status {
    let name: String = name.chars().take(MAX_SHOWN).collect();
    let place = format!("{what} {name:?}");
    let violation = FieldViolation { field: name, description: message.into() };
    Status::caller(Code::InvalidArgument, format!("The {place} is not valid: {message}."))
        .with_detail(bad_request(vec![violation]))
}

impl From<QueryError> for Status {
    fn from(error: QueryError) -> Self {
        Self::caller(Code::InvalidArgument, format!("The query is not valid: {error}."))
    }
}

#[cfg(test)]
mod tests;
