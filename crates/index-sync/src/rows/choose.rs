//! Chooses the runs to merge.

use refrain_core::index::rows::MAX_RUN_POSTINGS;

/// Minimum number of runs of similar size that are merged into one. Each posting is then rewritten rarely, and the
/// number of runs grows with the logarithm of the size of the catalog. With 4, each posting is rewritten 1.5 times as
/// often; with 16, a search reads rows of twice as many runs (docs/scale.md).
const MIN_MERGE_RUNS: usize = 8;
/// Width of a size class, in bits of the number of postings. Sizes in a class differ by a factor below eight. Eight
/// runs are merged, so the merged run is in the next class. With 1 or 2, a merged run skips classes, and more runs
/// remain; with 6, large runs are rewritten together with much smaller ones.
const SIZE_CLASS_BITS: u32 = 3;
/// A run is rewritten alone if at least `1 / REWRITE_DIVISOR` of its tracks are removed. Before that, searches also
/// read the postings of the removed tracks. With 2, half of the postings that a search reads can be of removed tracks;
/// with 8, runs are rewritten twice as often.
const REWRITE_DIVISOR: i32 = 4;

/// A row of `refrain.runs`: the number of the run, its bucket bits and time bits (as in `RunShape`), and its numbers of
/// postings, tracks and removed tracks.
pub(super) type RunRecord = (i32, i16, i16, i64, i32, i32);

/// Chooses the runs to merge next. `runs` contains all runs in ascending order of postings. Returns runs of the
/// smallest size class with at least [`MIN_MERGE_RUNS`] runs, or else one run that must be rewritten
/// alone (see [`REWRITE_DIVISOR`]), or else an empty list.
pub(super) fn choose(runs: &[RunRecord]) -> Vec<RunRecord> {
    let size = |record: &RunRecord| record.3.max(1).ilog2() / SIZE_CLASS_BITS;
    // From the smallest class: merging small runs reduces the number of runs most for the least writing.
    for size_class in runs.chunk_by(|a, b| size(a) == size(b)) {
        let mut postings = 0;
        let mergeable = size_class.iter().take_while(|record| {
            postings += record.3;
            postings.cast_unsigned() <= MAX_RUN_POSTINGS
        });
        let mergeable = mergeable.count();
        if size_class.len() >= MIN_MERGE_RUNS && mergeable > 1 {
            return size_class[..mergeable].to_vec();
        }
    }
    runs.iter()
        .filter(|(.., tracks, removed)| *removed > 0 && removed * REWRITE_DIVISOR >= *tracks)
        .take(1)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: i32, postings: i64, tracks: i32, removed: i32) -> RunRecord {
        (number, 0, 20, postings, tracks, removed)
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
        let large = MAX_RUN_POSTINGS as i64 / 3 * 2;
        let runs: Vec<_> = (0..20).map(|n| run(n, large, 4, 0)).collect();
        assert!(chosen(&runs).is_empty());
    }

    #[test]
    fn a_run_with_many_removed_tracks_is_rewritten() {
        assert_eq!(chosen(&[run(1, 600, 100, 24), run(2, 601, 100, 25)]), [2]);
    }
}
