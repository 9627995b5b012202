//! Casts: a cast is one job of a user. A cast is a channel `cast:{id}`. Each of its rows opens the cast,
//! changes its state, or reports progress.

use serde_json::{Map, Number, Value};

use crate::channel::channel_id;
use crate::event::{DedupKey, Event, NewEvent};
use crate::invalid::Invalid;
use crate::link::Link;
use crate::meta::Meta;
use crate::names::{Kind, Module};
use crate::sets::{Source, Status, closed_set};
use crate::task::Task;
use crate::ts::Ts;

/// The family of the channels of casts.
pub const CASTS: &str = "cast";

/// The kinds of the rows of a cast.
pub mod kinds {
    /// The row that opens a cast. It also reopens a cast with a higher attempt.
    pub const QUEUED: &str = "cast.queued";
    /// The work has started.
    pub const STARTED: &str = "cast.started";
    /// The work has come further. The row does not change the state.
    pub const PROGRESS: &str = "cast.progress";
    /// The work has succeeded.
    pub const SUCCEEDED: &str = "cast.succeeded";
    /// The work has failed, or was stopped.
    pub const FAILED: &str = "cast.failed";
    /// A row that changes fields, but not the status.
    pub const UPDATED: &str = "cast.updated";
    /// The kinds that change the state of a cast.
    pub const CHANGES: [&str; 5] = [QUEUED, STARTED, SUCCEEDED, FAILED, UPDATED];
}

/// The names of a cast's fields in `meta` and in JSON.
pub mod fields {
    /// The user who owns the cast. Only the row that opens the cast sets the owner.
    pub const OWNER: &str = "owner";
    /// The id of the cast.
    pub const CAST_ID: &str = "castId";
    /// The number of the attempt, from 1. A row without it belongs to the current attempt.
    pub const ATTEMPT: &str = "attempt";
    /// The task of the cast.
    pub const VTID: &str = "vtid";
    /// What the cast does, as an object with a `name`.
    pub const SPELL: &str = "spell";
    /// The GitHub repository whose workflow does the work.
    pub const REPOSITORY: &str = "repository";
    /// The id of the workflow run that does the work, as digits. It is set once.
    pub const RUN_ID: &str = "runId";
    /// When the work started.
    pub const STARTED_AT: &str = "startedAt";
    /// When the work ended.
    pub const FINISHED_AT: &str = "finishedAt";
    /// How long the work took, in milliseconds.
    pub const DURATION: &str = "duration";
    /// What the work cost, in hundredths of the currency.
    pub const COST_CENTS: &str = "costCents";
    /// Where the result of the work is.
    pub const ARTIFACT_URL: &str = "artifactUrl";
    /// Why the work failed.
    pub const ERROR_MESSAGE: &str = "errorMessage";
    /// How far the work has come, from 0 to 100.
    pub const PROGRESS: &str = "progress";
    /// What the work does now.
    pub const MESSAGE: &str = "message";

    /// The fields whose values are texts.
    pub(crate) const TEXTS: [&str; 7] =
        [VTID, REPOSITORY, RUN_ID, STARTED_AT, FINISHED_AT, ARTIFACT_URL, ERROR_MESSAGE];
    /// The fields whose values are numbers.
    pub(crate) const NUMBERS: [&str; 2] = [DURATION, COST_CENTS];
    /// The fields that belong to one attempt. A higher attempt begins without them.
    pub const OF_ATTEMPT: [&str; 5] = [STARTED_AT, FINISHED_AT, DURATION, ARTIFACT_URL, ERROR_MESSAGE];
}

/// The maximum length of a message or an error message, in bytes.
pub const MOST_MESSAGE_BYTES: usize = 8 << 10;

channel_id! {
    /// The id of a cast: 1 to 128 characters of A-Z, a-z, 0-9, dot, `_` and `-`, but not `.` or `..`.
    CastId, "cast", CASTS
}

closed_set! {
    /// The status of a cast.
    CastStatus, "status of a cast" {
        /// The work has not started.
        Queued = "queued",
        /// The work is going on.
        Running = "running",
        /// The work has succeeded.
        Succeeded = "succeeded",
        /// The work has failed, or was stopped.
        Failed = "failed",
    }
}

impl CastStatus {
    /// The status that a producer's word means. `None` for an unknown word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "completed" | "success" => Some(Self::Succeeded),
            "cancelled" => Some(Self::Failed),
            word => word.parse().ok(),
        }
    }

    /// Whether the work has ended.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The order of the statuses within an attempt. A status never goes back.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Running => 1,
            Self::Succeeded | Self::Failed => 2,
        }
    }

    /// The kind of a row that changes the status to this one.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Queued => kinds::QUEUED,
            Self::Running => kinds::STARTED,
            Self::Succeeded => kinds::SUCCEEDED,
            Self::Failed => kinds::FAILED,
        }
    }

    /// The status to which a row of this kind changes a cast. `None` if the kind does not change the status.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.kind() == kind)
    }

    /// The `status` of a row that changes a cast to this status.
    const fn event_status(self) -> Status {
        match self {
            Self::Queued => Status::Queued,
            Self::Running => Status::InProgress,
            Self::Succeeded => Status::Success,
            Self::Failed => Status::Failure,
        }
    }
}

/// The fields of a cast that a row sets. The names in [`fields`] explain them.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the module `fields` explains the fields")]
pub struct CastFields {
    pub spell: Option<Map<String, Value>>,
    pub repository: Option<String>,
    pub run_id: Option<String>,
    pub started_at: Option<Ts>,
    pub finished_at: Option<Ts>,
    pub duration: Option<i64>,
    pub cost_cents: Option<i64>,
    pub artifact_url: Option<Link>,
    pub error_message: Option<String>,
}

impl CastFields {
    /// The fields as members of `meta`.
    pub fn into_map(self) -> Map<String, Value> {
        let text = |text: Option<String>| text.map(Value::from);
        let time = |time: Option<Ts>| time.map(|time| time.to_string().into());
        let all = [
            (fields::SPELL, self.spell.map(Value::Object)),
            (fields::REPOSITORY, text(self.repository)),
            (fields::RUN_ID, text(self.run_id)),
            (fields::STARTED_AT, time(self.started_at)),
            (fields::FINISHED_AT, time(self.finished_at)),
            (fields::DURATION, self.duration.map(Value::from)),
            (fields::COST_CENTS, self.cost_cents.map(Value::from)),
            (fields::ARTIFACT_URL, self.artifact_url.map(|link| link.as_str().into())),
            (fields::ERROR_MESSAGE, text(self.error_message)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

closed_set! {
    /// An event of the stream of a cast.
    CastEvent, "event of a cast" {
        /// The status or a field has changed.
        Status = "status",
        /// The work has come further.
        Progress = "progress",
        /// The work has ended. While a client is connected, only a success has this event.
        Complete = "complete",
        /// The work has failed, or was stopped.
        Error = "error",
    }
}

/// What a row of a cast reports.
#[derive(Debug, Clone, PartialEq)]
pub enum CastChange {
    /// Changes the status. The first row with [`CastStatus::Queued`] opens the cast. The dedup key of the row
    /// allows one row for each status of an attempt, and one end.
    Status(CastStatus, CastFields),
    /// Changes fields.
    Fields(CastFields),
    /// Reports progress.
    Progress {
        /// How far the work has come, from 0 to 100.
        progress: Option<Number>,
        /// What the work does now.
        message: Option<String>,
    },
}

/// A row of a cast, before it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCastRow {
    /// When it happened.
    pub ts: Ts,
    /// The task of the cast.
    pub task: Task,
    /// The user who owns the cast.
    pub owner: String,
    /// The attempt that the row belongs to.
    pub attempt: i32,
    /// What happened.
    pub change: CastChange,
}

impl NewCastRow {
    /// The event that stores the row of `cast`.
    ///
    /// # Errors
    /// When the row is too large, or has a NUL character.
    pub fn into_event(self, cast: &CastId) -> Result<NewEvent, Invalid> {
        let (kind, status, key_end, members) = match self.change {
            CastChange::Status(status, fields) => {
                let key_end = if status.is_final() { "end" } else { status.as_str() };
                (status.kind(), status.event_status(), Some(key_end), fields.into_map())
            }
            CastChange::Fields(fields) => (kinds::UPDATED, Status::Info, None, fields.into_map()),
            CastChange::Progress { progress, message } => {
                let mut members = Map::new();
                members.extend(progress.map(|progress| (fields::PROGRESS.into(), progress.into())));
                members.extend(message.map(|message| (fields::MESSAGE.into(), message.into())));
                (kinds::PROGRESS, Status::InProgress, None, members)
            }
        };
        let mut meta = members;
        if let Task::Vtid(vtid) = &self.task {
            meta.insert(fields::VTID.into(), vtid.as_str().into());
        }
        meta.insert(fields::CAST_ID.into(), cast.as_str().into());
        meta.insert(fields::OWNER.into(), self.owner.into());
        meta.insert(fields::ATTEMPT.into(), self.attempt.into());
        let key = |end| DedupKey::new(CASTS, &format!("{cast}:{}:{end}", self.attempt));
        let event = Event {
            ts: self.ts,
            task: self.task,
            layer_hint: None,
            module: Module::core(),
            source: Source::OasisEvents,
            kind: Kind::stored(kind),
            status,
            link: None,
        };
        Ok(NewEvent {
            event,
            channel: cast.channel().clone(),
            meta: Meta::new(meta)?,
            dedup_key: key_end.map(key).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(change: CastChange) -> NewEvent {
        let ts = "2026-01-02T03:04:05Z".parse().unwrap();
        let row = NewCastRow { ts, task: Task::Unset, owner: "ann".into(), attempt: 2, change };
        row.into_event(&CastId::parse("c1").unwrap()).unwrap()
    }

    #[test]
    fn each_status_of_an_attempt_is_stored_once_and_only_one_end() {
        let of = |status| row(CastChange::Status(status, CastFields::default()));
        for (status, kind, key, outcome) in [
            (CastStatus::Queued, "cast.queued", "cast:c1:2:queued", Status::Queued),
            (CastStatus::Running, "cast.started", "cast:c1:2:running", Status::InProgress),
            (CastStatus::Succeeded, "cast.succeeded", "cast:c1:2:end", Status::Success),
            (CastStatus::Failed, "cast.failed", "cast:c1:2:end", Status::Failure),
        ] {
            let event = of(status);
            assert_eq!((event.event.kind.as_str(), event.event.status), (kind, outcome));
            assert_eq!(event.dedup_key.unwrap().as_str(), key);
            assert_eq!(event.channel.as_str(), "cast:c1");
            assert_eq!(CastStatus::of_kind(kind), Some(status));
        }
        assert_eq!(CastStatus::of_kind("cast.updated"), None);
    }

    #[test]
    fn the_fields_of_a_row_are_members_of_meta() {
        let fields = CastFields {
            spell: Some(Map::from_iter([("name".to_owned(), json!("site"))])),
            started_at: Some("2026-01-02T03:04:05.006Z".parse().unwrap()),
            duration: Some(7),
            artifact_url: Some(Link::parse("https://example.com/a").unwrap()),
            ..CastFields::default()
        };
        let expected = json!({"castId": "c1", "owner": "ann", "attempt": 2, "spell": {"name": "site"},
            "duration": 7, "startedAt": "2026-01-02T03:04:05.006Z", "artifactUrl": "https://example.com/a"});
        assert_eq!(row(CastChange::Fields(fields)).meta.as_map(), expected.as_object().unwrap());
        let progress =
            row(CastChange::Progress { progress: Number::from_f64(12.5), message: Some("half".into()) });
        let expected =
            json!({"castId": "c1", "owner": "ann", "attempt": 2, "progress": 12.5, "message": "half"});
        assert_eq!(progress.meta.as_map(), expected.as_object().unwrap());
        assert_eq!((progress.event.kind.as_str(), progress.dedup_key), ("cast.progress", None));
    }

    #[test]
    fn the_words_of_producers_become_statuses() {
        for (word, status) in [
            ("completed", Some(CastStatus::Succeeded)),
            ("success", Some(CastStatus::Succeeded)),
            ("cancelled", Some(CastStatus::Failed)),
            ("running", Some(CastStatus::Running)),
            ("done", None),
        ] {
            assert_eq!(CastStatus::from_word(word), status, "{word}");
        }
    }
}
