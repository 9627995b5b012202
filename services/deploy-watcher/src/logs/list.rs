//! Listing a log, a page at a time.

use jiff::Timestamp;

use super::entry::Listed;
use super::error::LogsError;

/// One project's log of Cloud Run deploys.
pub trait Logs: Send + Sync + 'static {
    /// One call: the page that `ask` names. It may be empty and still be followed by others.
    ///
    /// # Errors
    /// See [`LogsError`].
    fn list(&self, ask: Ask<'_>) -> impl Future<Output = Result<Page, LogsError>> + Send;
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The project's id.
    pub project: &'a str,
    /// Entries at or after this time.
    pub from: Timestamp,
    /// The page, as an earlier one with the same `from` named it; else the first.
    pub token: Option<&'a str>,
}

/// Entries in the order of their time.
#[derive(Debug, Default)]
pub struct Page {
    /// What stands in it.
    pub entries: Vec<Listed>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}
