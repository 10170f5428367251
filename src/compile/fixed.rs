//! Routes without a call: redirects, and answers that are the same for everybody.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::config::Config;
use crate::config::files::read_named;
use crate::config::fixed::{FixedAnswer, Redirect as Written, RedirectQuery};
use crate::config::maintenance::Maintenance;
use crate::config::problem::{Problem, Problems};
use crate::config::route::Route;
use crate::route::location::Location;
use crate::route::template::Template;
use crate::snapshot::fixed::{Content, Fixed, Page, Redirect};
use crate::snapshot::maintenance::Terms;

/// The largest file that is answered with, in bytes: it is kept in memory.
const MAX_FILE: u64 = 1 << 20;

/// What the routes of a configuration are answered with, by their places in it; absent for those that are calls, and those
/// with which something is wrong, which is told.
pub(super) fn all(config: &Config, problems: &mut Problems) -> Vec<Option<Arc<Fixed>>> {
    config.routes.iter().map(|route| build(route, problems).map(Arc::new)).collect()
}

fn build(route: &Route, problems: &mut Problems) -> Option<Fixed> {
    if route.redirect.is_none() && route.answer.is_none() {
        return None;
    }
    let template = match Template::parse(&route.path) {
        Ok(template) => template,
        Err(error) => {
            let text = format!("The route {} is not valid: {error}", route.path.value);
            problems.push(Problem::error(text).at(route.path.place));
            return None;
        }
    };
    let content = match (&route.redirect, &route.answer) {
        (Some(written), _) => Content::Redirect(redirect(written, &template, problems)?),
        (None, Some(answer)) => Content::Page(page(answer, problems)?),
        (None, None) => return None,
    };
    Some(Fixed::new(template.as_str(), content))
}

fn redirect(written: &Written, template: &Template, problems: &mut Problems) -> Option<Redirect> {
    let location = match Location::parse(&written.to, template) {
        Ok(location) => location,
        Err(error) => {
            problems.push(Problem::error(error.to_string()).at(written.to.place));
            return None;
        }
    };
    Some(Redirect {
        location,
        status: status(written.status.value.0),
        keeps_query: written.query.value == RedirectQuery::Keep,
    })
}

fn page(answer: &FixedAnswer, problems: &mut Problems) -> Option<Page> {
    let body = match (&answer.body, &answer.file) {
        (_, Some(file)) => Bytes::from(read_named(file, MAX_FILE, problems)?),
        (Some(body), None) => Bytes::from(body.value.clone()),
        (None, None) => Bytes::new(),
    };
    let status = status(u16::try_from(answer.status.value).unwrap_or(200));
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers.iter().flat_map(|headers| headers.iter()) {
        // The configuration has checked both.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(&*name.value), HeaderValue::try_from(&*value.value))
        {
            headers.append(name, value);
        }
    }
    let tag = (status == StatusCode::OK).then(|| tag(&body));
    if let Some(tag) = &tag {
        headers.insert(ETAG, tag.clone());
    }
    let cache = match &answer.max_age {
        Some(age) => HeaderValue::try_from(format!("max-age={}", age.value.as_secs())).ok(),
        None => Some(HeaderValue::from_static("no-cache")),
    };
    headers.extend(cache.map(|cache| (CACHE_CONTROL, cache)));
    let has_type = !body.is_empty() || answer.content_type.is_some();
    if let Some(media_type) = media_type(answer).filter(|_| has_type) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    Some(Page { status, headers, body, tag })
}

fn status(number: u16) -> StatusCode {
    // The configuration has checked the bounds.
    StatusCode::from_u16(number).unwrap_or(StatusCode::OK)
}

/// The same content has the same tag in every process.
fn tag(body: &[u8]) -> HeaderValue {
    let digest = digest(&SHA256, body);
    let hex: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hex}\"")).expect("hexadecimal digits are visible ASCII")
}

fn media_type(answer: &FixedAnswer) -> Option<HeaderValue> {
    if let Some(written) = &answer.content_type {
        return HeaderValue::try_from(&*written.value).ok();
    }
    let ending = answer.file.as_ref().and_then(|file| file.value.extension()?.to_str());
    Some(HeaderValue::from_static(match ending.map(str::to_ascii_lowercase).as_deref() {
        None | Some("txt") => "text/plain; charset=utf-8",
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("xml" | "xsd" | "wsdl") => "application/xml",
        Some("yaml" | "yml") => "application/yaml",
        Some("pdf") => "application/pdf",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some(_) => "application/octet-stream",
    }))
}

/// What a configuration says of maintenance.
pub(super) fn maintenance(written: &Maintenance, problems: &mut Problems) -> Terms {
    Terms {
        retry_after: written.retry_after.value,
        except: super::networks(&written.except.ips),
        page: written.page.as_ref().and_then(|page| read_named(page, MAX_FILE, problems)).map(Bytes::from),
    }
}
