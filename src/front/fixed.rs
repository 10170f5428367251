//! What is answered without a call: redirects, and pages that are the same for everybody.

use http::header::{CONTENT_TYPE, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::answer::{Answer, AnswerBody};
use super::head::Head;
use crate::snapshot::fixed::{Content, Fixed, Page, Redirect};

/// The answer to a request. `values` are those of the path's variables, as they were sent.
pub(super) fn answer(fixed: &Fixed, head: &Head, values: &[&str]) -> Answer {
    match &fixed.content {
        Content::Redirect(to) => redirect(to, head, values),
        Content::Page(page) => show(page, head),
    }
}

fn redirect(to: &Redirect, head: &Head, values: &[&str]) -> Answer {
    let query = head.uri.query().filter(|_| to.keeps_query);
    let location = HeaderValue::try_from(to.location.write(values, query));
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = to.status;
    answer.headers_mut().insert(LOCATION, location.expect("a location is visible ASCII"));
    answer
}

fn show(page: &Page, head: &Head) -> Answer {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    if is_read && page.tag.as_ref().is_some_and(|tag| is_known(&head.headers, tag)) {
        let mut answer = Response::new(AnswerBody::empty());
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer.headers_mut().clone_from(&page.headers);
        answer.headers_mut().remove(CONTENT_TYPE);
        return answer;
    }
    let mut answer = Response::new(AnswerBody::from(page.body.clone()));
    *answer.status_mut() = page.status;
    answer.headers_mut().clone_from(&page.headers);
    answer
}

/// Whether the caller has what has this tag, by RFC 9110 section 13.1.2. Tags are compared weakly.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_owned();
    let tag = opaque(tag.as_bytes());
    let lists = headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
    // Our tags hold no comma.
    let mut known = lists.flat_map(|list| list.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    known.any(|known| known == b"*" || opaque(known) == tag)
}
