//! Selects the peaks that are drawn, and computes their coordinates.

use std::ops::Range;

use refrain_core::fingerprint::{Peak, STEPS_PER_HERTZ, TICKS_PER_SECOND, warp_hertz};

/// Returns the coordinates of a peak: its time in seconds, and its frequency converted with [`warp_hertz`].
pub(super) fn coordinates(peak: &Peak) -> (f64, f64) {
    (f64::from(peak.time) / TICKS_PER_SECOND, warp_hertz(f64::from(peak.frequency) / STEPS_PER_HERTZ))
}

/// Returns the peaks from the start of `shown` up to, but not including, its end, in seconds. `peaks` has to be in
/// order of time.
pub(super) fn within<'a>(peaks: &'a [Peak], shown: &Range<f64>) -> &'a [Peak] {
    let before = |seconds: f64| peaks.partition_point(|peak| coordinates(peak).0 < seconds);
    let first = before(shown.start);
    &peaks[first..before(shown.end).max(first)]
}

/// Returns the highest rank limit, from 1 to `limit`, for which at most `max_peaks` peaks have a rank below it. Returns
/// 1 if even rank 0 has more peaks.
pub(super) fn fitting_rank_limit(peaks: &[Peak], limit: u8, max_peaks: f64) -> u8 {
    let mut counts = [0usize; 256];
    peaks.iter().for_each(|peak| counts[usize::from(peak.rank)] += 1);
    let mut sum = 0;
    let fitting_rank_limit = counts.iter().take(usize::from(limit)).take_while(|count| {
        sum += **count;
        sum as f64 <= max_peaks
    });
    fitting_rank_limit.count().max(1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_ranks_are_drawn_as_fit() {
        let peaks: Vec<Peak> =
            (0..100).map(|k| Peak { time: k * 10, frequency: 800, rank: (k % 10) as u8 }).collect();
        assert_eq!(fitting_rank_limit(&peaks, 20, 1000.0), 20);
        assert_eq!(fitting_rank_limit(&peaks, 4, 1000.0), 4);
        assert_eq!(fitting_rank_limit(&peaks, 20, 39.0), 3);
        assert_eq!(fitting_rank_limit(&peaks, 20, 0.0), 1);
        assert_eq!(within(&peaks, &(1.0..2.0)).len(), 17);
        assert!(within(&peaks, &(9.0..1e9)).is_empty());
    }
}
