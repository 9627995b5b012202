//! [`Logs`]: lists a log one page at a time.

use jiff::Timestamp;

use super::entry::Listed;
use super::error::LogsError;

/// A source of log entries: Cloud Run's audit logs of one or more projects.
pub trait Logs: Send + Sync + 'static {
    /// Fetches one page with one call. More pages can follow an empty page.
    ///
    /// # Errors
    /// See [`LogsError`].
    fn list(&self, request: PageRequest<'_>) -> impl Future<Output = Result<Page, LogsError>> + Send;
}

/// Describes the page to fetch.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// The project's id.
    pub project: &'a str,
    /// The page lists only entries at or after this time.
    pub from: Timestamp,
    /// The [`Page::next`] of the previous page. All requests of a walk have the same `from`. `None` for the
    /// first page.
    pub token: Option<&'a str>,
}

/// One page of entries, in the order of their timestamps.
#[derive(Debug, Default)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Listed>,
    /// The token of the next page; `None` on the last page.
    pub next: Option<String>,
}
