//! Messages that come one by one, as on a WebSocket, while the path and the query came once before them.

use super::super::json::read;
use super::{Binding, Body};
use crate::schema::Schema;
use crate::status::Status;

/// What path and query say, which belongs to the first message.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The query, in wire form. Whatever the message says itself comes behind it.
    before: Vec<u8>,
    /// The variables of the path, in wire form. They win.
    after: Vec<u8>,
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// None: there is only what path and query say.
    Nothing,
    /// JSON: the field that is the body, or the whole message where the rule has no body.
    Json(&'a [u8]),
    /// The whole message in wire form.
    Wire(&'a [u8]),
}

impl Binding {
    /// Reads path and query. Where the body is the whole request, a query names fields only if it `may_add` to it.
    ///
    /// # Errors
    /// As [`Binding::request`], but nothing is said of fields that are missing.
    pub fn around<'v>(
        &self,
        schema: &Schema,
        values: impl Iterator<Item = &'v str>,
        query: &str,
        may_add: bool,
    ) -> Result<Around, Status> {
        let mut around = Around::default();
        if !query.is_empty() {
            let body = if may_add && self.body == Body::Whole { &Body::None } else { &self.body };
            self.bind_query(schema, query, body, &mut around.before)?;
        }
        self.write_path(schema, values, &mut around.after)?;
        Ok(around)
    }

    /// The request message in wire form, from what came as a message and, for the first one, what lies around it.
    ///
    /// # Errors
    /// As [`Binding::request`].
    pub fn framed(
        &self,
        schema: &Schema,
        around: Option<&Around>,
        content: Content<'_>,
    ) -> Result<Vec<u8>, Status> {
        let around = around.filter(|around| !around.before.is_empty() || !around.after.is_empty());
        let expected = match content {
            Content::Nothing => 0,
            Content::Json(text) => text.len(),
            Content::Wire(bytes) => bytes.len(),
        };
        let mut wire = Vec::with_capacity(expected + around.map_or(0, Around::len));
        if let Some(around) = around {
            wire.extend_from_slice(&around.before);
        }
        match content {
            Content::Nothing => {}
            Content::Json(text) if matches!(self.body, Body::Field(_)) => {
                self.bind_json(schema, text, &mut wire)?;
            }
            Content::Json(text) => read::read(schema, self.input, text, &self.options.read, &mut wire)?,
            Content::Wire(bytes) => wire.extend_from_slice(bytes),
        }
        if let Some(around) = around {
            wire.extend_from_slice(&around.after);
        }
        self.complete(schema, wire, around.is_some())
    }
}

impl Around {
    const fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }
}
