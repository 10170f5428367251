//! The frames of an answer: messages, and how the call ended.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::super::error;
use super::super::metadata;
use super::super::meters::{MESSAGES, SENT, SOCKET_MESSAGES};
use super::super::stream::unwritable;
use super::close::{code_of, reason};
use crate::codec::json::status::write_status;
use crate::codec::json::write::WriteOptions;
use crate::snapshot::Route;
use crate::status::Status;
use crate::wire::envelope::prefix;
use crate::wire::websocket::{self as frame, Opcode};

/// The flag of the envelope that ends a stream.
pub(super) const END: u8 = 2;

/// How messages are written: the subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `transom.json`: each text frame is a message in JSON.
    Json,
    /// `transom.proto`: each binary frame is an envelope.
    Proto,
}

/// Writes the frames of one socket.
pub(super) struct Answers {
    pub(super) route: Arc<Route>,
    pub(super) form: Form,
    /// Whether the client asked for trailing metadata.
    pub(super) trailers: bool,
    pub(super) request_id: Option<HeaderValue>,
}

impl Answers {
    /// Adds a message.
    ///
    /// # Errors
    /// The status with which the call ends instead, if it cannot be written.
    pub(super) fn message(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        match self.form {
            Form::Json => {
                let endpoint = &self.route.endpoint;
                let start = frame::begin(out);
                let written =
                    self.route.binding.answer(&endpoint.schema, message, &endpoint.options.write, out);
                if let Err(error) = written {
                    out.truncate(start);
                    return Err(unwritable(&self.route, error));
                }
                frame::finish(out, start, Opcode::Text);
            }
            // Messages are bounded far below what an envelope can hold.
            Form::Proto => {
                let prefix = prefix(0, message.len()).unwrap_or_default();
                frame::write(out, Opcode::Binary, [&prefix, message]);
            }
        }
        MESSAGES.add(SENT, self.route.endpoint.method.server_streaming.into());
        SOCKET_MESSAGES.add(SENT, 1);
        Ok(())
    }

    /// Adds how the call ended, up to the close frame. Returns the code of that.
    pub(super) fn end(&self, status: Status, trailers: HeaderMap, out: &mut Vec<u8>) -> u16 {
        let endpoint = &self.route.endpoint;
        let mut fields = HeaderMap::new();
        if self.trailers {
            metadata::pass(trailers, &endpoint.options.response_metadata, &mut fields);
        }
        let status = error::conceal(status, endpoint, self.request_id.as_ref(), &mut fields);
        match self.form {
            Form::Json => {
                if !status.is_ok() {
                    let start = frame::begin(out);
                    error::write_element(&endpoint.schema, &status, out);
                    frame::finish(out, start, Opcode::Text);
                }
                if self.trailers {
                    let start = frame::begin(out);
                    out.extend_from_slice(b"{\"@end\":");
                    metadata::write_json(&fields, out);
                    out.push(b'}');
                    frame::finish(out, start, Opcode::Text);
                }
            }
            Form::Proto => {
                let mut text = Vec::new();
                write_status(&endpoint.schema, &status, &WriteOptions::default(), &mut text);
                if self.trailers {
                    text.pop();
                    text.extend_from_slice(b",\"metadata\":");
                    metadata::write_json(&fields, &mut text);
                    text.push(b'}');
                }
                let prefix = prefix(END, text.len()).unwrap_or_default();
                frame::write(out, Opcode::Binary, [&prefix, &text]);
            }
        }
        let code = code_of(status.code());
        close(out, code, status.message());
        code
    }
}

/// Adds a close frame.
pub(super) fn close(out: &mut Vec<u8>, code: u16, text: &str) {
    frame::write(out, Opcode::Close, [&code.to_be_bytes(), reason(text).as_bytes()]);
}
