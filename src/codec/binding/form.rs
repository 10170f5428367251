//! Forms as the body of a request: `application/x-www-form-urlencoded` and `multipart/form-data`.
//!
//! Fields are named and their texts read as those of a query, relative to what the rule binds the body to: the request
//! message (`body: "*"`) or the message of a field. In a multipart form a file fills a field of type `bytes` or
//! `google.api.HttpBody`, and a part of type `application/json` that is no file is the JSON of its field.

use super::{Binding, Body, Seen, refused};
use crate::codec::field_path::{FieldPath, PathError};
use crate::codec::fields::single_message;
use crate::codec::http_body::is_http_body;
use crate::codec::json::read::{read_field, room};
use crate::codec::json::text::read_text;
use crate::codec::multipart::{Event, Multipart, PartHead, essence, parameters};
use crate::route::query::{QueryError, pairs};
use crate::schema::Schema;
use crate::schema::message::{Field, Kind};
use crate::status::{Code, Status};
use crate::wire::WireType;
use crate::wire::writer;

/// How the body of a request is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// JSON.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart {
        /// What stands between the parts.
        boundary: String,
    },
    /// XML.
    Xml {
        /// The charset that the media type names.
        charset: Option<String>,
        /// Whether the message is the only child of the root, which is that of a stream.
        is_wrapped: bool,
    },
    /// What stands for itself, where the rule binds the body to a `google.api.HttpBody`.
    Raw {
        /// The value of Content-Type; empty if there is none.
        content_type: Vec<u8>,
    },
}

impl BodyFormat {
    /// How much room a body needs while it becomes wire bytes.
    pub(super) const fn expected(&self, body: &[u8]) -> usize {
        match self {
            Self::Json => room(body),
            // The tag of the root, which takes no room, is longer than many a message; its reader makes the room.
            Self::Xml { is_wrapped: true, .. } => 0,
            _ => body.len(),
        }
    }
}

/// What errors call a part of a form.
pub(super) const WHAT: &str = "form field";

impl Binding {
    pub(super) fn bind_form(&self, schema: &Schema, body: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
        let mut seen = Seen::default();
        let mut form = Form::new(self, schema, &mut seen)?;
        if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            let text = "The request body looks like JSON, but its content type says that it is a form. Send it as \
                        application/json (with curl: --json in place of -d).";
            return Err(unsupported(text.into()));
        }
        let text = std::str::from_utf8(body).map_err(|_| {
            Status::caller(Code::InvalidArgument, "The form is not valid: it is not UTF-8 text.")
        })?;
        for pair in pairs(text, self.options.max_parameters) {
            let (name, value) = pair.map_err(|error| not_a_form(&error))?;
            form.text(&name, &value, wire)?;
        }
        Ok(())
    }

    pub(super) fn bind_multipart(
        &self,
        schema: &Schema,
        boundary: &str,
        body: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<(), Status> {
        let mut seen = Seen::default();
        let mut form = Form::new(self, schema, &mut seen)?;
        let mut multipart = Multipart::new(boundary)?;
        multipart.push(body);
        let mut open: Option<(PartHead, Vec<u8>)> = None;
        while let Some(event) = multipart.next_event()? {
            match event {
                Event::Part(head) => open = Some((head, Vec::new())),
                Event::Data(data) => open.iter_mut().for_each(|(_, part)| part.extend_from_slice(&data)),
                Event::PartEnd => {
                    if let Some((head, data)) = open.take() {
                        form.part(&head, &data, wire)?;
                    }
                }
                Event::End => {}
            }
        }
        Ok(multipart.finish()?)
    }
}

/// The fields of a form on their way into a message.
pub(super) struct Form<'a> {
    binding: &'a Binding,
    schema: &'a Schema,
    /// The field whose message the form is; absent for the request itself.
    root: Option<&'a FieldPath>,
    seen: &'a mut Seen,
}

impl<'a> Form<'a> {
    /// `seen` are the fields that the message has already.
    ///
    /// # Errors
    /// 415 where the body is a field that is no message.
    pub(super) fn new(binding: &'a Binding, schema: &'a Schema, seen: &'a mut Seen) -> Result<Self, Status> {
        let root = match &binding.body {
            Body::None | Body::Whole => None,
            Body::Field(path) => Some(path),
        };
        if let Some(field) =
            root.map(|path| path.leaf(schema)).filter(|field| single_message(field).is_none())
        {
            let name = schema.text(field.json_name());
            let text = format!(
                "The request body is the field {name:?}, which is no message, so it cannot be a form. Send \
                 application/json."
            );
            return Err(unsupported(text));
        }
        Ok(Self { binding, schema, root, seen })
    }

    fn text(&mut self, name: &str, value: &str, wire: &mut Vec<u8>) -> Result<(), Status> {
        let Some(path) = self.path(name)? else { return Ok(()) };
        let (schema, options) = (self.schema, &self.binding.options.read);
        let read = |field, wire: &mut Vec<u8>| read_text(schema, field, value, options, wire);
        path.write(schema, wire, read).map_err(|error| refused(WHAT, name, error.message()))?;
        Ok(())
    }

    /// Appends the field of a part.
    ///
    /// # Errors
    /// What is wrong with it, by its name.
    pub(super) fn part(&mut self, head: &PartHead, data: &[u8], wire: &mut Vec<u8>) -> Result<(), Status> {
        let Some(path) = self.path(&head.name)? else { return Ok(()) };
        let (schema, options) = (self.schema, &self.binding.options.read);
        let refuse = |message: &str| refused(WHAT, &head.name, message);
        path.write(schema, wire, |field, wire| match (field.kind(), as_json(head)) {
            (Kind::Message(id), _) if is_http_body(schema, id) => {
                write_http_body(field, head.content_type.as_deref(), data, wire);
                Ok(())
            }
            (_, true) => {
                read_field(schema, field, data, options, wire).map_err(|error| refuse(&error.to_string()))
            }
            (Kind::Bytes, _) if head.is_file() => {
                writer::bytes(wire, field.number(), data);
                Ok(())
            }
            _ if head.is_file() => Err(refuse("a file needs a field of type bytes or google.api.HttpBody")),
            _ => {
                let text = part_text(head, data).map_err(|message| refuse(&message))?;
                let read = read_text(schema, field, text, options, wire);
                read.map(drop).map_err(|error| refuse(error.message()))
            }
        })
    }

    /// The field of this name, which is set from now on; absent if it does not exist and need not.
    fn path(&mut self, name: &str) -> Result<Option<FieldPath>, Status> {
        let Some(path) = self.resolve(name)? else { return Ok(None) };
        self.seen.add(self.schema, &path).map_err(|message| refused(WHAT, name, message))?;
        Ok(Some(path))
    }

    /// The field of this name; absent if it does not exist and need not.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn resolve(&self, name: &str) -> Result<Option<FieldPath>, Status> {
        let options = &self.binding.options;
        let path = match self.root {
            None => FieldPath::resolve(self.schema, self.binding.input, name, options.max_path),
            Some(root) => root.resolve_inside(self.schema, name, options.max_path),
        };
        match path {
            Ok(path) => Ok(Some(path)),
            Err(PathError::Unknown { .. }) if options.read.ignore_unknown => Ok(None),
            Err(error) => Err(refused(WHAT, name, &error.to_string())),
        }
    }
}

/// Whether a part is JSON by its type and no file by its name.
pub(super) fn as_json(head: &PartHead) -> bool {
    let is_json = |value: &str| essence(value).eq_ignore_ascii_case("application/json");
    head.filename.is_none() && head.content_type.as_deref().is_some_and(is_json)
}

fn part_text<'d>(head: &PartHead, data: &'d [u8]) -> Result<&'d str, String> {
    let parameters = head.content_type.as_deref().and_then(parameters).map_or(Vec::new(), |(_, all)| all);
    let is_known =
        |charset: &str| ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known));
    let is_other =
        parameters.iter().any(|(key, value)| key.eq_ignore_ascii_case("charset") && !is_known(value));
    if is_other {
        return Err("its charset is not UTF-8".into());
    }
    std::str::from_utf8(data).map_err(|_| "it is not UTF-8 text; send it as a file if it is none".into())
}

/// `google.api.HttpBody`: `content_type = 1`, `data = 2`.
pub(super) fn write_http_body(field: &Field, content_type: Option<&str>, data: &[u8], wire: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(data.len() + 64);
    if let Some(content_type) = content_type {
        writer::bytes(&mut message, 1, content_type.as_bytes());
    }
    writer::bytes(&mut message, 2, data);
    if field.is_delimited() {
        writer::tag(wire, field.number(), WireType::StartGroup);
        wire.extend_from_slice(&message);
        writer::tag(wire, field.number(), WireType::EndGroup);
    } else {
        writer::bytes(wire, field.number(), &message);
    }
}

fn unsupported(text: String) -> Status {
    Status::caller(Code::InvalidArgument, text).with_http(415)
}

fn not_a_form(error: &QueryError) -> Status {
    let text = match error {
        QueryError::Escape { text } => {
            format!("the part {text:?} has a % that two hexadecimal digits do not follow")
        }
        QueryError::Utf8 { text } => format!("the part {text:?} does not decode to UTF-8"),
        QueryError::TooMany { limit } => format!("it has more than {limit} fields"),
    };
    Status::caller(Code::InvalidArgument, format!("The form is not valid: {text}."))
}
