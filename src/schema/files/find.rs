//! What a file declares, read in place.

use crate::schema::descriptor::{Enum, EnumValue, Field, File, Message, Method, Oneof, Service};

/// How deep messages are nested, at most.
const MAX_DEPTH: usize = 100;

/// The name of what stands in a package or message.
pub(super) fn joined(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn enum_of(wire: &[u8]) -> Enum<'_> {
    Enum::read(wire).unwrap_or_default()
}

fn values<'a>(declared: &Enum<'a>) -> impl Iterator<Item = &'a str> {
    declared.values.clone().into_iter().filter_map(|wire| Some(EnumValue::read(wire).ok()?.name))
}

fn field_name(wire: &[u8]) -> &str {
    Field::read(wire).map_or("", |field| field.name)
}

fn message_of(wire: &[u8]) -> Message<'_> {
    Message::read(wire).unwrap_or_default()
}

/// The names of a file's services, without its package.
pub(super) fn service_name(wire: &[u8]) -> &str {
    Service::read(wire).map_or("", |service| service.name)
}

/// Calls `visit` with the name of everything that a file declares in its package: of messages, enums and their values,
/// and extensions, but not of services.
pub(super) fn top_level(file: &File<'_>, mut visit: impl FnMut(&str)) {
    for wire in &file.messages {
        visit(message_of(wire).name);
    }
    for wire in &file.enums {
        let declared = enum_of(wire);
        visit(declared.name);
        values(&declared).for_each(&mut visit);
    }
    for wire in &file.extensions {
        visit(field_name(wire));
    }
}

/// Calls `visit` with every extension in a file: the type that it extends, without a leading dot, and its number.
pub(super) fn extensions(file: &File<'_>, visit: &mut impl FnMut(&str, i32)) {
    fields(&file.extensions, visit);
    for wire in &file.messages {
        nested_extensions(wire, visit, MAX_DEPTH);
    }
}

fn nested_extensions(wire: &[u8], visit: &mut impl FnMut(&str, i32), depth: usize) {
    let message = message_of(wire);
    fields(&message.extensions, visit);
    if depth > 0 {
        for nested in &message.nested {
            nested_extensions(nested, visit, depth - 1);
        }
    }
}

fn fields(extensions: &[&[u8]], visit: &mut impl FnMut(&str, i32)) {
    for field in extensions.iter().filter_map(|wire| Field::read(wire).ok()) {
        if let Ok(number) = i32::try_from(field.number) {
            visit(field.extendee.trim_start_matches('.'), number);
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Message,
    /// A service, or a method of it.
    Service(&'a str),
    Other,
}

/// What a file declares under a full name.
pub(super) fn declared<'s>(file: &File<'_>, symbol: &'s str) -> Option<Kind<'s>> {
    let path = match file.package {
        "" => symbol,
        package => symbol.strip_prefix(package)?.strip_prefix('.')?,
    };
    let (head, rest) = split(path);
    for wire in &file.messages {
        let message = message_of(wire);
        if message.name == head {
            return rest.map_or(Some(Kind::Message), |rest| in_message(message, rest));
        }
    }
    for wire in &file.services {
        let Ok(service) = Service::read(wire) else { continue };
        if service.name == head {
            let is_method = |name: &str| {
                let mut methods = service.methods.iter().filter_map(|wire| Method::read(wire).ok());
                methods.any(|method| method.name == name)
            };
            let length = symbol.len() - rest.map_or(0, |rest| rest.len() + 1);
            return rest.is_none_or(is_method).then_some(Kind::Service(&symbol[..length]));
        }
    }
    let is_other = rest.is_none() && is_enum_or_extension(&file.enums, &file.extensions, head);
    is_other.then_some(Kind::Other)
}

fn in_message<'s>(mut message: Message<'_>, mut path: &str) -> Option<Kind<'s>> {
    loop {
        let (head, rest) = split(path);
        let inner = message.nested.iter().map(|wire| message_of(wire)).find(|inner| inner.name == head);
        match (inner, rest) {
            (Some(_), None) => return Some(Kind::Message),
            (Some(inner), Some(rest)) => (message, path) = (inner, rest),
            (None, Some(_)) => return None,
            (None, None) => {
                let is_member = message.fields.iter().any(|wire| field_name(wire) == head)
                    || message.oneofs.iter().any(|wire| Oneof::read(wire).is_ok_and(|of| of.name == head))
                    || is_enum_or_extension(&message.enums, &message.extensions, head);
                return is_member.then_some(Kind::Other);
            }
        }
    }
}

/// The values of an enum are named beside it.
fn is_enum_or_extension(enums: &[&[u8]], extensions: &[&[u8]], name: &str) -> bool {
    let mut declared = enums.iter().map(|wire| enum_of(wire));
    declared.any(|each| each.name == name || values(&each).any(|value| value == name))
        || extensions.iter().any(|wire| field_name(wire) == name)
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)))
}
