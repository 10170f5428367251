//! `routes[].redirect` and `routes[].answer`: what is answered without a call

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::limits::DAY;
use super::place::Located;
use super::problem::{Flaw, Problem, quote};
use super::settings::Scalar;
use super::settings::collection::Named;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::path::FilePath;

settings! {
    /// Where callers are sent: the path or URL alone, or a mapping.
    pub struct Redirect, short for to {
        /// A path such as `/v2/users/{id}`, with variables of the route's path, or a URL such as
        /// `https://docs.example/{id}`.
        to: Located<String>,
        /// The status. 307 and 308 keep the method of the request, 301 and 308 are remembered by browsers.
        status: Located<RedirectStatus> = RedirectStatus(307).into(),
        /// Whether the query of the request goes along.
        query: Located<RedirectQuery> = RedirectQuery::Keep.into(),
    }
    example "Write `redirect: {to: \"/v2/users/{id}\", status: 308}`."
}

settings! {
    /// What becomes of the query of a request.
    pub enum RedirectQuery {
        /// It goes along, behind what `to` has.
        "keep" => Keep,
        /// It is left out.
        "drop" => Drop,
    }
}

settings! {
    /// An answer that is the same for everybody.
    pub struct FixedAnswer default {
        /// The status.
        status: Located<u32> = 200.into() => 200..=599,
        /// The media type of the content. Made of the ending of `file` if this is left out, else
        /// `text/plain; charset=utf-8`.
        content_type: Option<Located<String>> = None,
        /// The content.
        body: Option<Located<String>> = None,
        /// A file with the content, of at most 1 MiB. What it holds is taken up when it changes.
        file: Option<Located<FilePath>> = None,
        /// Headers of the answer.
        headers: Option<Named<Located<String>>> = None,
        /// For how long clients may keep the answer without asking again. They have to ask each time if this is left out.
        max_age: Option<Located<Duration>> = None => Duration::ZERO..=DAY.saturating_mul(366),
    }
    check check(status, content_type, body, file, headers)
    example "Write `answer: {content_type: text/plain, body: \"...\"}` or `answer: {file: pages/robots.txt}`."
}

/// The status of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectStatus(pub u16);

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

impl Scalar for RedirectStatus {
    const WHAT: &'static str = "the status of a redirect, such as 308";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let known = text.parse().ok().filter(|status| STATUSES.contains(status));
        known.map(Self).ok_or_else(|| {
            let hint = "Write 307, or 308 if it is for good. 302 and 301 let clients change POST to GET, and 303 asks for \
                        that.";
            Flaw::new(format!("{} is not the status of a redirect.", quote(text)), hint)
        })
    }

    fn schema() -> Json {
        json!({ "enum": STATUSES })
    }

    fn to_json(&self) -> Json {
        self.0.into()
    }
}

/// Headers that HTTP sets by itself, or that have a key of their own.
const TAKEN: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cache-control",
];

impl FixedAnswer {
    fn check(
        reader: &mut Reader<'_>,
        status: Option<&Located<u32>>,
        content_type: Option<&Option<Located<String>>>,
        body: Option<&Option<Located<String>>>,
        file: Option<&Option<Located<FilePath>>>,
        headers: Option<&Option<Named<Located<String>>>>,
    ) {
        let mut error = |text: String, place: Option<_>, hint: &str| {
            let _: Option<()> = reader.error(Problem::error(text).at(place).hint(hint));
        };
        if let (Some(Some(_)), Some(Some(file))) = (body, file) {
            let text = "An answer is either a text or a file, but here is both.".to_owned();
            error(text, file.place, "Remove one of the two.");
        }
        let content = body.and_then(|body| body.as_ref().map(|body| body.place));
        let content = content.or_else(|| file.and_then(|file| file.as_ref().map(|file| file.place)));
        if let Some(status) = status.filter(|status| matches!(status.value, 204 | 205 | 304))
            && let Some(place) = content
        {
            let text = format!("An answer with the status {} has no content.", status.value);
            error(text, place, "Remove the content, or write the status 200.");
        }
        if let Some(Some(value)) = content_type
            && !is_media_type(value)
        {
            let text = format!("{} is not a media type.", quote(value));
            error(text, value.place, "Write a type such as text/html; charset=utf-8 or application/json.");
        }
        for (name, value) in headers.into_iter().flatten().flat_map(|headers| headers.iter()) {
            let lower = name.to_ascii_lowercase();
            if TAKEN.contains(&&*lower) {
                let text = format!("The header {} is not for this list.", quote(name));
                let hint = match &*lower {
                    "content-type" => "Write `content_type`.",
                    "cache-control" => "Write `max_age`.",
                    _ => "Remove it: Transom sets it by itself.",
                };
                error(text, name.place, hint);
            }
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                let text =
                    format!("The value of the header {} has characters that no header has.", quote(name));
                error(text, value.place, "Write visible ASCII and spaces.");
            }
        }
    }
}

/// `type/subtype`, with parameters behind a semicolon (RFC 9110 section 8.3.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    essence.trim().split_once('/').is_some_and(|(group, name)| is_token(group) && is_token(name))
        && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
