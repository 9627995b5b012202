//! Remembers the entries that were stored recently.
//!
//! Consecutive walks (see [`crate::poll`]) overlap, so each poll reads some entries again. The poll skips the
//! entries that this module remembers.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::logs::{EntryId, Listed};

/// The maximum number of remembered entries per project. If a project has more, all entries of the project
/// are forgotten. The next poll then appends some events again, and the table recognizes these events by
/// their dedup keys.
const MAX_ENTRIES: usize = 20_000;

/// The entries of each project that are stored already.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, HashSet<EntryId>>>);

impl Known {
    /// Returns the `entries` that are not known to be stored.
    pub(crate) fn fresh<'e>(&self, project: &str, entries: &'e [Listed]) -> Vec<&'e Listed> {
        let known = self.lock();
        let of_project = known.get(project);
        entries.iter().filter(|listed| of_project.is_none_or(|known| !known.contains(&listed.id))).collect()
    }

    /// Remembers that `entries` are stored. Forgets all entries before `from`, because no later walk reads
    /// them.
    pub(crate) fn remember(&self, project: &str, entries: Vec<Listed>, from: Timestamp) {
        let mut known = self.lock();
        let known = known.entry(project.to_owned()).or_default();
        known.extend(entries.into_iter().map(|listed| listed.id));
        known.retain(|id| id.timestamp >= from);
        if known.len() > MAX_ENTRIES {
            known.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashSet<EntryId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Raw;

    fn listed(numbers: std::ops::Range<usize>, second: i64) -> Vec<Listed> {
        let timestamp = Timestamp::from_second(second).unwrap();
        let id = |number: usize| EntryId { log_name: "log".into(), timestamp, insert_id: number.to_string() };
        let listed = |number| Listed { id: id(number), raw: Raw::new(Vec::new), entry: Err(String::new()) };
        numbers.map(listed).collect()
    }

    #[test]
    fn a_project_does_not_forget_the_entries_of_another_project() {
        let (known, at) = (Known::default(), |second| Timestamp::from_second(second).unwrap());
        known.remember("quiet", listed(0..2, 100), at(50));
        known.remember("busy", listed(0..2, 9_000), at(8_000));
        assert_eq!(known.fresh("quiet", &listed(0..3, 100)).len(), 1);
        assert_eq!(known.fresh("busy", &listed(0..3, 100)).len(), 3);
        known.remember("quiet", Vec::new(), at(101));
        assert_eq!(known.fresh("quiet", &listed(0..3, 100)).len(), 3);
        assert_eq!(known.fresh("busy", &listed(0..3, 9_000)).len(), 1);
    }

    #[test]
    fn the_number_of_known_entries_is_bounded() {
        let known = Known::default();
        known.remember("busy", listed(0..MAX_ENTRIES, 100), Timestamp::UNIX_EPOCH);
        assert_eq!(known.lock()["busy"].len(), MAX_ENTRIES);
        known.remember("busy", listed(MAX_ENTRIES..MAX_ENTRIES + 1, 100), Timestamp::UNIX_EPOCH);
        assert!(known.lock()["busy"].is_empty());
    }
}
