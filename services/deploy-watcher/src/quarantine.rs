//! Entries that are put aside, so that they hold up no others: those that can't be read, and those whose
//! event the table refuses. Each is logged once, without anything that stands in it.

use oasis_store::{Refusal, UnreadEntry};

use crate::logs::Listed;

/// An entry that is not what Cloud Run writes.
pub(crate) fn unreadable(project: &str, listed: &Listed, reason: &str) -> UnreadEntry {
    let kept = put_aside(listed, reason);
    let insert_id = &kept.insert_id;
    tracing::warn!(project, insert_id, reason, "an entry can't be read; it is kept in oasis_unread_entries");
    kept
}

/// An entry whose event our own types allow and the table does not.
pub(crate) fn refused(project: &str, listed: &Listed, refusal: &Refusal) -> UnreadEntry {
    let kept = put_aside(listed, &format!("the table refused its event: {refusal}"));
    let (insert_id, reason) = (&kept.insert_id, &kept.reason);
    tracing::error!(
        project,
        insert_id,
        reason,
        "an event is refused; its entry is kept in oasis_unread_entries"
    );
    kept
}

fn put_aside(listed: &Listed, reason: &str) -> UnreadEntry {
    // Postgres has no room for a NUL in a text.
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    UnreadEntry {
        log_name: text(&listed.id.log_name),
        timestamp: listed.id.timestamp,
        insert_id: text(&listed.id.insert_id),
        reason: text(reason),
        entry: listed.raw.encode(),
    }
}
