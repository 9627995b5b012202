//! Rooms: each room is the live log of one piece of work. A room is a channel `room:{id}`. Each of its rows
//! opens, changes or closes the room, or is a line of the log.

use serde_json::{Map, Value};

use crate::channel::channel_id;
use crate::event::{DedupKey, Event, NewEvent};
use crate::invalid::{Invalid, shown};
use crate::meta::Meta;
use crate::names::{Kind, Module};
use crate::sets::{Source, Status, closed_set};
use crate::task::Task;
use crate::ts::Ts;

/// The family of the channels of rooms.
pub const ROOMS: &str = "room";

/// The kinds of the rows of a room.
pub mod kinds {
    /// The row that opens a room.
    pub const OPENED: &str = "room.opened";
    /// A row that changes the owner, the readers or the title of a room.
    pub const UPDATED: &str = "room.updated";
    /// The row that closes a room.
    pub const CLOSED: &str = "room.closed";
    /// A line of the log.
    pub const LOG: &str = "log";
}

/// The maximum length of a message in bytes.
pub const MOST_MESSAGE_BYTES: usize = 8 << 10;

channel_id! {
    /// The id of a room: 1 to 128 characters of A-Z, a-z, 0-9, dot, `_` and `-`, but not `.` or `..`.
    RoomId, "room", ROOMS
}

closed_set! {
    /// Who may read a room.
    Readers, "group of readers" {
        /// Every user who has signed in.
        SignedIn = "signed_in",
        /// Only the owner.
        Owner = "owner",
    }
}

closed_set! {
    /// The level of a line.
    LogLevel, "level" {
        /// Information.
        Info = "info",
        /// A warning.
        Warn = "warn",
        /// An error.
        Error = "error",
        /// Something succeeded.
        Success = "success",
    }
}

impl LogLevel {
    /// The status of an event that is a line of this level.
    pub const fn status(self) -> Status {
        match self {
            Self::Error => Status::Failure,
            Self::Success => Status::Success,
            Self::Info | Self::Warn => Status::Info,
        }
    }
}

/// The type of the agent that wrote a line, such as `code` or `deploy`: a lower-case letter, then at most 31
/// lower-case letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentType(Box<str>);

impl AgentType {
    /// The maximum length, in bytes.
    pub const MAX_BYTES: usize = 32;

    /// Parses the type of an agent.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if starts_well && text.len() <= Self::MAX_BYTES && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "{} is not the type of an agent: expected a letter of a-z, then at most 31 characters of \
                 a-z, 0-9, _ and -",
                shown(text)
            )))
        }
    }

    /// The type's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A line of a room's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When the line was written.
    pub ts: Ts,
    /// The task that the line belongs to.
    pub task: Task,
    /// The type of the agent that wrote the line.
    pub agent_type: AgentType,
    /// The level.
    pub level: LogLevel,
    /// The text. It has at most [`MOST_MESSAGE_BYTES`] bytes and no NUL character.
    pub message: String,
    /// Other data of the line.
    pub metadata: Option<Map<String, Value>>,
}

impl LogLine {
    /// The event that stores the line in `room`.
    ///
    /// # Errors
    /// When the message is too long, when the line has a NUL character, or when the line as a whole is too
    /// large. If characters of a message need escapes, even a message of an allowed length may be too large.
    pub fn into_event(self, room: &RoomId) -> Result<NewEvent, Invalid> {
        if self.message.len() > MOST_MESSAGE_BYTES {
            return Err(Invalid::new(format!(
                "the message has {} bytes: at most {MOST_MESSAGE_BYTES} are allowed",
                self.message.len()
            )));
        }
        let module = Module::parse(&self.agent_type.as_str().to_ascii_uppercase());
        let mut meta = Map::new();
        meta.insert("agentType".into(), self.agent_type.as_str().into());
        meta.insert("level".into(), self.level.as_str().into());
        meta.insert("message".into(), self.message.into());
        if let Some(metadata) = self.metadata {
            meta.insert("metadata".into(), Value::Object(metadata));
        }
        let meta = Meta::new(meta)?;
        let (task, status) = (self.task, self.level.status());
        let event = event(self.ts, task, module.unwrap_or_else(|_| Module::core()), kinds::LOG, status);
        Ok(NewEvent { event, channel: room.channel().clone(), meta, dedup_key: None })
    }
}

/// A row that changes the state of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// Opens the room. Only the first such row has an effect.
    Opened {
        /// The user who owns the room.
        owner: Option<String>,
        /// Who may read the room.
        readers: Readers,
        /// The title.
        title: Option<String>,
    },
    /// Changes the members that are present. `Some(None)` removes the owner or the title.
    Updated {
        /// The user who owns the room.
        owner: Option<Option<String>>,
        /// Who may read the room.
        readers: Option<Readers>,
        /// The title.
        title: Option<Option<String>>,
    },
    /// Closes the room.
    Closed,
}

impl RoomChange {
    /// The event that stores the change of `room`.
    ///
    /// # Errors
    /// When the owner or the title has a NUL character.
    pub fn into_event(self, room: &RoomId, ts: Ts) -> Result<NewEvent, Invalid> {
        let mut meta = Map::new();
        let (kind, once) = match self {
            Self::Opened { owner, readers, title } => {
                meta.extend(owner.map(|owner| ("owner".into(), owner.into())));
                meta.insert("readers".into(), readers.as_str().into());
                meta.extend(title.map(|title| ("title".into(), title.into())));
                (kinds::OPENED, Some("opened"))
            }
            Self::Updated { owner, readers, title } => {
                meta.extend(owner.map(|owner| ("owner".into(), owner.into())));
                meta.extend(readers.map(|readers| ("readers".into(), readers.as_str().into())));
                meta.extend(title.map(|title| ("title".into(), title.into())));
                (kinds::UPDATED, None)
            }
            Self::Closed => (kinds::CLOSED, Some("closed")),
        };
        let key = once.map(|once| DedupKey::new(ROOMS, &format!("{room}:{once}"))).transpose()?;
        let event = event(ts, Task::Unset, Module::core(), kind, Status::Info);
        Ok(NewEvent { event, channel: room.channel().clone(), meta: Meta::new(meta)?, dedup_key: key })
    }
}

fn event(ts: Ts, task: Task, module: Module, kind: &str, status: Status) -> Event {
    let kind = Kind::stored(kind);
    Event { ts, task, layer_hint: None, module, source: Source::OasisEvents, kind, status, link: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;

    fn line(message: &str) -> LogLine {
        LogLine {
            ts: "2026-01-02T03:04:05Z".parse().unwrap(),
            task: Task::Unset,
            agent_type: AgentType::parse("code").unwrap(),
            level: LogLevel::Error,
            message: message.to_owned(),
            metadata: None,
        }
    }

    #[test]
    fn an_id_is_safe_as_a_part_of_a_path() {
        for good in ["a", "build-1", "A.b_c-9", &"x".repeat(128)] {
            let id = RoomId::parse(good).unwrap();
            assert_eq!((id.as_str(), id.channel().as_str()), (good, format!("room:{good}").as_str()));
            assert_eq!(RoomId::of_channel(id.channel()), Some(id));
        }
        for bad in ["", ".", "..", "a b", "a/b", "../x", "a:b", "é", &"x".repeat(129), "a\n"] {
            assert!(RoomId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(RoomId::of_channel(&Channel::devhub()), None);
        assert_eq!(RoomId::of_channel(&Channel::stored("cast:a")), None);
    }

    #[test]
    fn the_type_of_an_agent_has_a_grammar() {
        for good in ["code", "a", "deploy_2-x", &"a".repeat(32)] {
            assert_eq!(AgentType::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "Code", "9a", "-a", "a b", &"a".repeat(33)] {
            assert!(AgentType::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_becomes_an_event_of_its_room() {
        let room = RoomId::parse("r").unwrap();
        let event = line("no such file").into_event(&room).unwrap();
        assert_eq!(event.channel.as_str(), "room:r");
        let Event { module, kind, status, .. } = &event.event;
        assert_eq!((module.as_str(), kind.as_str(), *status), ("CODE", "log", Status::Failure));
        assert_eq!(
            event.meta.as_map(),
            serde_json::json!({"agentType": "code", "level": "error", "message": "no such file"})
                .as_object()
                .unwrap()
        );
        // An underscore does not fit the grammar of modules.
        let agent_type = AgentType::parse("a_b").unwrap();
        let event = LogLine { agent_type, ..line("x") }.into_event(&room).unwrap();
        assert_eq!(event.event.module, Module::core());
    }

    #[test]
    fn a_line_that_is_too_large_is_refused() {
        let room = RoomId::parse("r").unwrap();
        assert!(line(&"x".repeat(MOST_MESSAGE_BYTES)).into_event(&room).is_ok());
        assert!(line(&"x".repeat(MOST_MESSAGE_BYTES + 1)).into_event(&room).is_err());
        // Each of these characters needs six bytes as an escape.
        assert!(line(&"\u{1}".repeat(MOST_MESSAGE_BYTES)).into_event(&room).is_err());
        assert!(line("a\0b").into_event(&room).is_err());
    }

    #[test]
    fn a_room_opens_once_and_closes_once() {
        let (room, ts) = (RoomId::parse("r").unwrap(), "2026-01-02T03:04:05Z".parse().unwrap());
        let opened = RoomChange::Opened { owner: Some("ann".into()), readers: Readers::Owner, title: None };
        let key = |change: RoomChange| change.into_event(&room, ts).unwrap().dedup_key;
        assert_eq!(key(opened.clone()).unwrap().as_str(), "room:r:opened");
        assert_eq!(key(RoomChange::Closed).unwrap().as_str(), "room:r:closed");
        let updated = RoomChange::Updated { owner: Some(None), readers: None, title: None };
        assert_eq!(key(updated.clone()), None);
        assert_eq!(
            opened.into_event(&room, ts).unwrap().meta.as_map(),
            serde_json::json!({"owner": "ann", "readers": "owner"}).as_object().unwrap()
        );
        let meta = updated.into_event(&room, ts).unwrap().meta;
        assert_eq!(meta.as_map(), serde_json::json!({"owner": null}).as_object().unwrap());
    }
}
