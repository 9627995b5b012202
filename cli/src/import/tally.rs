//! Counts the rows of an import by their outcome.

use std::collections::BTreeMap;
use std::fmt;

use oasis_core::report::Mark;

use crate::columns::cut;
use crate::output::printable;

/// The meaning of each mark.
const MARKS: [(&str, &str); 9] = [
    ("vtid_given", "is not a VTID, or another VTID was used"),
    ("ts_given", "is not a time; ts is the time of the import"),
    ("kind_given", "is not a valid kind; stored in a valid form"),
    ("status_given", "is not a known status; stored as info"),
    ("module_given", "is not a valid module; stored in a valid form"),
    ("layer_given", "is not the layer of the event"),
    ("source_given", "is not a known source; stored as oasis.events"),
    ("link_given", "is not an http or https URL; stored without a link"),
    ("truncated", "meta had more than 16 KiB and was cut"),
];
/// The maximum width of an example.
const EXAMPLE: usize = 40;
/// The maximum number of reasons that are counted separately.
const MOST_REASONS: usize = 10;

/// The counts of an import.
#[derive(Debug, Default)]
pub(super) struct Tally {
    unchanged: u64,
    marked: u64,
    /// By the mark's position in [`MARKS`]: the number of rows, and the value of the first row.
    marks: BTreeMap<usize, (u64, String)>,
    /// By reason: the number of rows, and the first row.
    refused: BTreeMap<String, (u64, String)>,
    stored: u64,
    before: u64,
}

impl Tally {
    /// Counts a row that fits.
    pub(super) fn fits(&mut self, marks: &[Mark]) {
        for mark in marks {
            let place = MARKS.iter().position(|(name, _)| *name == mark.name);
            let first = || (0, mark.given.clone());
            self.marks.entry(place.unwrap_or(MARKS.len())).or_insert_with(first).0 += 1;
        }
        *(if marks.is_empty() { &mut self.unchanged } else { &mut self.marked }) += 1;
    }

    /// Counts a row whose event was stored now.
    pub(super) fn stored(&mut self, marks: &[Mark]) {
        self.fits(marks);
        self.stored += 1;
    }

    /// Counts a row whose event was stored before.
    pub(super) fn stored_before(&mut self, marks: &[Mark]) {
        self.fits(marks);
        self.before += 1;
    }

    /// Counts a row that cannot be stored. `row` identifies the row.
    pub(super) fn does_not_fit(&mut self, why: String, row: &str) {
        let has_place = self.refused.len() < MOST_REASONS || self.refused.contains_key(&why);
        let why = if has_place { why } else { "other reasons".to_owned() };
        self.refused.entry(why).or_insert_with(|| (0, row.to_owned())).0 += 1;
    }

    /// Whether all rows fit.
    pub(super) fn is_clean(&self) -> bool {
        self.refused.is_empty()
    }
}

/// Shortens a value, so that it fits in a line.
fn example(value: &str) -> String {
    printable(&cut(value, EXAMPLE)).replace('\n', " ")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unchanged, marked, stored, before, .. } = self;
        write!(f, "{:<16} {unchanged}\n{:<16} {marked}", "fit unchanged", "fit with a mark")?;
        for (place, (count, given)) in &self.marks {
            let (mark, meaning) = MARKS.get(*place).copied().unwrap_or(("other mark", "was replaced"));
            write!(f, "\n  {mark:<14} {count}  ")?;
            if mark != "truncated" {
                write!(f, "\"{}\" ", example(given))?;
            }
            f.write_str(meaning)?;
        }
        write!(f, "\n{:<16} {}", "do not fit", self.refused.values().map(|(count, _)| count).sum::<u64>())?;
        for (why, (count, row)) in &self.refused {
            write!(f, "\n  {count}  {} (first row: {})", printable(why), example(row))?;
        }
        if stored + before > 0 {
            write!(f, "\n{:<16} {stored}\n{:<16} {before}", "stored now", "stored before")?;
        }
        Ok(())
    }
}
