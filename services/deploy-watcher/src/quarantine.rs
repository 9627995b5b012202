//! Builds the quarantine rows of entries that can't be read, and of entries whose event the table refuses.
//!
//! These entries are quarantined, so that they do not block other entries. The watcher logs the id of each of
//! these entries, but not the content.

use oasis_store::{Refusal, UnreadEntry};

use crate::logs::Listed;

/// The row of an entry that can't be read, because it does not have Cloud Run's format.
pub(crate) fn unreadable(project: &str, listed: &Listed, reason: &str) -> UnreadEntry {
    let row = put_aside(listed, reason);
    let insert_id = &row.insert_id;
    tracing::warn!(project, insert_id, reason, "an entry can't be read; it is kept in oasis_unread_entries");
    row
}

/// The row of an entry whose event `oasis-core` allows but the table refuses.
pub(crate) fn refused(project: &str, listed: &Listed, refusal: &Refusal) -> UnreadEntry {
    let row = put_aside(listed, &format!("the table refused the event: {refusal}"));
    let (insert_id, reason) = (&row.insert_id, &row.reason);
    tracing::error!(
        project,
        insert_id,
        reason,
        "the table refused an event; its entry is kept in oasis_unread_entries"
    );
    row
}

fn put_aside(listed: &Listed, reason: &str) -> UnreadEntry {
    // Postgres does not allow NUL in a text.
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    UnreadEntry {
        log_name: text(&listed.id.log_name),
        timestamp: listed.id.timestamp,
        insert_id: text(&listed.id.insert_id),
        reason: text(reason),
        entry: listed.raw.encode(),
    }
}
