//! The rooms: who is in them, what was said, and who hears it. Everything is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use prost_types::Timestamp;
use tokio::sync::broadcast::{Receiver, Sender};
use tonic::Status;

use super::super::chat_v1::{Member, Message, RoomEvent, RoomState, Welcome, room_event};
use super::super::errors::{self, Violations};

/// How many rooms there are at most, those included that are empty and kept for what was said in them.
pub(super) const MAX_ROOMS: usize = 100;

/// How many members a room has at most.
pub(super) const MAX_MEMBERS: usize = 50;

/// How many messages a room keeps.
pub(super) const MAX_HISTORY: usize = 50;

/// How many events a slow member, and how many states a slow watcher, may be behind.
pub(super) const MAX_BEHIND: usize = 64;

/// How many characters a name has at most.
pub(super) const MAX_NAME: usize = 32;

/// How many bytes a message has at most.
pub(super) const MAX_TEXT: usize = 1_000;

/// How many characters the name of a room has at most.
const MAX_ROOM: usize = 40;

/// All rooms.
pub(super) struct Rooms {
    rooms: BTreeMap<String, Room>,
    changes: Sender<RoomState>,
    /// Counts the changes.
    clock: u64,
}

/// One room.
struct Room {
    members: BTreeSet<String>,
    history: VecDeque<Message>,
    said: i64,
    events: Sender<RoomEvent>,
    changed: Timestamp,
    /// The clock when it changed last.
    clock: u64,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { rooms: BTreeMap::new(), changes: Sender::new(MAX_BEHIND), clock: 0 }
    }
}

impl Rooms {
    /// Takes a place in a room, which is opened if it is not there, and lets its members know.
    ///
    /// # Errors
    /// ALREADY_EXISTS when the name is taken, RESOURCE_EXHAUSTED when there is no place.
    pub(super) fn enter(
        &mut self,
        room_name: &str,
        name: &str,
    ) -> Result<(Welcome, Receiver<RoomEvent>), Status> {
        if !self.rooms.contains_key(room_name) {
            self.make_place()?;
        }
        let room = self.rooms.entry(room_name.to_owned()).or_insert_with(Room::new);
        if room.members.contains(name) {
            return Err(errors::already_exists("Member", &format!("rooms/{room_name}/members/{name}")));
        }
        if room.members.len() >= MAX_MEMBERS {
            return Err(Status::resource_exhausted(format!(
                "The room {room_name} has {MAX_MEMBERS} members, which is all it takes. Enter another one."
            )));
        }
        room.members.insert(name.to_owned());
        room.tell(room_event::Event::Joined(Member { name: name.to_owned() }));
        // It hears what comes after its own arrival, which the welcome says.
        let events = room.events.subscribe();
        let welcome = Welcome {
            room: room_name.to_owned(),
            members: room.members.iter().map(|name| Member { name: name.clone() }).collect(),
            history: room.history.iter().cloned().collect(),
        };
        self.announce(room_name);
        Ok((welcome, events))
    }

    /// Gives a place up.
    pub(super) fn leave(&mut self, room_name: &str, name: &str) {
        if let Some(room) = self.rooms.get_mut(room_name)
            && room.members.remove(name)
        {
            room.tell(room_event::Event::Left(Member { name: name.to_owned() }));
            self.announce(room_name);
        }
    }

    /// Lets a member say something. The text was checked.
    pub(super) fn say(&mut self, room_name: &str, name: &str, text: String) {
        if let Some(room) = self.rooms.get_mut(room_name) {
            let message = Message { name: name.to_owned(), text, time: Some(now()) };
            if room.history.len() == MAX_HISTORY {
                room.history.pop_front();
            }
            room.history.push_back(message.clone());
            room.said += 1;
            room.tell(room_event::Event::Said(message));
            self.announce(room_name);
        }
    }

    /// What was said last in a room.
    ///
    /// # Errors
    /// NOT_FOUND when there is no such room.
    pub(super) fn history(&self, room: &str) -> Result<Vec<Message>, Status> {
        let room = self.rooms.get(room).ok_or_else(|| errors::not_found("Room", &format!("rooms/{room}")))?;
        Ok(room.history.iter().cloned().collect())
    }

    /// The rooms as they are, and their changes from now on.
    pub(super) fn watch(&self) -> (VecDeque<RoomState>, Receiver<RoomState>) {
        let states = self.rooms.iter().map(|(name, room)| room.state(name)).collect();
        (states, self.changes.subscribe())
    }

    /// Makes place for one more room: of those that are empty, the one goes that changed least recently.
    fn make_place(&mut self) -> Result<(), Status> {
        if self.rooms.len() < MAX_ROOMS {
            return Ok(());
        }
        let empty = self.rooms.iter().filter(|(_, room)| room.members.is_empty());
        let oldest = empty.min_by_key(|(_, room)| room.clock).map(|(name, _)| name.clone());
        let Some((name, room)) = oldest.and_then(|name| self.rooms.remove_entry(&name)) else {
            return Err(Status::resource_exhausted(format!(
                "There are {MAX_ROOMS} rooms with members, which is all there can be. Enter one of them."
            )));
        };
        // It fails when nobody watches, which is as it should be.
        let _ = self.changes.send(RoomState { closed: true, ..room.state(&name) });
        Ok(())
    }

    /// Tells the watchers that a room has changed.
    fn announce(&mut self, name: &str) {
        if let Some(room) = self.rooms.get_mut(name) {
            self.clock += 1;
            room.clock = self.clock;
            room.changed = now();
            let _ = self.changes.send(room.state(name));
        }
    }
}

impl Room {
    fn new() -> Self {
        Self {
            members: BTreeSet::new(),
            history: VecDeque::new(),
            said: 0,
            events: Sender::new(MAX_BEHIND),
            changed: now(),
            clock: 0,
        }
    }

    /// Tells the members.
    fn tell(&self, what: room_event::Event) {
        let _ = self.events.send(event(what));
    }

    fn state(&self, name: &str) -> RoomState {
        RoomState {
            room: name.to_owned(),
            members: self.members.len().try_into().unwrap_or(i32::MAX),
            messages: self.said,
            time: Some(self.changed),
            closed: false,
        }
    }
}

/// An event that happens now.
pub(super) fn event(event: room_event::Event) -> RoomEvent {
    RoomEvent { time: Some(now()), event: Some(event) }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(super) fn check_room(room: &str, violations: &mut Violations) {
    let is_valid = (1..=MAX_ROOM).contains(&room.len())
        && room.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    violations.require(is_valid, "room", "must be 1 to 40 lower-case letters, digits or hyphens");
}

pub(super) fn check_name(name: &str, violations: &mut Violations) {
    let is_valid = !name.is_empty()
        && name.chars().nth(MAX_NAME).is_none()
        && name.trim() == name
        && !name.chars().any(char::is_control);
    let text = "must be 1 to 32 characters, without control characters and without spaces around them";
    violations.require(is_valid, "name", text);
}

pub(super) fn check_text(text: &str, violations: &mut Violations) {
    violations.require((1..=MAX_TEXT).contains(&text.len()), "text", "must be 1 to 1,000 bytes long");
}
