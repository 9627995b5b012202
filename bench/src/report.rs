//! The report of a run. Each row has a median and a spread, and may have a bar. The report is printed as
//! Markdown tables, and can also be written to a file as JSON.

mod number;
mod row;
mod samples;

use std::fmt::{self, Write as _};

use serde::Serialize;

use number::number;

pub(crate) use row::{Bar, Row};
pub(crate) use samples::Samples;

/// All figures of one run of the program.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// A description of the machine and the database.
    setting: String,
    quick: bool,
    /// The reports of the measured scenarios.
    pub(crate) reports: Vec<Report>,
    /// The errors of the scenarios that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
}

/// The figures of one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    scenario: &'static str,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
    notes: Vec<String>,
}

/// A peer that could not be measured.
#[derive(Debug, Serialize)]
struct Missing {
    peer: &'static str,
    why: String,
}

impl Report {
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self { scenario, rows: Vec::new(), missing: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Prints the progress of the scenario to standard error.
    pub(crate) fn progress(&self, text: impl fmt::Display) {
        eprintln!("  {}: {text}", self.scenario);
    }

    /// Adds a note about the figures, unless the report already has this note.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds a peer that could not be measured, and the reason. The table then shows the peer as missing. The
    /// run does not pass, because a bar may need the peer.
    pub(crate) fn missing(&mut self, peer: &'static str, why: impl fmt::Display) {
        self.missing.push(Missing { peer, why: why.to_string() });
    }

    pub(crate) fn notes(&mut self, notes: impl IntoIterator<Item = String>) {
        notes.into_iter().for_each(|note| self.note(note));
    }
}

impl Run {
    pub(crate) fn new(setting: String, quick: bool) -> Self {
        Self { setting, quick, reports: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn failed(&mut self, why: String) {
        eprintln!("error: {why}");
        self.failures.push(why);
    }

    /// Whether all bars are met, no peer is missing and no scenario failed.
    pub(crate) fn met(&self) -> bool {
        let judged = self.failures.is_empty() && self.reports.iter().all(|report| report.missing.is_empty());
        judged && self.reports.iter().flat_map(|report| &report.rows).all(|row| row.met != Some(false))
    }

    /// The report in Markdown: a section with a table for each scenario.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("{}\n", self.setting);
        if self.quick {
            out.push_str("\nThis was a smoke test (`--quick`), so the figures mean little.\n");
        }
        for why in &self.failures {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n**failed**: {why}\n");
        }
        for report in &self.reports {
            let _ = write!(out, "\n{report}");
        }
        out
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.scenario)?;
        writeln!(f, "| figure | median | spread | bar | met | processors used |\n|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let spread = match row.samples {
                1 => String::new(),
                n => format!("{} to {} of {n}", number(row.low), number(row.high)),
            };
            let bar = row.bar.map(Bar::text).unwrap_or_default();
            let met = row.met.map_or("", |met| if met { "yes" } else { "**no**" });
            let Row { what, median, unit, cpu, .. } = row;
            writeln!(f, "| {what} | {} {unit} | {spread} | {bar} | {met} | {cpu} |", number(*median))?;
        }
        for Missing { peer, why } in &self.missing {
            writeln!(f, "| {peer} | missing |  |  |  | {why} |")?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_shows_a_missed_bar() {
        let mut run = Run::new("two cores".into(), false);
        let mut report = Report::new("latency");
        report.row(Row::single("p99", "ms", 25.0).bar(Bar::AtMost(20.0)));
        run.reports.push(report);
        assert!(!run.met());
        let markdown = run.markdown();
        for part in ["\n## latency\n\n| figure |", "\n| p99 | 25 ms |  | ≤ 20 | **no** |  |\n"] {
            assert!(markdown.contains(part), "{markdown}");
        }
    }

    #[test]
    fn the_report_shows_a_missing_peer() {
        let mut run = Run::new("two cores".into(), false);
        let mut report = Report::new("fan-out");
        report.missing("Nchan", "apt-get install libnginx-mod-nchan");
        run.reports.push(report);
        let line = "| Nchan | missing |  |  |  | apt-get install libnginx-mod-nchan |";
        assert!(run.markdown().contains(line), "{}", run.markdown());
    }
}
