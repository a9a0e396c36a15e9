//! Splits a page of changes into batches whose constellations fit into memory.

use std::collections::{HashMap, HashSet};

use refrain_core::index::TrackNumber;

use refrain_catalog::{Change, ChangeKind};

/// Changes that are applied to the index in one step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeBatch {
    pub(crate) added: Vec<TrackNumber>,
    pub(crate) removed: Vec<TrackNumber>,
    /// Position of the last change of the batch.
    pub(crate) position: u64,
}

/// Returns the tracks that `changes` (a page of changes) adds and does not remove.
pub(crate) fn remaining_additions(changes: &[Change]) -> Vec<TrackNumber> {
    let removed = tracks(changes, ChangeKind::Removed).collect::<HashSet<_>>();
    tracks(changes, ChangeKind::Added).filter(|track| !removed.contains(track)).collect()
}

/// Splits changes into batches in order, each with at most `limit` bytes of packed constellations (or a single larger
/// track).
///
/// `sizes` contains the sizes in bytes of the tracks of [`remaining_additions`]. An added track without a size has been
/// removed since the page was read; its removal follows in a later page. A track that is added and removed within the
/// page is in no batch.
pub(crate) fn split_into_batches(
    changes: &[Change],
    sizes: &HashMap<TrackNumber, u64>,
    limit: u64,
) -> Vec<ChangeBatch> {
    let added = tracks(changes, ChangeKind::Added).collect::<HashSet<_>>();
    let mut batches = Vec::new();
    let mut batch = ChangeBatch::default();
    let mut bytes = 0;
    for change in changes {
        match change.kind {
            ChangeKind::Added => {
                if let Some(size) = sizes.get(&change.track) {
                    if bytes + size > limit && !batch.added.is_empty() {
                        batches.push(std::mem::take(&mut batch));
                        bytes = 0;
                    }
                    bytes += size;
                    batch.added.push(change.track);
                }
            }
            // A track that the same page adds is in no batch, so there is nothing to remove from the index.
            ChangeKind::Removed if added.contains(&change.track) => {}
            ChangeKind::Removed => batch.removed.push(change.track),
            ChangeKind::Relabeled => {}
        }
        batch.position = change.position;
    }
    // The last batch is kept even if it is empty, because the index advances to its position.
    batches.push(batch);
    batches
}

fn tracks(changes: &[Change], kind: ChangeKind) -> impl Iterator<Item = TrackNumber> {
    changes.iter().filter(move |change| change.kind == kind).map(|change| change.track)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(list: &[(u32, char)]) -> Vec<Change> {
        let one = |(index, (track, kind)): (usize, &(u32, char))| Change {
            position: index as u64 + 11,
            track: TrackNumber(*track),
            kind: match kind {
                '+' => ChangeKind::Added,
                '-' => ChangeKind::Removed,
                _ => ChangeKind::Relabeled,
            },
        };
        list.iter().enumerate().map(one).collect()
    }

    fn batch(added: &[u32], removed: &[u32], position: u64) -> ChangeBatch {
        let numbers = |list: &[u32]| list.iter().copied().map(TrackNumber).collect();
        ChangeBatch { added: numbers(added), removed: numbers(removed), position }
    }

    fn sizes(list: &[(u32, u64)]) -> HashMap<TrackNumber, u64> {
        list.iter().map(|(track, size)| (TrackNumber(*track), *size)).collect()
    }

    #[test]
    fn tracks_added_and_removed_in_one_page_are_left_out() {
        let page = changes(&[(7, '+'), (3, '-'), (8, '+'), (7, '-')]);
        assert_eq!(remaining_additions(&page), [TrackNumber(8)]);
        assert_eq!(split_into_batches(&page, &sizes(&[(8, 5)]), 100), [batch(&[8], &[3], 14)]);
    }

    #[test]
    fn batches_stay_below_the_limit_and_keep_order() {
        let page = changes(&[(1, '+'), (2, '+'), (9, '-'), (3, '+'), (4, '+')]);
        let sizes = sizes(&[(1, 60), (2, 40), (3, 500), (4, 1)]);
        assert_eq!(
            split_into_batches(&page, &sizes, 100),
            [batch(&[1, 2], &[9], 13), batch(&[3], &[], 14), batch(&[4], &[], 15)]
        );
    }

    #[test]
    fn a_relabelled_track_only_advances_the_position() {
        let page = changes(&[(1, '+'), (9, '='), (3, '=')]);
        assert_eq!(split_into_batches(&page, &sizes(&[(1, 5)]), 9), [batch(&[1], &[], 13)]);
        assert_eq!(split_into_batches(&page[1..], &sizes(&[]), 9), [batch(&[], &[], 13)]);
    }

    #[test]
    fn a_track_without_a_size_is_not_requested() {
        let page = changes(&[(1, '+'), (2, '+')]);
        assert_eq!(split_into_batches(&page, &sizes(&[(2, 1)]), 100), [batch(&[2], &[], 12)]);
    }
}
