//! `canon.toml`: which rules a repository turns off or down, and its exceptions. Each needs a reason.

use std::collections::BTreeMap;
use std::fmt;

use oasis_core::Prefixes;
use serde::Deserialize;

use crate::rule::{Level, Rule};
use crate::rules::catalogue::KEBAB;
use crate::text::{Place, is_at_or_in};
use crate::tree::{ReadError, Tree};

/// The name of the file, at the top of the repository.
pub const FILE: &str = "canon.toml";

/// The settings of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    levels: BTreeMap<Rule, Level>,
    /// The exceptions, in the order of the file.
    pub(crate) exceptions: Vec<Exception>,
    /// The folders whose entries are kebab-case.
    pub(crate) kebab_case: Vec<String>,
    /// The prefixes of VTIDs in free text.
    pub(crate) prefixes: Prefixes,
}

/// A place where a rule is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) rule: Rule,
    /// A file, or a folder with all files in it. For the rule about branches, also the beginning of a name.
    pub(crate) path: String,
    /// The line of the exception in `canon.toml`.
    pub(crate) line: usize,
}

impl Exception {
    /// Whether the exception applies to a finding of this rule.
    pub(crate) fn applies(&self, rule: Rule, path: &str) -> bool {
        let folder = self.path.trim_end_matches('/');
        self.rule == rule
            && (is_at_or_in(path, folder) || (rule == Rule::BranchVtid && path.starts_with(&self.path)))
    }
}

/// Why `canon.toml` cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    line: Option<usize>,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{FILE}:{line}: {}", self.message),
            None => write!(f, "{FILE}: {}", self.message),
        }
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    #[serde(default)]
    rules: BTreeMap<Rule, WrittenLevel>,
    #[serde(default)]
    exceptions: Vec<toml::Spanned<WrittenException>>,
    kebab_case: Option<Vec<String>>,
    vtid_prefixes: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLevel {
    level: Level,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenException {
    rule: Rule,
    path: String,
    reason: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            levels: BTreeMap::new(),
            exceptions: Vec::new(),
            kebab_case: KEBAB.map(str::to_owned).to_vec(),
            prefixes: Prefixes::default(),
        }
    }
}

impl Config {
    /// Reads `canon.toml` of a repository. Without the file, all rules have their own levels.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, names an unknown rule or field, or lacks a reason.
    pub fn read(tree: &Tree) -> Result<Self, ConfigError> {
        if !tree.has(FILE) {
            return Ok(Self::default());
        }
        let failed = |error: ReadError| ConfigError { line: None, message: error.to_string() };
        Self::parse(&tree.read(FILE).map_err(failed)?)
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let line = |byte: usize| Place::of(text, byte).line;
        let written: Written = toml::from_str(text).map_err(|error| ConfigError {
            line: error.span().map(|span| line(span.start)),
            message: error.message().to_owned(),
        })?;
        let refused = |line, message: String| ConfigError { line, message };
        let mut levels = BTreeMap::new();
        for (rule, WrittenLevel { level, reason }) in written.rules {
            if level < rule.default_level() && reason.is_none_or(|reason| reason.trim().is_empty()) {
                let message = format!("[rules.{rule}]: a lower level needs a reason");
                return Err(refused(None, message));
            }
            levels.insert(rule, level);
        }
        let mut exceptions = Vec::new();
        for exception in written.exceptions {
            let line = line(exception.span().start);
            let WrittenException { rule, path, reason } = exception.into_inner();
            if reason.trim().is_empty() || path.is_empty() {
                return Err(refused(Some(line), "an exception needs a path and a reason".to_owned()));
            }
            exceptions.push(Exception { rule, path, line });
        }
        let default = Self::default();
        let prefixes = match written.vtid_prefixes {
            Some(list) => list.parse().map_err(|error| refused(None, format!("vtid-prefixes: {error}")))?,
            None => default.prefixes,
        };
        let kebab_case = written.kebab_case.map_or(default.kebab_case, |folders| {
            folders.iter().map(|folder| folder.trim_end_matches('/').to_owned()).collect()
        });
        Ok(Self { levels, exceptions, kebab_case, prefixes })
    }

    /// The level of a rule in this repository.
    pub(crate) fn level(&self, rule: Rule) -> Level {
        self.levels.get(&rule).copied().unwrap_or(rule.default_level())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_is_turned_down_with_a_reason() {
        let text = "[rules.catalogue]\nlevel = \"off\"\nreason = \"a Rust workspace\"\n\n\
                    [rules.workflow-name-parts]\nlevel = \"error\"\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.level(Rule::Catalogue), Level::Off);
        assert_eq!(config.level(Rule::WorkflowNameParts), Level::Error);
        assert_eq!(config.level(Rule::RunName), Level::Error);
        assert!(error("[rules.catalogue]\nlevel = \"off\"\n").contains("needs a reason"));
        assert!(error("[rules.catalogue]\nlevel = \"off\"\nreason = \" \"\n").contains("needs a reason"));
    }

    #[test]
    fn an_exception_applies_to_a_file_or_a_folder() {
        let text = "[[exceptions]]\nrule = \"catalogue\"\npath = \"crates/\"\nreason = \"x\"\n\
                    [[exceptions]]\nrule = \"branch-vtid\"\npath = \"dependabot/\"\nreason = \"x\"\n";
        let config = Config::parse(text).unwrap();
        let applies = |rule, path| config.exceptions.iter().any(|exception| exception.applies(rule, path));
        assert!(applies(Rule::Catalogue, "crates"));
        assert!(applies(Rule::Catalogue, "crates/x"));
        assert!(!applies(Rule::Catalogue, "crates2"));
        assert!(!applies(Rule::KebabCase, "crates"));
        assert!(applies(Rule::BranchVtid, "dependabot/npm"));
        assert_eq!(config.exceptions[1].line, 5);
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        assert!(error("\n[rules.nonsense]\nlevel = \"off\"\n").contains("is not a rule: expected one of"));
        assert_eq!(error("a =\n").split(": ").next(), Some("canon.toml:1"));
        assert!(error("colour = 1\n").contains("unknown field `colour`"));
        assert!(
            error("[[exceptions]]\nrule = \"catalogue\"\npath = \"x\"\n").contains("missing field `reason`")
        );
        let empty = "[[exceptions]]\nrule = \"catalogue\"\npath = \"\"\nreason = \"x\"\n";
        assert_eq!(error(empty), "canon.toml:1: an exception needs a path and a reason");
        assert!(error("vtid-prefixes = \"-\"\n").contains("vtid-prefixes"));
    }
}
