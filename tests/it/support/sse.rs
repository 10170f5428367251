//! Server-sent events, by the rules of <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use serde_json::{Map, Value};

/// An event, with the fields that it has itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: String,
}

impl Event {
    /// Its fields as an object; the data must be JSON.
    pub(crate) fn value(&self) -> serde_json::Result<Value> {
        let mut fields = Map::new();
        for (name, value) in [("id", &self.id), ("event", &self.event)] {
            fields.extend(value.as_ref().map(|value| (name.to_owned(), Value::from(value.as_str()))));
        }
        fields.insert("data".to_owned(), serde_json::from_str(&self.data)?);
        Ok(Value::Object(fields))
    }
}

/// The events of a stream that are complete. Comments are none.
pub(crate) fn events(text: &str) -> impl Iterator<Item = Event> + '_ {
    let complete = text.rfind("\n\n").map_or("", |end| &text[..end]);
    complete.split("\n\n").filter_map(|block| {
        let mut event = Event::default();
        let mut data = Vec::new();
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => event.id = Some(value.to_owned()),
                "event" => event.event = Some(value.to_owned()),
                "data" => data.push(value),
                _ => {}
            }
        }
        event.data = data.join("\n");
        (!data.is_empty()).then_some(event)
    })
}

#[test]
fn events_are_read() {
    let text = "id: 1\ndata: {}\n\n:\n\nevent:end\ndata:a\ndata: b\n\ndata: cut";
    let expected = [
        Event { id: Some("1".into()), event: None, data: "{}".into() },
        Event { id: None, event: Some("end".into()), data: "a\nb".into() },
    ];
    assert_eq!(events(text).collect::<Vec<_>>(), expected);
}
