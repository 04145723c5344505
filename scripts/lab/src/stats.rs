//! Statistics for few, noisy samples: medians, quartiles and ratios.
//!
//! A measurement on a machine that does other things has outliers on one side
//! only, so that a mean says little. Everything here is an order statistic.

use serde::{Deserialize, Serialize};

/// What a handful of samples comes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many samples there were.
    pub count: usize,
    /// The smallest.
    pub min: f64,
    /// A quarter of the samples lies below.
    pub first_quartile: f64,
    /// The middle.
    pub median: f64,
    /// A quarter of the samples lies above.
    pub third_quartile: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Summarises samples; `None` of none, or when one is not a number.
    pub fn of(samples: &[f64]) -> Option<Self> {
        if samples.is_empty() || samples.iter().any(|s| s.is_nan()) {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            count: sorted.len(),
            min: sorted[0],
            first_quartile: quartile(&sorted, 1),
            median: quartile(&sorted, 2),
            third_quartile: quartile(&sorted, 3),
            max: sorted[sorted.len() - 1],
        })
    }

    /// Half the distance of the quartiles, as a share of the median: 0.03
    /// reads "plus or minus 3 %".
    pub fn relative_spread(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        (self.third_quartile - self.first_quartile) / 2.0 / self.median.abs()
    }
}

/// The median; `None` of no samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    Summary::of(samples).map(|summary| summary.median)
}

/// The first, second or third quartile of sorted samples, linearly
/// interpolated between neighbours.
fn quartile(sorted: &[f64], number: usize) -> f64 {
    let position = number * (sorted.len() - 1);
    let (below, above) = (sorted[position / 4], sorted[position.div_ceil(4)]);
    below + (above - below) * (position % 4) as f64 / 4.0
}

/// The ratios of samples that were taken as neighbours in time: whatever
/// slowed the machine down for a while slowed both down. A pair without a
/// finite ratio is left out.
pub fn pairwise_ratios(subject: &[f64], reference: &[f64]) -> Vec<f64> {
    subject
        .iter()
        .zip(reference)
        .map(|(subject, reference)| subject / reference)
        .filter(|ratio| ratio.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn quartiles_of_one_to_five() {
        let summary = Summary::of(&[5.0, 3.0, 1.0, 4.0, 2.0]).unwrap();
        assert_eq!(summary.count, 5);
        assert_close(summary.min, 1.0);
        assert_close(summary.first_quartile, 2.0);
        assert_close(summary.median, 3.0);
        assert_close(summary.third_quartile, 4.0);
        assert_close(summary.max, 5.0);
        assert_close(summary.relative_spread(), 1.0 / 3.0);
    }

    #[test]
    fn the_median_lies_in_the_middle_whatever_is_at_the_ends() {
        for (samples, middle) in [
            (&[4.0, 1.0, 2.0, 3.0][..], 2.5),
            (&[10.0, 11.0, 12.0, 13.0, 14.0], 12.0),
            // One wild sample does not move it.
            (&[10.0, 11.0, 12.0, 13.0, 14_000.0], 12.0),
        ] {
            assert_close(median(samples).unwrap(), middle);
        }
    }

    #[test]
    fn no_samples_and_no_numbers_have_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn ratios_follow_the_pairs_not_the_totals() {
        // The machine is half as fast in the second round, for both.
        let ratios = pairwise_ratios(&[120.0, 60.0], &[100.0, 50.0]);
        assert_eq!(ratios.len(), 2);
        for ratio in ratios {
            assert_close(ratio, 1.2);
        }
        assert!(pairwise_ratios(&[1.0], &[0.0]).is_empty());
    }
}
