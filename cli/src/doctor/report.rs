//! The findings of `oasis doctor`, and how they are printed.

use std::io;

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::output::{Paint, line, printable};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Database,
    Listen,
    GatewayFeed,
    WebhookIngest,
    DeployWatcher,
    WebhookSecret,
    Ingest,
    GitHub,
    Agents,
    Clocks,
}

impl Check {
    /// The name in the output. For a service, this is the name in the answer of `/ready`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Listen => "listen",
            Self::GatewayFeed => gateway_feed::NAME,
            Self::WebhookIngest => webhook_ingest::routes::WebhookIngest::NAME,
            Self::DeployWatcher => deploy_watcher::routes::DeployWatcher::NAME,
            Self::WebhookSecret => "webhook-secret",
            Self::Ingest => "ingest",
            Self::GitHub => "github",
            Self::Agents => "agents",
            Self::Clocks => "clocks",
        }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Nothing has to be done.
    Ok,
    /// The installation works, but the user may want to change something.
    Warning,
    /// A part of the installation does not work.
    Problem,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    const fn colour(self) -> u8 {
        match self {
            Self::Ok => 32,
            Self::Warning => 33,
            Self::Problem => 31,
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) message: String,
    /// What to do. A finding with the verdict `ok` has no hint.
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: Check, message: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, message: message.into(), hint: None }
    }

    pub(super) fn warning(check: Check, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    pub(super) fn problem(check: Check, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Problem, message: message.into(), hint: Some(hint.into()) }
    }
}

/// All findings, in the order in which they are printed.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    pub(super) fn has_problem(&self) -> bool {
        self.count(Verdict::Problem) > 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// Prints the findings: for people, or as one JSON object.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let (problems, warnings) = (self.count(Verdict::Problem), self.count(Verdict::Warning));
        if json {
            let ok = problems == 0;
            return line(json!({ "ok": ok, "problems": problems, "warnings": warnings, "checks": self.0 }));
        }
        let paint = Paint::for_stream(&io::stdout());
        self.0.iter().flat_map(|finding| lines(finding, paint)).try_for_each(line)?;
        line("")?;
        line(match (problems, warnings) {
            (0, 0) => "Everything works.".to_owned(),
            (0, warnings) => format!("No problem, {}.", counted(warnings, "warning")),
            (problems, 0) => format!("{}.", counted(problems, "problem")),
            (problems, warnings) => {
                format!("{}, {}.", counted(problems, "problem"), counted(warnings, "warning"))
            }
        })
    }
}

/// The line of a finding, and the line of its hint.
fn lines(finding: &Finding, paint: Paint) -> Vec<String> {
    let Finding { check, verdict, message, hint } = finding;
    let one_line = |text: &str| printable(text).replace('\n', " ");
    // The verdict is padded before it is coloured, because escape sequences would count as width.
    let verdict = paint.with(verdict.colour(), &format!("{:<7}", verdict.name()));
    let first = format!("{verdict}  {:<14}  {}", check.name(), one_line(message));
    let hint = hint.iter().map(|hint| format!("{:25}-> {}", "", one_line(hint)));
    std::iter::once(first).chain(hint).collect()
}

/// A count with its noun, in the singular or the plural.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_hint_is_a_second_line() {
        let finding = Finding::problem(Check::WebhookIngest, "no answer\nfrom \x1b[2J", "start it");
        assert_eq!(
            lines(&finding, Paint::NONE),
            ["problem  webhook-ingest  no answer from \u{fffd}[2J", "                         -> start it",]
        );
        let coloured = lines(&Finding::ok(Check::Agents, "none"), Paint::fixed(true));
        assert_eq!(coloured, ["\x1b[32mok     \x1b[0m  agents          none"]);
    }

    #[test]
    fn only_problems_fail_the_command() {
        let mut report = Report::default();
        report.push(Finding::ok(Check::Database, ""));
        report.push(Finding::warning(Check::GitHub, "", ""));
        assert!(!report.has_problem());
        report.push(Finding::problem(Check::Listen, "", ""));
        assert!(report.has_problem());
        assert_eq!([counted(1, "problem"), counted(2, "problem")], ["1 problem", "2 problems"]);
    }
}
