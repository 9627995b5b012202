//! The OASIS event and the pure functions on it: the grammars of its ten strict fields, VTID extraction,
//! status normalisation, titles and refs.
//!
//! This crate does no IO, reads no clock and knows no database. Each service parses its input into the types
//! of this crate once, and does not validate it again. The CHECK constraints in `migrations/` enforce the
//! same rules in SQL, so that a client without this crate cannot store a row that breaks these rules. Only
//! the rule for links is less strict in SQL.

pub mod bridge;
pub mod cast;
pub mod emails;
pub mod github;
pub mod ping;
pub mod report;
pub mod resource;
pub mod room;

mod cast_runs;
mod cast_state;
mod cdevents;
mod chain;
mod channel;
mod escapes;
mod event;
mod find;
mod invalid;
mod invisible;
mod json;
mod link;
mod meta;
mod names;
mod room_state;
mod sets;
mod state_row;
mod task;
mod ts;
mod vtid;

pub use cast_runs::{RunRow, cast_in_title, drive, run_fields};
pub use cast_state::CastState;
pub use cdevents::CdEvent;
pub use chain::chain;
pub use channel::{Channel, Family};
pub use escapes::repair_escapes;
pub use event::{DedupKey, Event, NewEvent, TICKER_FIELDS, Ticker};
pub use find::Prefixes;
pub use invalid::Invalid;
pub use invisible::{MOST_NAME_BYTES, is_invisible, is_name};
pub use json::{parse_json, parse_unique_json};
pub use link::Link;
pub use meta::{INSTANCE, Meta, MetaValue, VIA, cut_text};
pub use names::{Kind, Layer, Module};
pub use room_state::RoomState;
pub use sets::{Source, Status};
pub use state_row::StateRow;
pub use task::Task;
pub use ts::Ts;
pub use vtid::Vtid;
