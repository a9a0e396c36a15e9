//! Merges several run files into one.

use std::collections::HashSet;
use std::io::Write;

use super::layout::{MAGIC, MAX_RUN_UNITS, units_taken};
use super::pages::PageWriter;
use super::postings::posting;
use super::run::Run;
use super::sections::{Layout, RunSections, WriteError};
use super::sort::sort_by_hash;
use super::{IndexError, TrackNumber};

/// A run to merge, with the new positions of its tracks.
struct MergeInput<'a> {
    run: &'a Run,
    /// For each track: its old start, and the number to add to the times of its postings, or `None` if the track is
    /// removed.
    moves: Vec<(u32, Option<i64>)>,
}

impl MergeInput<'_> {
    /// Returns the section of the time line that belongs to the track at `time`, with the shift of this track. `time`
    /// is on the old time line of the run.
    fn at(&self, time: u32) -> TimeShift {
        let next = self.moves.partition_point(|(start, _)| *start <= time);
        let to = self.moves.get(next).map_or(u32::MAX, |(start, _)| *start);
        match next.checked_sub(1).map(|index| self.moves[index]) {
            Some((from, shift)) => TimeShift { from, to, shift },
            None => TimeShift { from: 0, to, shift: None },
        }
    }
}

/// A section (`from..to`) of the time line of a run to merge. `shift` is the number to add to the times of its
/// postings, or `None` if these postings are removed.
#[derive(Debug, Clone, Copy, Default)]
struct TimeShift {
    from: u32,
    to: u32,
    shift: Option<i64>,
}

/// Merges `runs` into one run without the tracks in `removed`, and writes it to `out`.
pub(crate) fn write_merged<W: Write>(
    out: W,
    catalog: u128,
    runs: &[&Run],
    removed: &HashSet<TrackNumber>,
) -> Result<W, WriteError> {
    let mut out = PageWriter::new(out);
    out.write(MAGIC)?;
    let mut layout = Layout::new();
    let mut sources = Vec::new();
    for run in runs {
        let mut moves = Vec::with_capacity(run.tracks());
        for index in 0..run.tracks() {
            let mut track = run.track(index)?;
            let old = track.start;
            if removed.contains(&TrackNumber(track.number)) {
                moves.push((old, None));
                continue;
            }
            let packed = run.packed_constellation(&track)?;
            track.constellation_at = out.position();
            out.write(packed)?;
            // The caller merges only runs that fit onto one time line: see `fits`.
            let Some(start) = layout.place(track) else { break };
            moves.push((old, Some(i64::from(start) - i64::from(old))));
        }
        sources.push(MergeInput { run, moves });
    }
    let count = layout.tracks.iter().map(|t| u64::from(t.postings)).sum();
    RunSections { out, catalog, layout, count }.write(|low, high, sink| {
        for source in &sources {
            let mut current = TimeShift::default();
            source.run.visit_postings(low, high, |hash, time| {
                // Times of equal hashes ascend, so the next posting is often of the same track, and the binary search
                // is skipped.
                if !(current.from..current.to).contains(&time) {
                    current = source.at(time);
                }
                if let Some(shift) = current.shift {
                    sink.push(posting(hash, (i64::from(time) + shift) as u32));
                }
            })?;
        }
        // On the new time line, the tracks of each run follow those of the run before. So the times of equal hashes
        // already ascend.
        sort_by_hash(sink, low, (high - low + 1).ilog2(), &mut Vec::new());
        Ok(())
    })
}

/// Returns true if all runs together fit onto one time line.
pub(crate) fn fits(runs: &[&Run]) -> Result<bool, IndexError> {
    let mut end = 0;
    for run in runs {
        if let Some(last) = run.tracks().checked_sub(1) {
            let track = run.track(last)?;
            end += u64::from(track.start) + units_taken(track.length);
        }
    }
    Ok(end < MAX_RUN_UNITS)
}
