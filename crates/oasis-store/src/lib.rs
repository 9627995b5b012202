//! The table `oasis_events` and everything that is said to it in SQL: append, page, tail, agents, watch,
//! check, migrate, prune.
//!
//! Statements are sent unnamed (`query_typed`): they work behind a transaction pooler, and each is planned
//! for its own values, without which rare values of a filter are served by a walk over the whole table.

mod agents;
mod append;
mod check;
mod config;
mod error;
mod event;
mod filter;
mod marks;
mod migrate;
mod page;
mod prune;
mod store;
mod tail;
mod tls;
mod watch;

pub use agents::{AgentEvent, ENDED_AGENTS_STAY, LOSSES_OF_AGENT, MOST_AGENTS};
pub use append::{ANSWER_WITHIN, AppendError, Appended, Appender, PreparedEvent, Refusal, RefusedEvent};
pub use check::{Need, Readiness};
pub use config::{DatabaseArgs, DatabaseUrl, UrlError};
pub use error::StoreError;
pub use event::StoredEvent;
pub use filter::{Filter, FilterField};
pub use marks::Marks;
pub use migrate::{MigrateError, Migrated, migrate, migration_script};
pub use page::{Columns, Order, Page, PageQuery};
pub use prune::Pruned;
pub use store::Store;
pub use tail::{Tail, Update};
pub use watch::{LogWalk, UnreadEntry, WatchLock, WatchState};
