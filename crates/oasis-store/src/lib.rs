//! All SQL of OASIS DevHub: appending to the table `oasis_events`, reading and following it, agents, the
//! state of the deploy-watcher, checks, migrations and retention.
//!
//! Statements are sent unnamed (`query_typed`), so they work behind a transaction pooler, and PostgreSQL
//! plans each one for its own values. With a generic plan, a filter for a rare value would walk through the
//! whole table. Only two things use prepared statements: the read of the tail (see `tail/session.rs`), and
//! [`migrate()`].

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
