//! One figure: a median, the spread of the samples, and the bar that the median has to meet.

use serde::Serialize;

use super::number::number;
use super::samples::Samples;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// The number of samples.
    pub(super) samples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bar: Option<Bar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) met: Option<bool>,
    /// A text that says how many processors each process used while the figure was measured.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cpu: String,
}

/// A bar: the limit that a median has to meet.
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

    pub(super) fn text(self) -> String {
        match self {
            Self::AtMost(bar) => format!("≤ {}", number(bar)),
            Self::AtLeast(bar) => format!("≥ {}", number(bar)),
            Self::MoreThan(bar) => format!("> {bar:.1}"),
        }
    }
}

impl Row {
    /// A figure from a single measurement.
    pub(crate) fn single(what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self::of(what, unit, &Samples::new(vec![value]))
    }

    /// A figure with the median and the spread of `samples`.
    pub(crate) fn of(what: impl Into<String>, unit: &'static str, samples: &Samples) -> Self {
        let (low, high) = (samples.quantile(0.0), samples.quantile(1.0));
        let (median, samples) = (samples.quantile(0.5), samples.len());
        Self { what: what.into(), unit, median, low, high, samples, bar: None, met: None, cpu: String::new() }
    }

    /// The ratios of our figures to the figures of a peer, one ratio per round. The two figures of a round
    /// are measured one shortly after the other, so other load on the machine affects both figures.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_samples_misses_its_bar() {
        assert_eq!(Row::of("p99", "ms", &Samples::new(Vec::new())).bar(Bar::AtMost(20.0)).met, Some(false));
    }
}
