//! Chooses the runs to merge.

use refrain_core::index::rows::LARGEST_RUN;

/// Number of runs of similar size from which they are merged into one. Each posting is then rewritten rarely, and the
/// number of runs grows with the logarithm of the size of the catalog.
const MERGED_AT_ONCE: usize = 8;
/// Width of a size class in bits of the number of postings: sizes in a class differ by a factor below eight.
const SIZE_BITS: u32 = 3;
/// A run is rewritten alone if at least one in this many of its tracks is removed.
const GONE_RATIO: i32 = 4;

/// A row of `refrain.runs`: number, bucket bits, time bits, postings, tracks, removed tracks.
pub(super) type RunRecord = (i32, i16, i16, i64, i32, i32);

/// Chooses the runs to merge next from all runs in ascending order of size: the smallest ones of similar size if there
/// are enough of them, or else one run with many removed tracks.
pub(super) fn choose(runs: &[RunRecord]) -> Vec<RunRecord> {
    let size = |record: &RunRecord| record.3.max(1).ilog2() / SIZE_BITS;
    for same in runs.chunk_by(|a, b| size(a) == size(b)) {
        let mut postings = 0;
        let fitting = same.iter().take_while(|record| {
            postings += record.3;
            postings.cast_unsigned() <= LARGEST_RUN
        });
        let fitting = fitting.count();
        if same.len() >= MERGED_AT_ONCE && fitting > 1 {
            return same[..fitting].to_vec();
        }
    }
    runs.iter()
        .filter(|(.., tracks, gone)| *gone > 0 && gone * GONE_RATIO >= *tracks)
        .take(1)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: i32, postings: i64, tracks: i32, gone: i32) -> RunRecord {
        (number, 0, 20, postings, tracks, gone)
    }

    fn chosen(runs: &[RunRecord]) -> Vec<i32> {
        choose(runs).iter().map(|record| record.0).collect()
    }

    #[test]
    fn eight_runs_of_similar_size_are_merged() {
        let mut runs: Vec<_> = (0..7).map(|n| run(n, 600, 4, 0)).collect();
        runs.extend((7..14).map(|n| run(n, 5000, 4, 0)));
        assert!(chosen(&runs).is_empty());
        runs.insert(0, run(20, 512, 4, 0));
        assert_eq!(chosen(&runs), [20, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_largest_runs_are_not_merged() {
        let large = LARGEST_RUN as i64 / 3 * 2;
        let runs: Vec<_> = (0..20).map(|n| run(n, large, 4, 0)).collect();
        assert!(chosen(&runs).is_empty());
    }

    #[test]
    fn a_run_with_many_removed_tracks_is_rewritten() {
        assert_eq!(chosen(&[run(1, 600, 100, 24), run(2, 601, 100, 25)]), [2]);
    }
}
