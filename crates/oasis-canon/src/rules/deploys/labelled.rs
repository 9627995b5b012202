//! What a deploy must have: the three labels, with valid values.

use crate::finding::Finding;
use crate::labels::{self, KEYS};
use crate::rule::Rule;

/// The labels that one place sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// Keys and values as they are written.
    Labels(Vec<(String, String)>),
    /// A variable or a function computes the labels.
    Computed,
}

/// A deploy, or a part of one, that must set the labels.
pub(super) struct Deploy<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// Where the deploy stands in the text, in bytes.
    pub(super) at: usize,
    /// What must have the labels, such as "the deploy" or "the template of the service".
    pub(super) what: &'a str,
    /// How to add the labels.
    pub(super) help: &'a str,
}

impl Deploy<'_> {
    /// The findings for the labels that the deploy sets.
    pub(super) fn judge(&self, given: &Given) -> Vec<Finding> {
        let Given::Labels(labels) = given else { return Vec::new() };
        let missing: Vec<_> =
            KEYS.into_iter().filter(|key| !labels.iter().any(|(given, _)| given == key)).collect();
        let mut findings = Vec::new();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "label" } else { "labels" };
            let message = format!("{} does not set the {plural} {}", self.what, missing.join(", "));
            findings.push(self.finding(Rule::DeployLabels, message));
        }
        let known = labels.iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
        let problems = known.filter_map(|(key, value)| labels::problem(key, value));
        findings.extend(problems.map(|problem| self.finding(Rule::LabelValue, problem)));
        findings
    }

    fn finding(&self, rule: Rule, message: String) -> Finding {
        let help = match rule {
            Rule::LabelValue => "deploy/ensure-vtid.sh and `oasis canon labels` print valid labels",
            _ => self.help,
        };
        Finding::new(rule, self.path, message, help).at(self.text, self.at)
    }
}

/// Parses `vtid=x,vt_layer=y`. Entries end at `separator`.
pub(super) fn parse_pairs(text: &str, separator: impl Fn(char) -> bool) -> Given {
    let entries = text.split(separator).map(str::trim).filter(|entry| !entry.is_empty());
    let mut labels = Vec::new();
    for entry in entries {
        match entry.split_once('=') {
            Some((key, value)) if !key.contains(['$', '`']) => {
                labels.push((key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()));
            }
            _ if entry.contains(['$', '`']) => return Given::Computed,
            _ => {}
        }
    }
    Given::Labels(labels)
}
