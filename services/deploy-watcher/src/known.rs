//! Entries that have been stored a short while ago. Each poll reads them again, and they need not be sent
//! again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::logs::{EntryId, Listed};

/// Entries of one project. Beyond these all are forgotten: the table knows them by their keys, it only costs
/// more.
const MOST: usize = 20_000;

/// What is known of each project, each with a cursor of its own.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, HashSet<EntryId>>>);

impl Known {
    /// Those of `entries` that are not known.
    pub(crate) fn fresh<'e>(&self, project: &str, entries: &'e [Listed]) -> Vec<&'e Listed> {
        let known = self.lock();
        let of_project = known.get(project);
        entries.iter().filter(|listed| of_project.is_none_or(|known| !known.contains(&listed.id))).collect()
    }

    /// These are stored. What is older than `from` will not be read again, and is forgotten.
    pub(crate) fn remember(&self, project: &str, entries: Vec<Listed>, from: Timestamp) {
        let mut known = self.lock();
        let known = known.entry(project.to_owned()).or_default();
        known.extend(entries.into_iter().map(|listed| listed.id));
        known.retain(|id| id.timestamp >= from);
        if known.len() > MOST {
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
    fn each_project_is_forgotten_by_its_own_cursor() {
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
    fn it_does_not_grow_without_bound() {
        let known = Known::default();
        known.remember("busy", listed(0..MOST, 100), Timestamp::UNIX_EPOCH);
        assert_eq!(known.lock()["busy"].len(), MOST);
        known.remember("busy", listed(MOST..MOST + 1, 100), Timestamp::UNIX_EPOCH);
        assert!(known.lock()["busy"].is_empty());
    }
}
