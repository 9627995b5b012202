//! What was measured: rows with a median, a spread and a bar, as a Markdown table or JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// Everything that one call of the program measured.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// The machine and the database.
    setting: String,
    quick: bool,
    /// One for each scenario.
    pub(crate) reports: Vec<Report>,
    /// Why others have none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<Missing>,
    notes: Vec<String>,
}

/// A peer that is not here.
#[derive(Debug, Serialize)]
struct Missing {
    peer: &'static str,
    why: String,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    median: f64,
    low: f64,
    high: f64,
    /// How many samples the median is of.
    samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    bar: Option<Bar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    /// Processor time while it was measured.
    #[serde(skip_serializing_if = "String::is_empty")]
    cpu: String,
}

/// What a median has to keep to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
    MoreThan(f64),
}

impl Bar {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) => value >= bar,
            Self::MoreThan(bar) => value > bar,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(bar) => format!("≤ {}", number(bar)),
            Self::AtLeast(bar) => format!("≥ {}", number(bar)),
            Self::MoreThan(bar) => format!("> {bar:.1}"),
        }
    }
}

impl Row {
    /// A figure that is known from one measurement.
    pub(crate) fn single(what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self::of(what, unit, &Samples::new(vec![value]))
    }

    /// The median of `samples`.
    pub(crate) fn of(what: impl Into<String>, unit: &'static str, samples: &Samples) -> Self {
        let (low, high) = (samples.quantile(0.0), samples.quantile(1.0));
        let (median, samples) = (samples.quantile(0.5), samples.0.len());
        Self { what: what.into(), unit, median, low, high, samples, bar: None, met: None, cpu: String::new() }
    }

    /// What is ours for each of theirs, round by round, since neighbours in time share what else the machine was doing.
    pub(crate) fn ratio(what: &str, ours: &[f64], theirs: &[f64]) -> Self {
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self::of(what, "×", &Samples::new(ratios))
    }

    pub(crate) fn bar(mut self, bar: Bar) -> Self {
        (self.bar, self.met) = (Some(bar), Some(bar.met(self.median)));
        self
    }

    pub(crate) fn cpu(mut self, cpu: String) -> Self {
        self.cpu = cpu;
        self
    }
}

/// Measurements, in order of size.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that at least this share of the samples do not exceed; the middle of the two middle ones
    /// for the median of an even number.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let Some(last) = self.0.len().checked_sub(1) else { return f64::NAN };
        let rank = share * self.0.len() as f64;
        let index = (rank.ceil() as usize).saturating_sub(1).min(last);
        if share == 0.5 && self.0.len().is_multiple_of(2) {
            return f64::midpoint(self.0[index], self.0[index + 1]);
        }
        self.0[index]
    }
}

impl Report {
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self { scenario, rows: Vec::new(), missing: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Says something about the figures; what was said before is not said again.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Names a peer that could not be measured beside us, and what would change that. It stands in the table, and
    /// no bar that needs the peer is said to be met.
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

    /// Whether no bar is missed, and no peer that one needs.
    pub(crate) fn met(&self) -> bool {
        let judged = self.failures.is_empty() && self.reports.iter().all(|report| report.missing.is_empty());
        judged && self.reports.iter().flat_map(|report| &report.rows).all(|row| row.met != Some(false))
    }

    /// A section with a table for each scenario.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("{}\n", self.setting);
        if self.quick {
            out.push_str("\nA smoke test (`--quick`): these figures mean little.\n");
        }
        for why in &self.failures {
            // Writing to a String has no way to fail.
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
        writeln!(f, "| what | median | spread | bar | met | processors used |\n|---|---|---|---|---|---|")?;
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

/// Three digits that count, and thousands with a comma.
fn number(value: f64) -> String {
    match value.abs() {
        size if value.fract() != 0.0 && size < 10.0 => format!("{value:.2}"),
        size if value.fract() != 0.0 && size < 100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
            let mut out = sign.to_owned();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let samples = Samples::new((1..=400).rev().map(f64::from).collect());
        assert_eq!(samples.quantile(0.0), 1.0);
        assert_eq!(samples.quantile(0.5), 200.5);
        assert_eq!(samples.quantile(0.99), 396.0);
        assert_eq!(samples.quantile(1.0), 400.0);
        assert_eq!(Samples::new(vec![3.0, 1.0, 2.0]).quantile(0.5), 2.0);
        assert!(Samples::new(Vec::new()).quantile(0.5).is_nan());
    }

    #[test]
    fn numbers() {
        for (value, text) in [
            (0.0, "0"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (123.45, "123"),
            (5.0, "5"),
            (1234.0, "1,234"),
            (100_000.0, "100,000"),
            (-1234.5, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_missed_bar_shows() {
        let mut run = Run::new("two cores".into(), false);
        let mut report = Report::new("latency");
        report.row(Row::single("p99", "ms", 25.0).bar(Bar::AtMost(20.0)));
        run.reports.push(report);
        assert!(!run.met());
        let markdown = run.markdown();
        for part in ["\n## latency\n\n| what |", "\n| p99 | 25 ms |  | ≤ 20 | **no** |  |\n"] {
            assert!(markdown.contains(part), "{markdown}");
        }
    }

    #[test]
    fn a_missing_peer_shows() {
        let mut run = Run::new("two cores".into(), false);
        let mut report = Report::new("fan-out");
        report.missing("Nchan", "apt-get install libnginx-mod-nchan");
        run.reports.push(report);
        let line = "| Nchan | missing |  |  |  | apt-get install libnginx-mod-nchan |";
        assert!(run.markdown().contains(line), "{}", run.markdown());
    }

    #[test]
    fn no_figure_meets_no_bar() {
        assert_eq!(Row::of("p99", "ms", &Samples::new(Vec::new())).bar(Bar::AtMost(20.0)).met, Some(false));
    }
}
