//! Counts what became of the rows.

use std::collections::BTreeMap;
use std::fmt;

use oasis_core::NewEvent;
use oasis_core::report::shown;

use crate::columns::cut;
use crate::output::printable;

/// The entries of `meta` that say that a value did not fit, and what was stored instead.
const MARKS: [(&str, &str); 9] = [
    ("vtid_given", "no VTID: the task is UNSET"),
    ("ts_given", "no time: ts is the time of the import"),
    ("kind_given", "the kind has other characters"),
    ("status_given", "no known status: stored as info"),
    ("module_given", "the module has other characters"),
    ("layer_given", "not the layer of the event"),
    ("source_given", "the source is oasis.events"),
    ("link_given", "no http or https URL: no link"),
    ("truncated", "meta was cut to 16 KiB"),
];
/// The maximum width of an example.
const EXAMPLE: usize = 40;
/// The maximum number of reasons that are printed.
const MOST_REASONS: usize = 10;

/// What became of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    unchanged: u64,
    marked: u64,
    /// For each mark, the number of rows and the value of the first row.
    marks: BTreeMap<usize, (u64, String)>,
    /// For each reason, the number of rows.
    refused: BTreeMap<String, u64>,
    stored: u64,
    before: u64,
}

impl Tally {
    /// Counts a row that became an event of the table. `before` says that an earlier run stored the event.
    pub(super) fn appended(&mut self, event: &NewEvent, before: bool) {
        self.fits(event);
        *(if before { &mut self.before } else { &mut self.stored }) += 1;
    }

    /// Counts a row that fits.
    pub(super) fn fits(&mut self, event: &NewEvent) {
        let meta = event.meta.as_map();
        let mut is_marked = false;
        for (place, (mark, _)) in MARKS.iter().enumerate() {
            if let Some(value) = meta.get(*mark) {
                is_marked = true;
                self.marks.entry(place).or_insert_with(|| (0, shown(value))).0 += 1;
            }
        }
        *(if is_marked { &mut self.marked } else { &mut self.unchanged }) += 1;
    }

    /// Counts a row that cannot be stored.
    pub(super) fn does_not_fit(&mut self, why: String) {
        *self.refused.entry(why).or_default() += 1;
    }

    /// Whether all rows fit.
    pub(super) fn is_clean(&self) -> bool {
        self.refused.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unchanged, marked, stored, before, .. } = self;
        write!(f, "{:<16} {unchanged}\n{:<16} {marked}", "fit unchanged", "fit with a mark")?;
        for (place, (count, example)) in &self.marks {
            let (mark, meaning) = MARKS[*place];
            write!(f, "\n  {mark:<14} {count}  {meaning}")?;
            if mark != "truncated" {
                write!(f, ", such as {:?}", printable(&cut(example, EXAMPLE)))?;
            }
        }
        write!(f, "\n{:<16} {}", "do not fit", self.refused.values().sum::<u64>())?;
        self.refused
            .iter()
            .take(MOST_REASONS)
            .try_for_each(|(why, count)| write!(f, "\n  {count}  {why}"))?;
        if stored + before > 0 {
            write!(f, "\n{:<16} {stored}\n{:<16} {before}", "stored now", "stored before")?;
        }
        Ok(())
    }
}
