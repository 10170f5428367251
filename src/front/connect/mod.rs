//! Connect, over HTTP/1.1 too: messages in JSON or protobuf, one of them as the whole body or several in envelopes.
//!
//! Specification: <https://connectrpc.com/docs/protocol/>.

use bytes::Bytes;

use super::stream::unwritable;
use crate::snapshot::Route;
use crate::status::Status;

mod error;
pub(super) mod stream;
pub(super) mod unary;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Json,
    Proto,
}

impl Codec {
    /// The codec that a content type names behind `application/` or `application/connect+`.
    pub(super) fn by_name(name: &[u8]) -> Option<Self> {
        let name = name.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"json") {
            Some(Self::Json)
        } else {
            name.eq_ignore_ascii_case(b"proto").then_some(Self::Proto)
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        }
    }

    /// The message of a request.
    ///
    /// # Errors
    /// What is wrong with it, as JSON. What comes as protobuf passes as it is.
    pub(super) fn read(self, route: &Route, content: Bytes) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(content),
            Self::Json => {
                route.binding.request(&route.endpoint.schema, [].into_iter(), "", &content).map(Bytes::from)
            }
        }
    }

    /// What an answer says of a message.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn write(self, route: &Route, message: Bytes) -> Result<Bytes, Status> {
        match self {
            Self::Proto => Ok(message),
            Self::Json => {
                let (endpoint, mut text) = (&route.endpoint, Vec::new());
                let written =
                    route.binding.answer(&endpoint.schema, &message, &endpoint.options.write, &mut text);
                written.map_err(|error| unwritable(route, error, false))?;
                Ok(text.into())
            }
        }
    }
}

/// The codec of a call without streams.
fn codec_of(content_type: &[u8]) -> Option<Codec> {
    let (group, name) = content_type.split_at_checked("application/".len())?;
    Codec::by_name(name).filter(|_| group.eq_ignore_ascii_case(b"application/"))
}
