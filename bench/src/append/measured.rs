//! One of the things that `append` measures, round by round.

use crate::report::{Row, Samples};

#[derive(Default)]
pub(super) struct Measured {
    pub(super) rates: Vec<f64>,
    /// Milliseconds to the answers of each round.
    pub(super) answers: Vec<Samples>,
    /// Of the last round.
    pub(super) cpu: String,
}

impl Measured {
    pub(super) fn last(&self) -> f64 {
        self.rates.last().copied().unwrap_or_default()
    }

    pub(super) fn p99(&self) -> Vec<f64> {
        self.answers.iter().map(|answers| answers.quantile(0.99)).collect()
    }

    pub(super) fn rate(&self, what: &str) -> Row {
        Row::of(what, "rows/s", &Samples::new(self.rates.clone())).cpu(self.cpu.clone())
    }

    /// Round by round, since neighbours in time share what else the machine was doing.
    pub(super) fn beside(&self, other: &Self, what: &str) -> Row {
        let ratios = self.rates.iter().zip(&other.rates).map(|(ours, theirs)| ours / theirs);
        Row::of(what, "×", &Samples::new(ratios.collect()))
    }
}
