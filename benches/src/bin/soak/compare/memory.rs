//! Growth of the memory of the monitor.

/// Time after which the memory must be flat, in seconds.
const WARM_UP_SECONDS: f64 = 600.0;
/// Largest share of the run that is not compared, so that short runs have a result.
const MAX_WARM_UP: f64 = 1.0 / 3.0;
/// Maximum growth and deviation, as a share of the mean.
const MAX_SHARE: f64 = 0.05;
/// Length of the windows whose medians are compared with the mean, in seconds. A response that is too large takes memory
/// for a moment, up to a limit, and is no growth.
const WINDOW_SECONDS: f64 = 300.0;

/// Memory after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct MemoryScore {
    pub(crate) samples: usize,
    /// Mean in bytes.
    pub(crate) mean: f64,
    /// Growth over the compared time according to the line of the least squares, as a share of the mean.
    pub(crate) growth: f64,
    /// Largest deviation of the median of a window from the mean, as a share of the mean.
    pub(crate) deviation: f64,
    /// Largest value, as a share of the mean.
    pub(crate) peak: f64,
}

impl MemoryScore {
    /// Computes the score of samples, which are pairs of a time in seconds and a size in bytes.
    pub(crate) fn of(samples: &[(f64, f64)]) -> Self {
        let (Some((first, _)), Some((last, _))) = (samples.first(), samples.last()) else {
            return Self::default();
        };
        let from = first + WARM_UP_SECONDS.min((last - first) * MAX_WARM_UP);
        let used: Vec<(f64, f64)> = samples.iter().filter(|(at, _)| *at >= from).copied().collect();
        let count = used.len().max(1) as f64;
        let mean_time = used.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean = used.iter().map(|(_, bytes)| bytes).sum::<f64>() / count;
        let product: f64 = used.iter().map(|(at, bytes)| (at - mean_time) * (bytes - mean)).sum();
        let squares: f64 = used.iter().map(|(at, _)| (at - mean_time).powi(2)).sum();
        let slope = if squares > 0.0 { product / squares } else { 0.0 };
        let base = mean.max(1.0);
        let windows = used.chunk_by(|a, b| window(a.0 - from) == window(b.0 - from));
        let deviation = windows.map(|window| (median(window) - mean).abs()).fold(0.0, f64::max) / base;
        let peak = used.iter().map(|(_, bytes)| *bytes).fold(0.0, f64::max) / base;
        Self { samples: used.len(), mean, growth: slope * (last - from) / base, deviation, peak }
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.samples > 0 && self.growth.abs() <= MAX_SHARE && self.deviation <= MAX_SHARE
    }
}

/// Returns the number of the window of a time in seconds after the warm-up.
fn window(seconds: f64) -> u64 {
    (seconds / WINDOW_SECONDS) as u64
}

fn median(samples: &[(f64, f64)]) -> f64 {
    let mut sizes: Vec<f64> = samples.iter().map(|(_, bytes)| *bytes).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_does_not_count() {
        let flat = |at: usize| (at as f64 * 10.0, if at < 60 { 1e6 * at as f64 } else { 1e8 });
        let score = MemoryScore::of(&(0..720).map(flat).collect::<Vec<_>>());
        assert_eq!((score.samples, score.mean, score.deviation), (660, 1e8, 0.0));
        assert!(score.is_flat());
    }

    #[test]
    fn growth_and_long_peaks_are_not_flat() {
        let grows = |at: usize| (at as f64 * 10.0, 1e8 + 2e4 * at as f64);
        let score = MemoryScore::of(&(0..720).map(grows).collect::<Vec<_>>());
        assert!((score.growth - 0.122).abs() < 0.01 && !score.is_flat(), "{score:?}");
        let peak = |length: usize| {
            move |at: usize| (at as f64 * 10.0, if (500..500 + length).contains(&at) { 1.2e8 } else { 1e8 })
        };
        let score = MemoryScore::of(&(0..720).map(peak(50)).collect::<Vec<_>>());
        assert!(score.deviation > 0.15 && !score.is_flat(), "{score:?}");
        let score = MemoryScore::of(&(0..720).map(peak(5)).collect::<Vec<_>>());
        assert!(score.is_flat() && score.peak > 1.19, "{score:?}");
    }
}
