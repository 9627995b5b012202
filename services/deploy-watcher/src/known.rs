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

/// The entries of each project that earlier polls have read.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, OfProject>>);

#[derive(Debug, Default)]
struct OfProject {
    /// The entries whose events are stored.
    stored: HashSet<EntryId>,
    /// The entries that were read but held.
    held: HashSet<EntryId>,
}

/// The entries of a page whose events may have to be stored.
pub(crate) struct Fresh<'e> {
    pub(crate) entries: Vec<&'e Listed>,
    /// The number of these entries that no earlier poll has read.
    pub(crate) seen: usize,
}

impl Known {
    /// Returns the `entries` that are not known to be stored.
    pub(crate) fn fresh<'e>(&self, project: &str, entries: &'e [Listed]) -> Fresh<'e> {
        let known = self.lock();
        let Some(known) = known.get(project) else {
            return Fresh { entries: entries.iter().collect(), seen: entries.len() };
        };
        let entries: Vec<&Listed> =
            entries.iter().filter(|listed| !known.stored.contains(&listed.id)).collect();
        let seen = entries.iter().filter(|listed| !known.held.contains(&listed.id)).count();
        Fresh { entries, seen }
    }

    /// Remembers that the entries in `held` were read and that all other `entries` are stored. Forgets all
    /// entries before `from`, because no later walk reads them.
    pub(crate) fn remember(
        &self,
        project: &str,
        entries: Vec<Listed>,
        held: HashSet<EntryId>,
        from: Timestamp,
    ) {
        let mut known = self.lock();
        let known = known.entry(project.to_owned()).or_default();
        for Listed { id, .. } in entries {
            known.held.remove(&id);
            if !held.contains(&id) {
                known.stored.insert(id);
            }
        }
        known.held.extend(held);
        known.stored.retain(|id| id.timestamp >= from);
        known.held.retain(|id| id.timestamp >= from);
        if known.stored.len() + known.held.len() > MAX_ENTRIES {
            *known = OfProject::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, OfProject>> {
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
        let fresh = |project: &str, entries: &[Listed]| known.fresh(project, entries).entries.len();
        let none = HashSet::new;
        known.remember("quiet", listed(0..2, 100), none(), at(50));
        known.remember("busy", listed(0..2, 9_000), none(), at(8_000));
        assert_eq!(fresh("quiet", &listed(0..3, 100)), 1);
        assert_eq!(fresh("busy", &listed(0..3, 100)), 3);
        known.remember("quiet", Vec::new(), none(), at(101));
        assert_eq!(fresh("quiet", &listed(0..3, 100)), 3);
        assert_eq!(fresh("busy", &listed(0..3, 9_000)), 1);
    }

    #[test]
    fn held_entries_are_fresh_but_count_as_seen_once() {
        let known = Known::default();
        let counts = |entries: &[Listed]| {
            let fresh = known.fresh("one", entries);
            (fresh.entries.len(), fresh.seen)
        };
        assert_eq!(counts(&listed(0..2, 100)), (2, 2));
        let held = listed(0..1, 100).into_iter().map(|listed| listed.id).collect();
        known.remember("one", listed(0..2, 100), held, Timestamp::UNIX_EPOCH);
        assert_eq!(counts(&listed(0..3, 100)), (2, 1));
        known.remember("one", listed(0..3, 100), HashSet::new(), Timestamp::UNIX_EPOCH);
        assert_eq!(counts(&listed(0..3, 100)), (0, 0));
    }

    #[test]
    fn the_number_of_known_entries_is_bounded() {
        let known = Known::default();
        let remember = |entries| known.remember("busy", entries, HashSet::new(), Timestamp::UNIX_EPOCH);
        remember(listed(0..MAX_ENTRIES, 100));
        assert_eq!(known.lock()["busy"].stored.len(), MAX_ENTRIES);
        remember(listed(MAX_ENTRIES..MAX_ENTRIES + 1, 100));
        assert!(known.lock()["busy"].stored.is_empty());
    }
}
