//! The baseline: the findings that an old repository has when it adopts the canon. The check reports only new
//! ones.
//!
//! An entry has no line number, so that other changes of the file do not affect it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::rule::Rule;
use crate::tree::{ReadError, Tree};

/// The name of the file, at the top of the repository.
pub const FILE: &str = "canon-baseline.json";

/// Why the baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("{FILE}: {0}")]
    Read(#[from] ReadError),
    /// The file is not what `oasis canon check --write-baseline` writes.
    #[error("{FILE} is not valid: {0}. Write it again with `oasis canon check --write-baseline`")]
    Json(#[from] serde_json::Error),
}

/// The known findings of a repository.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// How often each finding may occur.
    counts: BTreeMap<(Rule, String, String), usize>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    findings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: Rule,
    path: String,
    message: String,
    count: usize,
}

impl Baseline {
    /// The baseline that makes a check with these findings pass.
    pub fn of(findings: &[Finding]) -> Self {
        let mut counts = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.rule != Rule::UnusedException) {
            let count: &mut usize = counts.entry(key(finding)).or_default();
            *count += 1;
        }
        Self { counts }
    }

    /// Reads the baseline of a repository. Without the file, no finding is known.
    ///
    /// # Errors
    /// The file cannot be read, or it is not valid.
    pub fn read(tree: &Tree) -> Result<Self, BaselineError> {
        if !tree.has(FILE) {
            return Ok(Self::default());
        }
        let written: Written = serde_json::from_str(&tree.read(FILE)?)?;
        let entries = written.findings.into_iter();
        let entries = entries.map(|entry| ((entry.rule, entry.path, entry.message), entry.count));
        Ok(Self { counts: entries.collect() })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None in practice: all values are texts and numbers.
    pub fn render(&self) -> serde_json::Result<String> {
        let entry = |((rule, path, message), count): (&(Rule, String, String), &usize)| Entry {
            rule: *rule,
            path: path.clone(),
            message: message.clone(),
            count: *count,
        };
        let written = Written { findings: self.counts.iter().map(entry).collect() };
        Ok(serde_json::to_string_pretty(&written)? + "\n")
    }

    /// The number of findings.
    pub fn len(&self) -> usize {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether there is no finding.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Removes the known findings from `findings`, and returns how many there were. The rest of the baseline
    /// applies to nothing.
    pub(crate) fn remove_from(mut self, findings: &mut Vec<Finding>) -> (usize, Self) {
        let before = findings.len();
        findings.retain(|finding| match self.counts.get_mut(&key(finding)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        });
        self.counts.retain(|_, left| *left > 0);
        (before - findings.len(), self)
    }
}

fn key(finding: &Finding) -> (Rule, String, String) {
    (finding.rule, finding.path.clone(), finding.message.clone())
}
