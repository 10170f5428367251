//! `transom call`

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use tokio::time::Instant;

use super::{FAILED, INTERNAL, Source, output, report};
use crate::call::{Body, Call, Dialect, Origin, Part};
use crate::codec::json::read;
use crate::codec::json::split::{SplitError, Splitter};
use crate::codec::json::status::write_status;
use crate::codec::json::write::{self, WriteOptions};
use crate::config::value::duration::parse_duration;
use crate::schema::MessageId;
use crate::snapshot::{Endpoint, Snapshot};
use crate::status::Status;

/// The largest request that is read from standard input, in bytes.
const MAX_INPUT: u64 = 64 << 20;

/// The arguments of `transom call`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The method, such as bookstore.v1.Bookstore/GetBook.
    method: String,
    /// The request in JSON; `-` reads it from standard input. A method with client streaming takes several
    /// messages, one behind the other or in an array.
    #[arg(default_value = "{}")]
    request: String,
    #[command(flatten)]
    source: Source,
    /// How long to wait, such as 2.5s or 300ms.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (_, snapshot, _) = match arguments.source.prepare(report) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let name = arguments.method.trim_start_matches('/');
    let Some(endpoint) = snapshot.endpoints.get(name) else {
        let hint = meant(name, &snapshot).unwrap_or_else(|| "`transom routes` lists what is.".into());
        output::error(&format!("The method {name} is not exposed. {hint}"));
        return ExitCode::from(FAILED);
    };
    let result = request(arguments, endpoint).and_then(|call| perform(endpoint, call));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            output::error(&text);
            ExitCode::from(code)
        }
    }
}

/// The method that somebody may have meant who left out the package, wrote a point for the slash, or
/// another case.
fn meant(name: &str, snapshot: &Snapshot) -> Option<String> {
    let plain = |name: &str| name.replace('/', ".").to_ascii_lowercase();
    let wanted = plain(name);
    let mut fitting: Vec<_> = snapshot
        .endpoints
        .keys()
        .filter(|known| plain(known) == wanted || plain(known).ends_with(&format!(".{wanted}")))
        .collect();
    fitting.sort();
    fitting.first().map(|known| format!("Did you mean {known}?"))
}

type Failure = (u8, String);

fn request(arguments: &Arguments, endpoint: &Endpoint) -> Result<Call, Failure> {
    let json = if arguments.request == "-" {
        let mut text = Vec::new();
        let read = std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut text);
        read.map_err(|error| (INTERNAL, format!("Standard input cannot be read: {error}.")))?;
        if text.len() as u64 > MAX_INPUT {
            return Err((FAILED, format!("The request is larger than {MAX_INPUT} bytes.")));
        }
        text
    } else {
        arguments.request.clone().into_bytes()
    };
    Ok(Call {
        method: Arc::clone(&endpoint.method),
        origin: Origin { dialect: Dialect::Rest, route: "".into(), peer: None },
        metadata: HeaderMap::new(),
        deadline: Instant::now().checked_add(arguments.timeout),
        trace: None,
        body: body(endpoint, &json)?,
    })
}

/// The request's message, or its messages for a method with client streaming.
fn body(endpoint: &Endpoint, json: &[u8]) -> Result<Body, Failure> {
    let (input, _) = types(endpoint)?;
    let read = |json: &[u8]| {
        let mut wire = Vec::new();
        read::read(&endpoint.schema, input, json, &endpoint.options.read, &mut wire)
            .map_err(|error| (FAILED, format!("The request is not valid: {error}.")))?;
        Ok(Bytes::from(wire))
    };
    if !endpoint.method.client_streaming {
        return Ok(Body::Message(read(json)?));
    }
    let uncut =
        |error: SplitError| (FAILED, format!("The request is not a stream of JSON messages: {error}."));
    let mut splitter = Splitter::values(json.len());
    let mut messages = Vec::new();
    splitter.push(json);
    while let Some(text) = splitter.next().map_err(uncut)? {
        messages.push(Ok(read(text)?));
    }
    if let Some(text) = splitter.finish().map_err(uncut)? {
        messages.push(Ok(read(text)?));
    }
    Ok(Body::Stream(Box::pin(stream::iter(messages))))
}

/// The messages that a method takes and gives.
fn types(endpoint: &Endpoint) -> Result<(MessageId, MessageId), Failure> {
    let method = endpoint.schema.method(&endpoint.full_name);
    method
        .map(|(_, method)| (method.input(), method.output()))
        .ok_or_else(|| (INTERNAL, "The method is not in its own schema.".to_owned()))
}

/// Calls and prints the answer, each message of a stream as it comes.
fn perform(endpoint: &Endpoint, call: Call) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (INTERNAL, format!("No runtime could be started: {error}.")))?;
    let (_, output) = types(endpoint)?;
    runtime.block_on(async {
        let mut reply = endpoint.service.call(call).await;
        let Some(mut parts) = reply.stream.take() else {
            check(endpoint, &reply.status)?;
            return if endpoint.method.server_streaming {
                Ok(())
            } else {
                print(endpoint, output, &reply.message)
            };
        };
        while let Some(part) = parts.next().await {
            match part {
                Part::Message(message) => print(endpoint, output, &message)?,
                Part::End(status, _) => check(endpoint, &status)?,
            }
        }
        Ok(())
    })
}

fn print(endpoint: &Endpoint, output: MessageId, message: &[u8]) -> Result<(), Failure> {
    let mut text = Vec::new();
    write::write(&endpoint.schema, output, message, &endpoint.options.write, &mut text)
        .map_err(|error| (FAILED, format!("The answer cannot be written as JSON: {error}.")))?;
    output::line(&pretty(&text));
    Ok(())
}

/// The status as the gateway would answer it, behind its name.
fn check(endpoint: &Endpoint, status: &Status) -> Result<(), Failure> {
    if status.is_ok() {
        return Ok(());
    }
    let mut text = Vec::new();
    write_status(&endpoint.schema, status, &WriteOptions::default(), &mut text);
    Err((FAILED, format!("The call failed with {}:\n{}", status.code(), pretty(&text))))
}

/// JSON for people. Numbers keep their digits only as JSON values do, so text that is no JSON value is
/// shown as it is.
fn pretty(text: &[u8]) -> String {
    serde_json::from_slice::<serde_json::Value>(text)
        .map_or_else(|_| String::from_utf8_lossy(text).into_owned(), |value| format!("{value:#}"))
}
