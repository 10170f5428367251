//! `transom call`

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use tokio::time::Instant;

use super::input::{self, Decode, Input};
use super::{FAILED, INTERNAL, Source, metadata, output};
use crate::call::{Body, Call, Dialect, Encodings, Message, Origin, Part};
use crate::codec::json::read;
use crate::codec::json::status::write_status;
use crate::codec::json::write::{self, WriteOptions};
use crate::config::value::duration::parse_duration;
use crate::schema::MessageId;
use crate::snapshot::{Endpoint, Snapshot};
use crate::status::Status;

/// The arguments of `transom call`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The method, such as bookstore.v1.Bookstore/GetBook.
    method: String,
    /// The request in JSON; `@FILE` reads it from a file, `-` from standard input. A method with client
    /// streaming takes several messages, one behind the other or in an array; from standard input each is
    /// sent as soon as it is typed.
    #[arg(default_value = "{}")]
    request: String,
    /// Metadata that goes with the call, such as `authorization: Bearer TOKEN`. May be given several times;
    /// names that end in -bin take base64.
    #[arg(short = 'H', long = "metadata", value_name = "NAME: VALUE", value_parser = metadata::parse)]
    metadata: Vec<metadata::Entry>,
    #[command(flatten)]
    source: Source,
    /// How long to wait, such as 2.5s or 300ms.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let log = arguments.source.log;
    log.start_quiet();
    let (_, snapshot, _) = match arguments.source.prepare_open() {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let name = arguments.method.trim_start_matches('/');
    let Some(endpoint) = snapshot.surface.methods.get(name).map(|own| &own.endpoint) else {
        let hint = meant(name, &snapshot).unwrap_or_else(|| "`transom routes` lists what is.".into());
        return log.format.fail(&format!("The method {name} is not exposed. {hint}"), FAILED);
    };
    let result = request(arguments, endpoint).and_then(|request| perform(endpoint, request));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => log.format.fail(&text, code),
    }
}

/// The method that somebody may have meant who left out the package, wrote a point for the slash, or
/// another case.
fn meant(name: &str, snapshot: &Snapshot) -> Option<String> {
    let plain = |name: &str| name.replace('/', ".").to_ascii_lowercase();
    let wanted = plain(name);
    let mut fitting: Vec<_> = snapshot
        .surface
        .methods
        .keys()
        .filter(|known| plain(known) == wanted || plain(known).ends_with(&format!(".{wanted}")))
        .collect();
    fitting.sort();
    fitting.first().map(|known| format!("Did you mean {known}?"))
}

type Failure = (u8, String);

/// A call, and why its input broke off when that is what ends it.
struct Request {
    call: Call,
    failure: Arc<OnceLock<String>>,
}

fn request(arguments: &Arguments, endpoint: &Arc<Endpoint>) -> Result<Request, Failure> {
    let mut metadata = HeaderMap::new();
    for entry in &arguments.metadata {
        metadata.append(entry.name.clone(), entry.value.clone());
    }
    let failure = Arc::default();
    let body = body(endpoint, &arguments.request, &failure)?;
    let call = Call {
        method: Arc::clone(&endpoint.method),
        origin: Origin::new(Dialect::Rest, "".into()),
        metadata,
        deadline: Instant::now().checked_add(arguments.timeout),
        encodings: Encodings::default(),
        trace: None,
        body,
    };
    Ok(Request { call, failure })
}

/// The request's message, or its messages for a method with client streaming.
fn body(endpoint: &Arc<Endpoint>, request: &str, failure: &Arc<OnceLock<String>>) -> Result<Body, Failure> {
    let failed = |text| (FAILED, text);
    let (input, _) = types(endpoint)?;
    let mut decode: Decode = {
        let endpoint = Arc::clone(endpoint);
        Box::new(move |json| {
            let mut wire = Vec::new();
            read::read(&endpoint.schema, input, json, &endpoint.options.read, &mut wire)
                .map_err(|error| format!("The request is not valid: {error}."))?;
            Ok(Message::from(Bytes::from(wire)))
        })
    };
    match Input::open(request).map_err(failed)? {
        source if !endpoint.method.client_streaming => {
            let message = source.whole().and_then(|json| decode(&json)).map_err(failed)?;
            Ok(Body::Message(message))
        }
        Input::Text(json) => Ok(Body::Stream(input::messages(&json, decode).map_err(failed)?)),
        Input::Reader(reader, name) => {
            let messages = input::live(reader, name, decode, Arc::clone(failure));
            messages
                .map(Body::Stream)
                .map_err(|error| (INTERNAL, format!("No thread could be started: {error}.")))
        }
    }
}

/// The messages that a method takes and gives.
fn types(endpoint: &Endpoint) -> Result<(MessageId, MessageId), Failure> {
    let method = endpoint.schema.method(&endpoint.full_name);
    method
        .map(|(_, method)| (method.input(), method.output()))
        .ok_or_else(|| (INTERNAL, "The method is not in its own schema.".to_owned()))
}

/// Calls and prints the answer, each message of a stream as it comes.
fn perform(endpoint: &Endpoint, request: Request) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (INTERNAL, format!("No runtime could be started: {error}.")))?;
    let (_, output) = types(endpoint)?;
    let outcome = runtime.block_on(answer(endpoint, output, request.call));
    // What was wrong with the input says more than the status that it ended the call with.
    match request.failure.get() {
        Some(text) if outcome.is_err() => Err((FAILED, text.clone())),
        _ => outcome,
    }
}

async fn answer(endpoint: &Endpoint, output: MessageId, call: Call) -> Result<(), Failure> {
    let mut reply = endpoint.service.call(call).await;
    let Some(mut parts) = reply.stream.take() else {
        check(endpoint, &reply.status)?;
        return if endpoint.method.server_streaming {
            Ok(())
        } else {
            print(endpoint, output, &reply.message.bytes)
        };
    };
    while let Some(part) = parts.next().await {
        match part {
            Part::Message(message) => print(endpoint, output, &message.bytes)?,
            Part::End(status, _) => check(endpoint, &status)?,
        }
    }
    Ok(())
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
