//! Reading a request's body as a whole, within bounds of size and time.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::Instant;

use super::representation::{has_end, has_start, xml_type};
use super::shown;
use super::upload::Cut;
use crate::call::Dialect;
use crate::call::deadline::before;
use crate::codec::binding::{BodyFormat, CHUNK, FormUpload, UploadLimits};
use crate::codec::json::split::Splitter;
use crate::codec::multipart::{boundary_of, essence, parameters};
use crate::codec::xml::encoding;
use crate::codec::xml::split::XmlSplitter;
use crate::snapshot::{Endpoint, Limits};
use crate::status::{Code, Status};

/// Any error of a body. If it is a [`Status`], it is what the caller gets.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request.
pub trait RequestBody: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static> RequestBody for B {}

/// What the headers say of the body: its format, and that it has no encoding. (An encoding that the server undoes does
/// not come this far.)
///
/// # Errors
/// 415 for another type or several, a charset that is not read (of XML some are beside UTF-8), or an encoding; 413 for a
/// length over the bound.
pub(super) fn format(
    headers: &HeaderMap,
    limits: &Limits,
    endpoint: &Endpoint,
) -> Result<BodyFormat, Status> {
    let mut found = None;
    for value in headers.get_all(CONTENT_TYPE) {
        let format = value.to_str().ok().and_then(format_of).transpose()?;
        match format {
            Some(format)
                if is_spoken(&format, endpoint) && found.as_ref().is_none_or(|found| *found == format) =>
            {
                found = Some(format);
            }
            _ => return Err(unsupported_type(value, wanted(endpoint))),
        }
    }
    let found = found.unwrap_or_default();
    if !is_spoken(&found, endpoint) {
        return Err(unsupported(format!("The body has no content type. Send {}.", wanted(endpoint))));
    }
    check_encoding(headers)?;
    check_length(headers, limits)?;
    Ok(found)
}

/// Whether a service takes bodies of this format.
fn is_spoken(format: &BodyFormat, endpoint: &Endpoint) -> bool {
    let is_xml = matches!(format, BodyFormat::Xml { .. });
    endpoint.speaks(if is_xml { Dialect::Xml } else { Dialect::Rest })
}

/// What a service takes, for who sent something else.
fn wanted(endpoint: &Endpoint) -> &'static str {
    match (endpoint.speaks(Dialect::Rest), endpoint.speaks(Dialect::Xml)) {
        (true, false) => {
            "application/json, or a form as application/x-www-form-urlencoded or multipart/form-data"
        }
        (true, true) => {
            "application/json, application/xml, or a form as application/x-www-form-urlencoded or \
             multipart/form-data"
        }
        (false, _) => "application/xml",
    }
}

/// The format of a body that stands for itself, whatever its type.
///
/// # Errors
/// 415 for an encoding; 413 for a length over the bound.
pub(super) fn raw_format(headers: &HeaderMap, limits: &Limits) -> Result<BodyFormat, Status> {
    check_length(headers, limits)?;
    raw_stream(headers)
}

/// The format of a stream whose pieces stand for themselves. Such a body may be of any length.
///
/// # Errors
/// 415 for an encoding.
pub(super) fn raw_stream(headers: &HeaderMap) -> Result<BodyFormat, Status> {
    check_encoding(headers)?;
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    Ok(BodyFormat::Raw { content_type })
}

pub(super) fn check_length(headers: &HeaderMap, limits: &Limits) -> Result<(), Status> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.body as u64) {
        Err(too_large(limits.body))
    } else {
        Ok(())
    }
}

/// How a streaming body becomes messages: what the headers say of it. Such a body may be of any length. `has_outside`
/// says whether a path or query belongs to the first message.
///
/// # Errors
/// 415 for another type or several, a charset that is not UTF-8 (US-ASCII is part of it), or an encoding.
pub(super) fn cut(
    headers: &HeaderMap,
    limits: &Limits,
    has_outside: bool,
    endpoint: &Endpoint,
) -> Result<Cut, Status> {
    let mut found = None;
    for value in headers.get_all(CONTENT_TYPE) {
        let text = value.to_str().unwrap_or_default();
        let format = if is_lines_type(text) { None } else { Some(format_of(text).transpose()?) };
        match format {
            Some(None | Some(BodyFormat::Form | BodyFormat::Raw { .. })) => {
                return Err(unsupported_type(value, wanted_stream(endpoint)));
            }
            Some(Some(BodyFormat::Xml { charset: Some(charset), .. }))
                if !["utf-8", "us-ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name)) =>
            {
                return Err(unsupported_type(value, "a stream of XML in UTF-8"));
            }
            format
                if !is_spoken(
                    format.as_ref().and_then(Option::as_ref).unwrap_or(&BodyFormat::Json),
                    endpoint,
                ) =>
            {
                return Err(unsupported_type(value, wanted_stream(endpoint)));
            }
            format if found.as_ref().is_some_and(|found| *found != format) => {
                return Err(unsupported_type(value, "one content type"));
            }
            format => found = Some(format),
        }
    }
    check_encoding(headers)?;
    if found.is_none() && !endpoint.speaks(Dialect::Rest) {
        return Err(unsupported("The body has no content type. Send application/xml.".into()));
    }
    Ok(match found {
        Some(Some(Some(BodyFormat::Xml { .. }))) => Cut::Xml(XmlSplitter::new(limits.body)),
        Some(None) => Cut::Json(Splitter::lines(limits.body)),
        Some(Some(Some(BodyFormat::Multipart { boundary }))) => {
            // Room is left for what else the message holds.
            let limits = UploadLimits { chunk: CHUNK.min(limits.message / 2).max(1), fields: limits.body };
            Cut::Form(Box::new(FormUpload::new(&boundary, has_outside, limits)?))
        }
        _ => Cut::Json(Splitter::values(limits.body)),
    })
}

fn wanted_stream(endpoint: &Endpoint) -> &'static str {
    match (endpoint.speaks(Dialect::Rest), endpoint.speaks(Dialect::Xml)) {
        (true, false) => "application/x-ndjson, application/json or multipart/form-data",
        (true, true) => "application/x-ndjson, application/json, application/xml or multipart/form-data",
        (false, _) => "application/xml",
    }
}

pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(value) = encodings.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = format!(
            "The content encoding {:?} is not supported here. Send the body without one.",
            shown(value)
        );
        return Err(unsupported(text));
    }
    Ok(())
}

fn unsupported_type(value: &HeaderValue, wanted: &str) -> Status {
    unsupported(format!("The content type {:?} is not supported here. Send {wanted}.", shown(value)))
}

fn unsupported(text: String) -> Status {
    Status::caller(Code::InvalidArgument, text).with_http(415)
}

/// The format that a content type names: `application/json` and its `+json` relatives or a form, in UTF-8, or XML in an
/// encoding that is read. Absent if it is none of these; an error if it is a multipart form without a valid boundary.
fn format_of(content_type: &str) -> Option<Result<BodyFormat, Status>> {
    if content_type.eq_ignore_ascii_case("application/json") {
        return Some(Ok(BodyFormat::Json));
    }
    let multipart = || -> Option<Result<BodyFormat, Status>> {
        let boundary = boundary_of(content_type)?;
        Some(boundary.map(|boundary| BodyFormat::Multipart { boundary }).map_err(Into::into))
    };
    let Some((essence, parameters)) = parameters(content_type) else { return multipart() };
    let mut charsets = parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
    if xml_type(essence).is_some() {
        let (charset, further) = (charsets.next().map(|(_, value)| value), charsets.next());
        let is_read = charset.is_none_or(|charset| encoding::is_known(charset)) && further.is_none();
        return is_read.then(|| Ok(BodyFormat::Xml { charset: charset.cloned(), is_wrapped: false }));
    }
    if !charsets.all(|(_, charset)| charset.eq_ignore_ascii_case("utf-8")) {
        return None;
    }
    let is = |other: &str| essence.eq_ignore_ascii_case(other);
    if is("application/json") || (has_start(essence, "application/") && has_end(essence, "+json")) {
        Some(Ok(BodyFormat::Json))
    } else if is("application/x-www-form-urlencoded") {
        Some(Ok(BodyFormat::Form))
    } else {
        multipart()
    }
}

/// JSON with one message on each line, by its usual names.
fn is_lines_type(content_type: &str) -> bool {
    let essence = essence(content_type);
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .iter()
        .any(|name| essence.eq_ignore_ascii_case(name))
}

/// Reads the body to its end.
///
/// # Errors
/// When it is too large, does not arrive in time, breaks off, or is not what its encoding says.
pub(super) async fn read<B: RequestBody>(body: B, limits: &Limits) -> Result<Bytes, Status> {
    Begun::new(body, limits).finish(limits).await
}

/// A body of which a part has been read.
pub(super) struct Begun<B> {
    /// Absent once it has ended.
    body: Option<B>,
    /// What was read, if that is one piece.
    first: Bytes,
    /// What was read otherwise.
    rest: BytesMut,
    deadline: Instant,
}

impl<B: RequestBody> Begun<B> {
    /// A body of which nothing has been read. From now on it has its time to arrive.
    pub(super) fn new(body: B, limits: &Limits) -> Self {
        let deadline = Instant::now() + limits.request;
        Self { body: Some(body), first: Bytes::new(), rest: BytesMut::new(), deadline }
    }

    /// Reads on until there are `enough` bytes, or all.
    ///
    /// # Errors
    /// As for [`read`].
    pub(super) async fn fill(&mut self, enough: usize, limits: &Limits) -> Result<(), Status> {
        while self.data().len() < enough
            && let Some(body) = &mut self.body
        {
            // To learn the end of a body whose length is known from hyper would take the connection one more turn.
            if body.is_end_stream() {
                self.body = None;
                break;
            }
            let pause = Instant::now() + limits.body_pause;
            let data = match before(Some(self.deadline.min(pause)), body.frame()).await {
                None => return Err(too_slow()),
                Some(None) => {
                    self.body = None;
                    break;
                }
                Some(Some(Err(error))) => return Err(broken(error.into())),
                Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            self.push(data, limits)?;
        }
        Ok(())
    }

    fn push(&mut self, data: Bytes, limits: &Limits) -> Result<(), Status> {
        if self.data().len() + data.len() > limits.body {
            return Err(too_large(limits.body));
        }
        // A body in one piece, as most are, is not copied.
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.rest.extend_from_slice(&data);
        }
        Ok(())
    }

    /// What has been read so far.
    pub(super) fn data(&self) -> &[u8] {
        if self.rest.is_empty() { &self.first } else { &self.rest }
    }

    /// Whether that is known to be all.
    pub(super) fn is_whole(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// As for [`read`].
    pub(super) async fn finish(mut self, limits: &Limits) -> Result<Bytes, Status> {
        self.fill(usize::MAX, limits).await?;
        Ok(if self.rest.is_empty() { self.first } else { self.rest.freeze() })
    }
}

fn too_large(limit: usize) -> Status {
    let text = format!("The request body is too large: at most {limit} bytes are accepted.");
    Status::caller(Code::ResourceExhausted, text).with_http(413)
}

pub(super) fn too_slow() -> Status {
    Status::caller(Code::DeadlineExceeded, "The request body did not arrive in time.")
}

pub(super) fn broken(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => {
            tracing::debug!(%error, "a request body broke off");
            let text = "The request body is incomplete or not framed as HTTP asks.";
            Status::caller(Code::InvalidArgument, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(content_type: &str) -> bool {
        matches!(format_of(content_type), Some(Ok(BodyFormat::Json)))
    }

    #[test]
    fn json_by_its_names() {
        for value in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/merge-patch+json",
            "application/json; version=1",
            "application/json; version=\"a; charset=latin1\"",
        ] {
            assert!(is_json(value), "{value}");
        }
        for value in [
            "text/plain",
            "application/jsonp",
            "text/json",
            "application/json; charset=latin1",
            "application/json; charset",
            "",
            "json",
            "text/merge-patch+json",
        ] {
            assert!(!is_json(value), "{value}");
        }
    }

    #[test]
    fn xml_with_its_charset() {
        let xml = |charset: Option<&str>| {
            Some(Ok(BodyFormat::Xml { charset: charset.map(str::to_owned), is_wrapped: false }))
        };
        let table = [
            ("application/xml", xml(None)),
            ("Text/XML ; Charset=\"ISO-8859-1\"", xml(Some("ISO-8859-1"))),
            ("application/vnd.echo+XML;charset=utf-16", xml(Some("utf-16"))),
            ("text/xml; note=\"; charset=ebcdic\"", xml(None)),
            ("text/xml; charset=ebcdic", None),
            ("text/xml; charset=utf-8; charset=utf-8", None),
            ("text/xml; charset=\"utf-8", None),
            ("application/soap+xml", None),
        ];
        for (value, expected) in table {
            assert_eq!(format_of(value), expected, "{value}");
        }
    }

    #[test]
    fn forms_by_their_names() {
        let multipart = |boundary: &str| BodyFormat::Multipart { boundary: boundary.into() };
        let table = [
            ("application/x-www-form-urlencoded", Some(BodyFormat::Form)),
            ("Application/X-WWW-Form-URLencoded; charset=UTF-8", Some(BodyFormat::Form)),
            ("application/x-www-form-urlencoded; charset=latin1", None),
            ("multipart/form-data; boundary=a", Some(multipart("a"))),
            ("multipart/form-data; charset=utf-8; boundary=\"a b\"", Some(multipart("a b"))),
            ("multipart/mixed; boundary=a", None),
        ];
        for (value, expected) in table {
            assert_eq!(format_of(value).map(Result::unwrap), expected, "{value}");
        }
        let text = "The multipart body is not valid: its content type names no valid boundary.";
        for value in ["multipart/form-data", "multipart/form-data; boundary="] {
            assert_eq!(format_of(value).unwrap().unwrap_err().message(), text, "{value}");
        }
    }
}
