//! After both passes: extensions join their messages, and every table gets its indexes.

use std::collections::{HashMap, HashSet};

use super::{Extension, Loader, MAX_MEMBERS};
use crate::schema::Schema;
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::names::{Arena, NameIndex, NumberIndex};
use crate::schema::{MessageId, Presence};

impl Loader {
    pub(super) fn finish(mut self) -> Schema {
        let names = self.names.finish();
        for message in &mut self.messages {
            index_fields(&names, message);
        }
        for each in &mut self.enums {
            let values = &each.values;
            let named: Vec<_> =
                values.iter().enumerate().map(|(at, value)| (value.name, at as u16)).collect();
            each.by_name = NameIndex::new(&names, &named, |at| [values[at as usize].name; 2]);
        }
        for service in &mut self.services {
            let methods = &service.methods;
            let named: Vec<_> =
                methods.iter().enumerate().map(|(at, method)| (method.name, at as u16)).collect();
            service.by_name = NameIndex::new(&names, &named, |at| [methods[at as usize].name; 2]);
        }
        mark_requiring(&mut self.messages);
        Schema {
            names,
            messages: self.messages.into(),
            enums: self.enums.into(),
            services: self.services.into(),
            types: self.types,
            service_index: self.service_index,
            comments: self.comments.finish(),
        }
    }

    /// Appends the extensions to the fields of their messages.
    pub(super) fn add_extensions(&mut self) {
        let mut extensions = std::mem::take(&mut self.extensions);
        extensions.sort_by_key(|extension| extension.message.0);
        let mut extensions = extensions.into_iter().peekable();
        while let Some(id) = extensions.peek().map(|extension| extension.message.0) {
            let message = &mut self.messages[id as usize];
            let mut taken: HashSet<_> = message.fields.iter().map(Field::number).collect();
            let mut fields = std::mem::take(&mut message.fields).into_vec();
            while let Some(Extension { file, field, .. }) = extensions.next_if(|next| next.message.0 == id) {
                let problem = if !taken.insert(field.number()) {
                    let of = self.names.text(message.name);
                    format!("the field number {} is used twice in {of}", field.number())
                } else if fields.len() + usize::from(message.oneofs) >= MAX_MEMBERS {
                    format!("the message has more than {MAX_MEMBERS} fields and oneofs")
                } else {
                    fields.push(field);
                    continue;
                };
                let element = self.names.text(field.name()).trim_matches(['[', ']']);
                self.problems.add(self.names.text(file), element, problem);
            }
            message.fields = fields.into();
        }
    }
}

fn index_fields(names: &Arena, message: &mut Message) {
    message.fields.iter_mut().for_each(Field::finish_tag);
    let fields = &message.fields;
    // Proto names first: where a JSON name equals another field's proto name, both were valid before
    // JSON names could be set, and the proto name is the one that cannot be spelled otherwise.
    let numbered = || fields.iter().enumerate().map(|(at, field)| (field, at as u16));
    let other = |field: &Field| Some(field.json_name()).filter(|&name| name != field.name());
    let json_names = numbered().filter_map(|(field, at)| Some((other(field)?, at)));
    let all: Vec<_> = numbered().map(|(field, at)| (field.name(), at)).chain(json_names).collect();
    message.by_name = NameIndex::new(names, &all, |at| {
        let field = &fields[at as usize];
        [field.name(), field.json_name()]
    });
    message.by_number = NumberIndex::new(fields.iter().map(|field| field.number() as i32));
}

/// Marks the messages that have required fields, and those that can hold such a message.
fn mark_requiring(messages: &mut [Message]) {
    let is_required = |field: &Field| field.cardinality == Cardinality::Singular(Presence::Required);
    let mut found: Vec<_> = (0..messages.len() as u32)
        .map(MessageId)
        .filter(|id| messages[id.0 as usize].fields.iter().any(is_required))
        .collect();
    if found.is_empty() {
        return;
    }
    let mut holders: HashMap<MessageId, Vec<MessageId>> = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        for field in &message.fields {
            if let Kind::Message(held) = field.kind {
                holders.entry(held).or_default().push(MessageId(at as u32));
            }
        }
    }
    while let Some(id) = found.pop() {
        let message = &mut messages[id.0 as usize];
        if !std::mem::replace(&mut message.requires, true) {
            found.extend(holders.get(&id).into_iter().flatten());
        }
    }
}
