//! Cloud Logging as the watcher sees it: pages of entries, oldest first.
//!
//! [`gcloud`] is the one file that knows which client is used.

mod entry;
mod error;
pub mod gcloud;
mod list;

pub use entry::{Entry, EntryId, Listed, Raw};
pub use error::LogsError;
pub use list::{Ask, Logs, Page};
