//! Contains all SQL of OASIS DevHub. This crate appends to the table `oasis_events`, reads the table, and
//! follows the table. The crate also reads the states of rooms and casts, lines, resource events and the
//! audit log, stores API keys, revocations and places of streams, reads the events of agents, stores the
//! state of the deploy-watcher, checks and migrates the database, deletes old events, and reads tables of
//! other applications for an import.
//!
//! Statements are sent unnamed (`query_typed`). Unnamed statements work behind a transaction pooler, and
//! PostgreSQL plans each of these statements for the values of its parameters. With a plan that does not
//! depend on the values, a filter for a rare value would read the whole table. Only the read of the tail uses
//! a prepared statement (see `tail/session.rs`).

mod agents;
mod api_keys;
mod append;
mod audit;
mod canon;
mod cast_runs;
mod casts;
mod channel_rows;
mod channels;
mod check;
mod config;
mod deploys;
mod error;
mod event;
mod filter;
mod lanes;
mod lines;
mod marks;
mod migrate;
mod page;
mod places;
mod prune;
mod rebuild;
mod repeats;
mod resources;
mod revocations;
mod schema;
mod server;
mod source_table;
mod store;
mod tail;
mod tls;
mod watch;

pub use agents::{AgentEvent, ENDED_AGENTS_STAY, LOSSES_OF_AGENT, MOST_AGENTS};
pub use api_keys::{ApiKey, NewApiKey};
pub use append::{ANSWER_WITHIN, AppendError, Appended, Appender, PreparedEvent, Refusal, RefusedEvent};
pub use audit::{AuditQuery, AuditSummary};
pub use canon::{Work, WorkOfDay};
pub use cast_runs::{CastWithRuns, CastsWithRuns, SelectCasts};
pub use casts::CastPage;
pub use channel_rows::{ChannelPage, ChannelPages, ChannelRange, RangeOrder};
pub use channels::{ChannelState, ChannelStates, RoomPage, RoomQuery, StoredState};
pub use check::{Need, Readiness};
pub use config::{DatabaseArgs, DatabaseUrl, UrlError};
pub use deploys::{Attribution, RequestLookup};
pub use error::StoreError;
pub use event::StoredEvent;
pub use filter::{Filter, FilterField};
pub use lanes::Lanes;
pub use lines::{LineBound, LinePage, LineQuery};
pub use marks::Marks;
pub use migrate::{MigrateError, Migrated, migrate, migrate_in, migration_script};
pub use page::{Columns, Order, Page, PageQuery};
pub use places::{MOST_DEAD, Place, PlaceLimits, PlaceRequest, PlaceVerdict, RenewedPlaces, TakenPlaces};
pub use prune::Pruned;
pub use rebuild::Rebuilt;
pub use repeats::Repeat;
pub use resources::{KnownPlaces, WiderPlaces};
pub use revocations::{Revocation, Revocations};
pub use schema::{Schema, SchemaError};
pub use server::ServerFacts;
pub use source_table::{SourceColumn, SourceError, SourceRow, SourceTable, StoredBefore};
pub use store::Store;
pub use tail::{Tail, Update, WhyPoll};
pub use watch::{LogWalk, UnreadEntry, WatchLock, WatchState};
