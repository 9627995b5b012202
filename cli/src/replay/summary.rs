//! Counts the outcomes of the deliveries of one run.

use std::collections::BTreeMap;
use std::fmt;

use super::payloads::Skipped;
use crate::delivery::Outcome;
use crate::output::{notice, printable};

/// The maximum number of problems that are printed.
const MAX_PRINTED: usize = 10;

/// The number of deliveries with each outcome.
#[derive(Debug, Default)]
pub(super) struct Summary {
    stored: usize,
    duplicate: usize,
    ignored: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    failed: usize,
    not_sent: usize,
    skipped: Skipped,
    unreachable: bool,
    problems: Vec<String>,
}

impl Summary {
    /// Counts the outcome of a delivery of `event`. The payload came from the file `origin`.
    pub(super) fn count(&mut self, event: &str, origin: &str, outcome: Outcome) {
        self.unreachable |= matches!(outcome, Outcome::Unreachable(_));
        let mut problem = |reason: String| self.problems.push(format!("{origin} ({event}): {reason}"));
        match outcome {
            Outcome::Stored => self.stored += 1,
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Ignored => *self.ignored.entry(event.to_owned()).or_default() += 1,
            Outcome::Refused(refusal) => {
                problem(refusal.to_string());
                *self.refused.entry(refusal.kind()).or_default() += 1;
            }
            Outcome::Failed(error) | Outcome::Unreachable(error) => {
                problem(format!("{error:#}"));
                self.failed += 1;
            }
        }
    }

    /// Adds the counts of another part of the run.
    pub(super) fn merge(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.failed += other.failed;
        self.not_sent += other.not_sent;
        self.unreachable |= other.unreachable;
        add(&mut self.ignored, other.ignored);
        add(&mut self.refused, other.refused);
        self.problems.extend(other.problems);
    }

    /// Counts payloads that were not sent because the service cannot be reached.
    pub(super) fn not_sent(&mut self, payloads: usize) {
        self.not_sent += payloads;
    }

    /// Sets the numbers of files without a payload.
    pub(super) fn skipped(&mut self, skipped: Skipped) {
        self.skipped = skipped;
    }

    /// Whether every payload was sent, and no delivery was refused or failed.
    pub(super) fn is_clean(&self) -> bool {
        self.refused.is_empty() && self.failed == 0 && self.not_sent == 0
    }

    /// Prints the refused and failed deliveries and the reasons to standard error. If the service could not
    /// be reached, also prints `advice`.
    pub(super) fn explain(&self, advice: &str) {
        for problem in self.problems.iter().take(MAX_PRINTED) {
            notice(printable(problem));
        }
        if self.problems.len() > MAX_PRINTED {
            notice(format_args!("… and {} more problems", self.problems.len() - MAX_PRINTED));
        }
        if self.not_sent > 0 {
            notice(format_args!("{} payloads were not sent: the service cannot be reached", self.not_sent));
        }
        if self.unreachable {
            notice(advice);
        }
    }
}

fn add(counts: &mut BTreeMap<String, usize>, more: BTreeMap<String, usize>) {
    for (name, count) in more {
        *counts.entry(name).or_default() += count;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<10} {}\n{:<10} {}", "stored", self.stored, "duplicate", self.duplicate)?;
        for (label, counts) in [("ignored", &self.ignored), ("refused", &self.refused)] {
            write!(f, "\n{label:<10} {}", counts.values().sum::<usize>())?;
            let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if !each.is_empty() {
                write!(f, "  ({})", each.join(", "))?;
            }
        }
        write!(f, "\n{:<10} {}", "failed", self.failed)?;
        if self.not_sent > 0 {
            write!(f, "\n{:<10} {}", "not sent", self.not_sent)?;
        }
        if self.skipped.is_empty() { Ok(()) } else { write!(f, "\n{:<10} {}", "skipped", self.skipped) }
    }
}
