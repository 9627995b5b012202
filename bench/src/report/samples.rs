//! The samples of one measurement, and their quantiles.

/// Samples, in ascending order.
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

    /// The quantile by nearest rank: the smallest sample such that at least this share of all samples are not
    /// larger than that sample. But the median of an even number of samples is the mean of the two middle
    /// samples. Without samples, the result is NaN.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_except_the_median_of_an_even_number_of_samples() {
        let samples = Samples::new((1..=400).rev().map(f64::from).collect());
        assert_eq!(samples.quantile(0.0), 1.0);
        assert_eq!(samples.quantile(0.5), 200.5);
        assert_eq!(samples.quantile(0.99), 396.0);
        assert_eq!(samples.quantile(1.0), 400.0);
        assert_eq!(Samples::new(vec![3.0, 1.0, 2.0]).quantile(0.5), 2.0);
        assert!(Samples::new(Vec::new()).quantile(0.5).is_nan());
    }
}
