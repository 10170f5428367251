//! The answer of a method with server streaming: all its messages in one list.

use bytes::Bytes;
use futures_util::StreamExt;

use super::super::meters::{MESSAGES, SENT};
use crate::call::{Part, Reply};
use crate::status::{Code, Status};

/// The most messages of a list.
pub(super) const MAX_ITEMS: usize = 1_000;

/// Pulls the messages of a reply to their end and hands each to `write`, which adds it to `text`. What they become is
/// bounded in number and to `limit` bytes. What is left of the reply is how the call ended.
pub(super) async fn collect(
    reply: &mut Reply,
    limit: usize,
    text: &mut Vec<u8>,
    mut write: impl FnMut(&Bytes, &mut Vec<u8>) -> Result<(), Status>,
) -> Result<(), Status> {
    let Some(mut stream) = reply.stream.take() else { return Ok(()) };
    let start = text.len();
    let mut count = 0;
    while let Some(part) = stream.next().await {
        let message = match part {
            Part::End(status, trailers) => {
                (reply.status, reply.trailers) = (status, trailers);
                break;
            }
            Part::Message(message) => message,
        };
        count += 1;
        if count > MAX_ITEMS {
            return Err(too_much(&format!("more than {MAX_ITEMS} messages")));
        }
        MESSAGES.add(SENT, 1);
        write(&message.bytes, text)?;
        if text.len() - start > limit {
            return Err(too_much(&format!("messages of more than {limit} bytes")));
        }
    }
    Ok(())
}

fn too_much(what: &str) -> Status {
    let text = format!(
        "The method streams {what}, and SOAP has them all in one answer. Ask for fewer, or call it as REST, Connect or \
         gRPC, where answers are streams."
    );
    Status::gateway(Code::ResourceExhausted, text)
}
