//! A multipart form as the messages of a method with client streaming, of which only a piece is kept.
//!
//! ```text
//! title=a       content=[100 KiB]                           title=b  content=[1 KiB]
//! {title: "a", content: 64 KiB}  {content: 36 KiB}          {title: "b", content: 1 KiB}
//! ```
//!
//! - The data of a **file** becomes messages with up to [`CHUNK`] bytes in the field of its name, which is of type `bytes`
//!   or `google.api.HttpBody`; all but the last are full, however the data arrives. An empty file is one message. The
//!   first message of a file has its content type, if the field is a `google.api.HttpBody`; the name that the file has
//!   at the client goes nowhere, since a field can say it.
//! - The **fields** before a file are bound as those of any form, into the first message of the file. They are a message
//!   of their own in front of it if the file's field belongs to a oneof, which holds either.
//! - Several files follow each other. What tells a file from one before it in the same field must be there: fields, or
//!   a content type. Fields behind the last file are refused, as they would come too late.
//! - A form without a file is one message.
//!
//! Limits: those of [`Multipart`] for parts and their headers, and a bound on the text of the fields that belong to one
//! file. How much a file has is not bounded.

use std::fmt;

use bytes::{Buf, Bytes};

use super::form::{Form, WHAT, as_json, write_http_body};
use super::{Binding, Seen, refused};
use crate::codec::field_path::FieldPath;
use crate::codec::http_body::is_http_body;
use crate::codec::multipart::{Event, Multipart, MultipartError, PartHead};
use crate::schema::Schema;
use crate::schema::message::{Cardinality, Kind};
use crate::status::{Code, Status};
use crate::wire::writer;

/// How many bytes of a file a message has, if no less is asked for.
pub const CHUNK: usize = 64 * 1024;

/// What bounds the messages of a form.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// How many bytes of a file a message may have; at least 1.
    pub chunk: usize,
    /// How many bytes the fields that belong to one file may have.
    pub fields: usize,
}

/// Makes messages of a multipart form as it comes. See the documentation of the module.
pub struct FormUpload {
    multipart: Multipart,
    limits: UploadLimits,
    /// Whether a path or query belongs to the first message.
    has_outside: bool,
    part: Part,
    /// The last part that began, for errors.
    last: Option<String>,
    /// The fields for the next message, in wire form.
    fields: Vec<u8>,
    /// The last of them.
    waiting: Option<String>,
    seen: Seen,
    /// How many bytes the fields for the next message had in the form.
    size: usize,
    /// The field of the last file.
    before: Option<FieldPath>,
}

/// The part that is read.
enum Part {
    /// None, or one that is not looked at.
    None,
    Field(PartHead, Vec<u8>),
    File(Box<File>),
}

struct File {
    path: FieldPath,
    /// For the first message of a file in a `google.api.HttpBody`.
    content_type: Option<String>,
    /// The data of the next message.
    chunk: Vec<u8>,
    /// What came and is not part of a message yet.
    rest: Bytes,
    /// Whether a message of it was given out.
    has_begun: bool,
}

impl fmt::Debug for FormUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormUpload").field("multipart", &self.multipart).finish_non_exhaustive()
    }
}

impl FormUpload {
    /// For a form with this boundary. `has_outside` says whether a path or query belongs to its first message.
    ///
    /// # Errors
    /// When it is no boundary.
    pub fn new(boundary: &str, has_outside: bool, limits: UploadLimits) -> Result<Self, MultipartError> {
        Ok(Self {
            multipart: Multipart::new(boundary)?,
            limits,
            has_outside,
            part: Part::None,
            last: None,
            fields: Vec::new(),
            waiting: None,
            seen: Seen::default(),
            size: 0,
            before: None,
        })
    }

    /// Takes the next piece of the form, when [`FormUpload::next`] has found no more messages in the last.
    pub fn push(&mut self, piece: &[u8]) {
        self.multipart.push(piece);
    }

    /// What the next message has of the form, in wire form and for [`Binding::request_around`]; absent when more is
    /// needed, and after the end.
    ///
    /// # Errors
    /// What is wrong with a part, by its name, or with the form. Nothing more can be read of it then.
    pub fn next(&mut self, binding: &Binding, schema: &Schema) -> Result<Option<Vec<u8>>, Status> {
        loop {
            if let Part::File(file) = &mut self.part
                && file.fill(self.limits.chunk)
            {
                return Ok(Some(self.chunk(schema)));
            }
            let event = self.multipart.next_event().map_err(|error| self.refusal(&error))?;
            let message = match event {
                None => return Ok(None),
                Some(Event::Part(head)) => self.begin(head, binding, schema)?,
                Some(Event::Data(data)) => {
                    self.data(data)?;
                    None
                }
                Some(Event::PartEnd) => self.end_part(binding, schema)?,
                Some(Event::End) => self.end()?,
            };
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// Nothing more is pushed.
    ///
    /// # Errors
    /// When the form is not complete.
    pub fn finish(&self) -> Result<(), Status> {
        self.multipart.finish().map_err(|error| self.refusal(&error))
    }

    /// A part begins. If it is a file, the fields before it may be a message.
    fn begin(
        &mut self,
        head: PartHead,
        binding: &Binding,
        schema: &Schema,
    ) -> Result<Option<Vec<u8>>, Status> {
        self.last = Some(head.name.clone());
        let Some(path) = Form::new(binding, schema, &mut self.seen)?.resolve(&head.name)? else {
            return Ok(None);
        };
        let field = path.leaf(schema);
        let is_body = matches!((field.kind(), field.cardinality()), (Kind::Message(id), one)
            if one != Cardinality::Map && is_http_body(schema, id));
        if !is_body && (!head.is_file() || as_json(&head)) {
            self.part = Part::Field(head, Vec::new());
            return Ok(None);
        }
        let refuse = |message: &str| Err(refused(WHAT, &head.name, message));
        if !is_body && field.kind() != Kind::Bytes {
            return refuse("a file needs a field of type bytes or google.api.HttpBody");
        }
        if binding.path_sets_data(schema, &path) {
            return refuse("the path of the request sets it already");
        }
        let content_type = head.content_type.filter(|_| is_body);
        if self.waiting.is_none() && content_type.is_none() && self.before.as_ref() == Some(&path) {
            return refuse("a second file follows the first without a field before it that tells them apart");
        }
        let is_first = self.before.is_none();
        let has_fields = self.waiting.take().is_some() || (is_first && self.has_outside);
        let message = (has_fields && is_in_oneof(schema, &path)).then(|| {
            self.seen = Seen::default();
            std::mem::take(&mut self.fields)
        });
        self.seen.add(schema, &path).map_err(|message| refused(WHAT, &head.name, message))?;
        (self.seen, self.size, self.before) = (Seen::default(), 0, Some(path.clone()));
        let (chunk, rest) = (Vec::new(), Bytes::new());
        self.part = Part::File(Box::new(File { path, content_type, chunk, rest, has_begun: false }));
        Ok(message)
    }

    /// Data of the part comes.
    fn data(&mut self, data: Bytes) -> Result<(), Status> {
        match &mut self.part {
            Part::None => {}
            Part::File(file) => file.rest = data,
            Part::Field(head, text) => {
                self.size += data.len();
                if self.size > self.limits.fields {
                    return Err(too_large(&head.name, self.limits.fields));
                }
                text.extend_from_slice(&data);
            }
        }
        Ok(())
    }

    fn end_part(&mut self, binding: &Binding, schema: &Schema) -> Result<Option<Vec<u8>>, Status> {
        let message = match &self.part {
            Part::File(file) if !file.has_begun || !file.chunk.is_empty() => Some(self.chunk(schema)),
            Part::Field(head, text) => {
                Form::new(binding, schema, &mut self.seen)?.part(head, text, &mut self.fields)?;
                self.waiting = Some(head.name.clone());
                None
            }
            _ => None,
        };
        self.part = Part::None;
        Ok(message)
    }

    /// The form ends. Without a file its fields are the message.
    fn end(&mut self) -> Result<Option<Vec<u8>>, Status> {
        match self.waiting.take() {
            Some(name) if self.before.is_some() => Err(refused(
                WHAT,
                &name,
                "it comes after the last file; send fields before the file that they belong to",
            )),
            Some(_) => Ok(Some(std::mem::take(&mut self.fields))),
            None => Ok(None),
        }
    }

    /// The message of the data that the file has together, and of the fields before it.
    fn chunk(&mut self, schema: &Schema) -> Vec<u8> {
        let mut message = std::mem::take(&mut self.fields);
        if let Part::File(file) = &mut self.part {
            file.write(schema, &mut message);
        }
        message
    }

    /// The status for a form that is not valid. It names the part where that is.
    fn refusal(&self, error: &MultipartError) -> Status {
        let is_named = matches!(error, MultipartError::Nested { .. } | MultipartError::Encoded { .. });
        let Some(name) = self.last.as_ref().filter(|_| !is_named) else { return error.clone().into() };
        let name: String = name.chars().take(super::MAX_SHOWN).collect();
        let text = format!("The multipart body is not valid behind the start of the part {name:?}: {error}.");
        Status::caller(Code::InvalidArgument, text)
    }
}

impl File {
    /// Moves what came into the next message. True when that is full.
    fn fill(&mut self, size: usize) -> bool {
        let taken = self.rest.len().min(size.saturating_sub(self.chunk.len()));
        self.chunk.extend_from_slice(&self.rest[..taken]);
        self.rest.advance(taken);
        !self.chunk.is_empty() && self.chunk.len() >= size
    }

    fn write(&mut self, schema: &Schema, message: &mut Vec<u8>) {
        self.has_begun = true;
        let content_type = self.content_type.take();
        message.reserve(self.chunk.len() + content_type.as_ref().map_or(0, String::len) + 64);
        let chunk = &self.chunk;
        let written = self.path.write(schema, message, |field, message| {
            match field.kind() {
                Kind::Bytes => writer::bytes(message, field.number(), chunk),
                _ => write_http_body(field, content_type.as_deref(), chunk, message),
            }
            Ok::<(), std::convert::Infallible>(())
        });
        match written {
            Ok(()) => self.chunk.clear(),
        }
    }
}

impl Binding {
    /// Whether a variable of the path is the data of a file in this field, which it would replace.
    fn path_sets_data(&self, schema: &Schema, file: &FieldPath) -> bool {
        self.variables.iter().any(|(_, path)| path.is_within(file) && path.leaf(schema).kind() == Kind::Bytes)
    }
}

fn is_in_oneof(schema: &Schema, path: &FieldPath) -> bool {
    path.steps()
        .iter()
        .any(|&(message, position)| schema.message(message).fields()[position].oneof().is_some())
}

fn too_large(name: &str, limit: usize) -> Status {
    let name: String = name.chars().take(super::MAX_SHOWN).collect();
    let text = format!(
        "The form field {name:?} is too large: the fields before a file may have {limit} bytes together. Send what is \
         larger as a file."
    );
    Status::caller(Code::ResourceExhausted, text).with_http(413)
}
