//! Collects the figures of one case or one peer of the scenario `append`, with one value per round.

use crate::report::{Row, Samples};

#[derive(Default)]
pub(super) struct Series {
    pub(super) rates: Vec<f64>,
    /// The answer times of each round, in milliseconds.
    pub(super) answers: Vec<Samples>,
    /// A text that says how many processors each process used in the last round.
    pub(super) cpu: String,
}

impl Series {
    pub(super) fn last(&self) -> f64 {
        self.rates.last().copied().unwrap_or_default()
    }

    pub(super) fn p99(&self) -> Vec<f64> {
        self.answers.iter().map(|answers| answers.quantile(0.99)).collect()
    }

    pub(super) fn rate(&self, what: &str) -> Row {
        let rates = Samples::new(self.rates.clone());
        Row::of(format!("{what}: throughput"), "rows/s", &rates).cpu(self.cpu.clone())
    }
}
