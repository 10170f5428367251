//! The services that the gateway answers itself, about itself: how what it exposes fares ([`health`]) and what that is
//! ([`reflection`]). They are call services like any other, so all that holds for calls holds for theirs.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderValue;
use tokio::time::{Instant, sleep_until};

use crate::call::{Message, Part, Reply};
use crate::status::{Code, Status};

pub mod health;
pub mod reflection;

#[cfg(test)]
mod tests;

/// Reads a message of at most `limit` bytes. It may be compressed, as gRPC clients compress all they send when they
/// are told to.
fn read<M: prost::Message + Default>(
    message: &Message,
    encoding: Option<&HeaderValue>,
    limit: usize,
) -> Result<M, Status> {
    let too_long = || {
        let text =
            format!("The message is longer than {limit} bytes, which is more than any question needs.");
        Err(Status::caller(Code::InvalidArgument, text))
    };
    if message.bytes.len() > limit {
        return too_long();
    }
    let bytes =
        if message.compressed { expanded(&message.bytes, encoding, limit)? } else { message.bytes.clone() };
    if bytes.len() > limit {
        return too_long();
    }
    M::decode(bytes).map_err(|error| {
        Status::caller(Code::InvalidArgument, format!("The message is not valid protobuf: {error}."))
    })
}

/// What was compressed, as far as it is not longer than the limit and a byte.
fn expanded(bytes: &Bytes, encoding: Option<&HeaderValue>, limit: usize) -> Result<Bytes, Status> {
    let decoder: Box<dyn Read + '_> = match encoding.map(HeaderValue::as_bytes) {
        Some(b"gzip") => Box::new(MultiGzDecoder::new(&**bytes)),
        Some(b"deflate") => Box::new(ZlibDecoder::new(&**bytes)),
        other => {
            let name =
                String::from_utf8_lossy(other.unwrap_or_default()).chars().take(100).collect::<String>();
            let text =
                format!("Messages compressed with {name:?} are not read here. Use gzip, deflate or nothing.");
            return Err(Status::caller(Code::Unimplemented, text));
        }
    };
    let mut out = Vec::new();
    match decoder.take(limit as u64 + 1).read_to_end(&mut out) {
        Ok(_) => Ok(out.into()),
        Err(error) => {
            let text = format!("The message cannot be decompressed: {error}.");
            Err(Status::caller(Code::InvalidArgument, text))
        }
    }
}

/// The reply with one message.
fn reply(message: &impl prost::Message) -> Reply {
    Reply { message: wire(message), ..Reply::from(Status::ok()) }
}

fn wire(message: &impl prost::Message) -> Message {
    Bytes::from(message.encode_to_vec()).into()
}

/// The end of a stream.
fn end(status: Status) -> Part {
    Part::End(status, http::HeaderMap::new())
}

/// The status of a stream whose caller waits no longer.
fn late() -> Status {
    Status::caller(Code::DeadlineExceeded, "The time that the caller gave is over.")
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
