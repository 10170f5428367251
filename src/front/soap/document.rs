//! The documents of a service: its WSDL and the XML Schema of what it sends and receives.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Response};

use super::super::answer::{Answer, AnswerBody};
use super::super::head::Head;
use super::super::view::View;
use crate::call::Dialect;
use crate::document::{wsdl, xsd};
use crate::route::query::pairs;
use crate::schema::Schema;
use crate::schema::method::Service as Table;
use crate::snapshot::service::Service;
use crate::snapshot::surface::Surface;

/// How many parameters of a query are looked at.
const MAX_PARAMETERS: usize = 20;
/// Stands for the address in a WSDL that is kept. It is of characters that mean nothing to anybody.
const ADDRESS: &str = "\u{e000}address\u{e000}";

/// What a query asks for.
enum Wanted {
    Wsdl,
    /// The schema of this package, or of the service itself.
    Xsd(String),
}

impl Wanted {
    fn of(query: &str) -> Option<Self> {
        for (name, value) in pairs(query, MAX_PARAMETERS).map_while(Result::ok) {
            if name.eq_ignore_ascii_case("wsdl") || name.eq_ignore_ascii_case("singlewsdl") {
                return Some(Self::Wsdl);
            }
            if name.eq_ignore_ascii_case("xsd") {
                return Some(Self::Xsd(value.into_owned()));
            }
        }
        None
    }
}

/// The document that a GET asks for; `None` if it asks for none that there is.
pub(super) fn answer(view: View<'_>, service: &Service, head: &Head, is_secure: bool) -> Option<Answer> {
    let documents = view.surface.documents.as_ref()?;
    let (name, comments) = (&service.name, documents.comments);
    match Wanted::of(head.uri.query()?)? {
        Wanted::Wsdl => {
            let text = documents.get(&format!("{name}?wsdl"), || {
                Some(wsdl::of_service(&service.schema, service.table()?, ADDRESS, comments))
            })?;
            let base = match &view.snapshot.public_url {
                Some(url) => url.clone(),
                None => asked_for(head, is_secure),
            };
            // What is kept is a string.
            let text = std::str::from_utf8(&text).ok()?.replace(ADDRESS, &format!("{base}/soap/{name}"));
            Some(xml(text.into_bytes().into()))
        }
        Wanted::Xsd(package) => {
            // Relative to the address of this document.
            let location = |package: &str| format!("{name}?xsd={package}");
            let text = documents.get(&format!("{name}?xsd={package}"), || {
                let (schema, table) = (&service.schema, service.table()?);
                if package == *name {
                    return Some(xsd::of_service(schema, table, &location, comments));
                }
                let types = service.types(|| xsd::types_of(schema, xsd::operations(table)));
                xsd::of_package(schema, types, &package, &location, comments)
            })?;
            Some(xml(text.into()))
        }
    }
}

/// The schema of a package, at `/xsd/package`, for those who send XML to routes.
pub(in crate::front) fn of_package(surface: &Surface, head: &Head) -> Option<Answer> {
    let package = head.uri.path().strip_prefix("/xsd/")?;
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        return None;
    }
    let documents = surface.documents.as_ref()?;
    let text = documents.get(&format!("xsd/{package}"), || {
        // Relative to the address of this document.
        let location = |package: &str| if package.is_empty() { "./".to_owned() } else { package.to_owned() };
        let mut types = documents.types(|| types(surface)).iter();
        types.find_map(|(schema, types)| {
            xsd::of_package(schema, types, package, &location, documents.comments)
        })
    })?;
    Some(xml(text.into()))
}

/// What can be sent to the services that have routes. What else the descriptors define stays inside.
fn types(surface: &Surface) -> Vec<(Arc<Schema>, xsd::Types)> {
    let mut found: Vec<(Arc<Schema>, Vec<&Service>)> = Vec::new();
    for service in surface.services.iter().filter(|service| service.speaks(Dialect::Xml)) {
        match found.iter_mut().find(|(schema, _)| Arc::ptr_eq(schema, &service.schema)) {
            Some((_, services)) => services.push(service),
            None => found.push((Arc::clone(&service.schema), vec![service])),
        }
    }
    let types = |(schema, services): (Arc<Schema>, Vec<&Service>)| {
        let methods = services.iter().filter_map(|service| service.table()).flat_map(Table::methods);
        let types = xsd::types_of(&schema, methods);
        (schema, types)
    };
    found.into_iter().map(types).collect()
}

/// The URL under which Transom was asked, without a path.
fn asked_for(head: &Head, is_secure: bool) -> String {
    let scheme = if is_secure { "https" } else { "http" };
    let host = match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(HOST).and_then(|host| host.to_str().ok()),
    };
    // It becomes a part of the document.
    let is_plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    format!("{scheme}://{}", host.filter(is_plain).unwrap_or("localhost"))
}

fn xml(body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    // It follows the descriptors.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}
