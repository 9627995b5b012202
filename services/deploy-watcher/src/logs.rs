//! Lists log entries in pages, oldest first.
//!
//! Only [`gcloud`] depends on the client library. The rest of the crate uses the [`Logs`] trait.

mod entry;
mod error;
pub mod gcloud;
mod list;

pub use entry::{Entry, EntryId, Listed, Raw};
pub use error::LogsError;
pub use list::{Logs, Page, PageRequest};
