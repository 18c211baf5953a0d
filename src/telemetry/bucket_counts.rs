//! The buckets of a histogram: differences between two moments, and quantiles of the observations between them.

use prometheus::proto::Histogram;

/// Cumulative counts of a histogram by upper bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BucketCounts {
    buckets: Vec<Bucket>,
    /// All observations, those above the last bound among them.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    bound: f64,
    cumulative: u64,
}

impl BucketCounts {
    pub(super) fn read(histogram: &Histogram) -> Self {
        let bucket = |bucket: &prometheus::proto::Bucket| Bucket {
            bound: bucket.upper_bound(),
            cumulative: bucket.cumulative_count(),
        };
        Self {
            buckets: histogram.get_bucket().iter().map(bucket).collect(),
            count: histogram.get_sample_count(),
        }
    }

    /// Adds the observations of a histogram with the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            for (bucket, added) in self.buckets.iter_mut().zip(&other.buckets) {
                bucket.cumulative += added.cumulative;
            }
        }
        self.count += other.count;
    }

    /// Returns the number of observations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the observations since an earlier reading of the same histogram. A lower count means that the histogram began
    /// anew: all of its observations are later then.
    pub fn since(&self, earlier: &Self) -> Self {
        let began_anew = self.count < earlier.count || self.buckets.len() != earlier.buckets.len();
        if began_anew {
            return self.clone();
        }
        let buckets = self.buckets.iter().zip(&earlier.buckets);
        let since = |(now, before): (&Bucket, &Bucket)| Bucket {
            bound: now.bound,
            cumulative: now.cumulative.saturating_sub(before.cumulative),
        };
        Self {
            buckets: buckets.map(since).collect(),
            count: self.count - earlier.count,
        }
    }

    /// Returns an estimate of the value below which a share `q` of the observations is, as Prometheus computes it: values are
    /// assumed to be spread evenly in their bucket. `None` without observations. A value above the last bound counts as that
    /// bound.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = q * self.count as f64;
        let mut below = Bucket {
            bound: 0.0,
            cumulative: 0,
        };
        for bucket in &self.buckets {
            if bucket.cumulative as f64 >= rank && bucket.cumulative > below.cumulative {
                let inside = (bucket.cumulative - below.cumulative) as f64;
                let share = (rank - below.cumulative as f64) / inside;
                return Some(below.bound + (bucket.bound - below.bound) * share);
            }
            below = *bucket;
        }
        self.buckets.last().map(|last| last.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a histogram with these cumulative counts for the bounds 1, 2 and 4.
    fn counts(cumulative: [u64; 3], count: u64) -> BucketCounts {
        let buckets = [1.0, 2.0, 4.0].into_iter().zip(cumulative);
        let bucket = |(bound, cumulative)| Bucket { bound, cumulative };
        BucketCounts {
            buckets: buckets.map(bucket).collect(),
            count,
        }
    }

    #[test]
    fn quantile_is_interpolated_in_its_bucket() {
        let counts = counts([10, 20, 20], 20);
        assert_eq!(counts.quantile(0.5), Some(1.0));
        assert_eq!(counts.quantile(0.25), Some(0.5));
        assert_eq!(counts.quantile(0.75), Some(1.5));
        assert_eq!(counts.quantile(1.0), Some(2.0));
        assert_eq!(counts.quantile(0.0), Some(0.0));
    }

    #[test]
    fn quantile_above_the_last_bound_is_the_last_bound() {
        assert_eq!(counts([0, 0, 1], 10).quantile(0.99), Some(4.0));
        assert_eq!(counts([0, 0, 0], 10).quantile(0.5), Some(4.0));
    }

    #[test]
    fn quantile_skips_empty_buckets() {
        assert_eq!(counts([0, 0, 8], 8).quantile(0.0), Some(2.0));
        assert_eq!(counts([0, 0, 8], 8).quantile(0.5), Some(3.0));
    }

    #[test]
    fn histogram_without_observations_has_no_quantile() {
        assert_eq!(counts([0, 0, 0], 0).quantile(0.5), None);
        assert_eq!(BucketCounts::default().quantile(0.5), None);
    }

    #[test]
    fn difference_has_only_later_observations() {
        let (earlier, later) = (counts([5, 5, 5], 6), counts([5, 9, 9], 12));
        assert_eq!(later.since(&earlier), counts([0, 4, 4], 6));
        assert_eq!(later.since(&later).quantile(0.5), None);
        assert_eq!(later.since(&BucketCounts::default()), later);
    }

    #[test]
    fn histogram_that_began_anew_has_only_later_observations() {
        let (earlier, later) = (counts([5, 5, 5], 6), counts([1, 2, 2], 3));
        assert_eq!(later.since(&earlier), later);
    }
}
