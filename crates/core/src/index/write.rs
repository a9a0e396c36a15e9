//! Writes a run file from constellations.

use std::io::Write;

use rayon::prelude::*;

use super::TrackNumber;
use super::layout::{MAGIC, POSTING_TICKS, TrackEntry};
use super::pages::PageWriter;
use super::postings::posting;
use super::sections::{Layout, RunSections, WriteError};
use super::sort::par_sort_by_hash;
use crate::fingerprint::landmark::{HASH_BITS, landmarks};
use crate::fingerprint::{Constellation, TICKS_PER_SECOND};

/// Number of tracks whose postings are computed in parallel before they are written. It limits the memory for packed
/// constellations to some MB. At half this value, cores are idle more often while the slowest track of a batch is
/// computed. At twice this value, this memory doubles.
const TRACKS_PER_BATCH: usize = 128;
/// Writes a run of `tracks` to `out`. Returns `out` and the number of written tracks: the first ones, as many as fit
/// onto the time line of a run.
pub(crate) fn write_tracks<W: Write>(
    out: W,
    catalog: u128,
    tracks: &[(TrackNumber, Constellation)],
) -> Result<(W, usize), WriteError> {
    let mut out = PageWriter::new(out);
    out.write(MAGIC)?;
    let mut layout = Layout::new();
    let mut postings = Vec::new();
    'groups: for group in tracks.chunks(TRACKS_PER_BATCH) {
        let of_group: Vec<_> =
            group.par_iter().map(|(_, sound)| (sound.to_bytes(), postings_of(sound))).collect();
        for ((number, constellation), (packed, own)) in group.iter().zip(of_group) {
            let entry = TrackEntry {
                number: number.0,
                start: 0,
                length: length(constellation),
                constellation_bytes: packed.len() as u32,
                constellation_at: out.position(),
                postings: own.len() as u32,
            };
            // The constellation is written after the track was placed, so nothing is written for a track that does not
            // fit.
            let Some(start) = layout.place(entry) else { break 'groups };
            postings.extend(own.into_iter().map(|posting| posting + u64::from(start)));
            out.write(&packed)?;
        }
    }
    par_sort_by_hash(&mut postings, HASH_BITS);
    let count = postings.len() as u64;
    let fitted = layout.tracks.len();
    let section = RunSections { out, catalog, layout, count };
    let out = section.write(|low, high, sink| {
        let from = postings.partition_point(|p| *p < posting(low, 0));
        let to = postings.partition_point(|p| *p <= posting(high, u32::MAX));
        sink.extend_from_slice(&postings[from..to]);
        Ok(())
    })?;
    Ok((out, fitted))
}

/// Returns the postings of a track in order of time. Times are counted from the start of the track.
pub(crate) fn postings_of(constellation: &Constellation) -> Vec<u64> {
    let peaks = &constellation.peaks;
    let mut postings = Vec::with_capacity(3 * peaks.len());
    landmarks(peaks, |l| postings.push(posting(l.hash, peaks[l.first as usize].time / POSTING_TICKS)));
    postings
}

/// Returns the length of a track on the time line, in units of a posting's time (23 ms). It includes all audio and the
/// last peak.
pub(crate) fn length(constellation: &Constellation) -> u32 {
    let ticks = (constellation.seconds * TICKS_PER_SECOND) as u32;
    ticks.max(constellation.peaks.last().map_or(0, |p| p.time)) / POSTING_TICKS + 1
}
