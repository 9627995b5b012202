//! Checks that an edited workflow still means the same: it differs only in its names and in the scalars that
//! were edited.

use crate::text::Edit;
use crate::yaml::{Ref, Yaml};

/// The keys at the top level that `fix` may add or change.
const NAMES: [&str; 2] = ["name", "run-name"];

/// Whether `after` is `before`, apart from names and from the edited scalars.
pub(super) fn means_the_same(before: &Yaml<'_>, after: &Yaml<'_>, edits: &[Edit]) -> bool {
    let (mut old, mut new) = (before.roots(), after.roots());
    let is_first_same = match (old.next(), new.next()) {
        (Some(old), Some(new)) => {
            let entries = |top| Ref::entries(top).filter(is_no_name);
            entries(old).count() == entries(new).count()
                && entries(old)
                    .zip(entries(new))
                    .all(|(old, new)| same(old.0, new.0, edits) && same(old.1, new.1, edits))
        }
        (None, None) => true,
        _ => false,
    };
    let (old, new): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
    is_first_same && old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same(*old, *new, edits))
}

fn is_no_name(entry: &(Ref<'_>, Ref<'_>)) -> bool {
    !entry.0.text().is_some_and(|key| NAMES.contains(&key))
}

fn same(old: Ref<'_>, new: Ref<'_>, edits: &[Edit]) -> bool {
    let span = old.span();
    let is_edited = edits.iter().any(|edit| edit.bytes.start < span.end && edit.bytes.end > span.start);
    if old.alias().is_some() || new.alias().is_some() {
        return old.alias() == new.alias() || (is_edited && new.alias().is_none());
    }
    if old.has_anchor() != new.has_anchor() {
        return false;
    }
    match (old.text(), new.text()) {
        (Some(old), Some(new)) => old == new || is_edited,
        (None, None) => {
            let (items, new_items): (Vec<_>, Vec<_>) = (old.items().collect(), new.items().collect());
            let (entries, new_entries): (Vec<_>, Vec<_>) = (old.entries().collect(), new.entries().collect());
            old.is_sequence() == new.is_sequence()
                && items.len() == new_items.len()
                && entries.len() == new_entries.len()
                && items.iter().zip(&new_items).all(|(old, new)| same(*old, *new, edits))
                && entries
                    .iter()
                    .zip(&new_entries)
                    .all(|(old, new)| same(old.0, new.0, edits) && same(old.1, new.1, edits))
        }
        _ => false,
    }
}
