//! Searches an index whose postings are rows of a database.

use std::collections::{BTreeSet, HashMap};

use super::{RowError, RowPosition, RowStore, RunRow, RunShape};
use crate::fingerprint::landmark::Probe;
use crate::fingerprint::{Constellation, TICKS_PER_SECOND};
use crate::index::layout::{BIN_UNITS, POSTING_TICKS, TRACK_MARGIN_UNITS};
use crate::index::search_index::{Candidate, OffsetPeak, SearchIndex, SearchSession};
use crate::index::{IndexError, TrackNumber};

/// Maximum number of positions that are requested for one lookup (one list of [`RowStore::locate`]). If more positions
/// have equal votes, those in the first runs are requested. At half this value, the result for a catalog with many
/// copies of a track depends more often on the order of runs. At twice this value, a request to the database can be
/// twice as large.
const MAX_POSITIONS_PER_LIST: usize = 4096;
/// Number of constellations that a session keeps in memory. If there are more, all are dropped before the next request.
/// The constellation of a song takes about 14 kB. At half this value, long searches read constellations from the
/// database again more often. At twice this value, a session takes up to twice the memory.
const MAX_CACHED_CONSTELLATIONS: usize = 1000;

/// An index whose rows are in a [`RowStore`].
pub struct RowIndex<S> {
    store: S,
    /// Number and shape of each run.
    runs: Vec<(u64, RunShape)>,
    groups: Vec<u32>,
    tracks: usize,
    seconds: f64,
}

impl<S> std::fmt::Debug for RowIndex<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowIndex")
            .field("runs", &self.runs)
            .field("tracks", &self.tracks)
            .finish_non_exhaustive()
    }
}

impl<S: RowStore> RowIndex<S> {
    /// Creates an index of these runs, each given by its number and shape. `groups` contains the number of postings of
    /// each group of hashes in all runs. `tracks` is the number of tracks without removed ones, and `units` is the sum
    /// of [`units_of`](super::units_of) over these tracks.
    #[must_use]
    pub fn new(store: S, runs: Vec<(u64, RunShape)>, groups: Vec<u32>, tracks: usize, units: u64) -> Self {
        let seconds = (units * u64::from(POSTING_TICKS)) as f64 / TICKS_PER_SECOND;
        Self { store, runs, groups, tracks, seconds }
    }

    /// Returns the store of the rows.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the same index with another store, such as a store that counts the rows that are read.
    #[must_use]
    pub fn with<T>(&self, store: T) -> RowIndex<T> {
        let Self { runs, groups, tracks, seconds, .. } = self;
        RowIndex { store, runs: runs.clone(), groups: groups.clone(), tracks: *tracks, seconds: *seconds }
    }

    /// Returns the number of tracks that can be found, without removed ones.
    #[must_use]
    pub fn tracks(&self) -> usize {
        self.tracks
    }

    /// Returns the number of runs.
    #[must_use]
    pub fn runs_count(&self) -> usize {
        self.runs.len()
    }
}

impl<S: RowStore> SearchIndex for RowIndex<S> {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn groups(&self) -> &[u32] {
        &self.groups
    }

    fn session(&self) -> Box<dyn SearchSession + '_> {
        Box::new(RowSession { index: self, rows: HashMap::new(), cached: HashMap::new() })
    }
}

/// A search session in an index of rows.
struct RowSession<'a, S> {
    index: &'a RowIndex<S>,
    /// Rows of the current lookup by bucket.
    rows: HashMap<u32, Vec<RunRow>>,
    cached: HashMap<TrackNumber, Vec<u8>>,
}

impl<S: RowStore> RowSession<'_, S> {
    /// Returns the numbers of all buckets that the probes need, for the shapes of all runs.
    fn buckets(&self, probes: &[Probe]) -> BTreeSet<u32> {
        let mut shapes: Vec<RunShape> = self.index.runs.iter().map(|(_, shape)| *shape).collect();
        // Runs with equal bucket bits have the same bucket numbers, so these are computed only once.
        shapes.sort_unstable();
        shapes.dedup_by_key(|shape| shape.bucket_bits);
        let of_shape =
            |shape: RunShape| probes.iter().flat_map(move |probe| shape.buckets(probe.low, probe.high));
        shapes.into_iter().flat_map(of_shape).collect()
    }

    /// Reads all rows that the probes need, in one request to the store.
    fn read(&mut self, probes: &[Probe]) -> Result<(), IndexError> {
        self.rows.clear();
        let buckets: Vec<u32> = self.buckets(probes).into_iter().collect();
        if buckets.is_empty() {
            return Ok(());
        }
        // One request for all lookups and runs, because a round trip to the database takes longer than reading the
        // rows.
        for row in self.index.store.rows(&buckets)? {
            self.rows.entry(row.row.bucket).or_default().push(row);
        }
        Ok(())
    }
}

impl<S: RowStore> SearchSession for RowSession<'_, S> {
    fn vote(
        &mut self,
        probes: &[Probe],
        votes: &mut [Vec<u32>],
        count: &mut dyn FnMut(usize, &mut [Vec<u32>]),
    ) -> Result<(), IndexError> {
        self.read(probes)?;
        let mut decoded: Vec<(u32, u32)> = Vec::new();
        for (index, (run, shape)) in self.index.runs.iter().enumerate() {
            votes.iter_mut().for_each(Vec::clear);
            decoded.clear();
            let (mut last, mut from) = (0, 0);
            for probe in probes {
                for bucket in shape.buckets(probe.low, probe.high) {
                    if bucket > last {
                        last = bucket;
                        // The probes are sorted, so no later probe needs postings below the first hash of this probe.
                        from += decoded[from..].iter().take_while(|(hash, _)| *hash < probe.low).count();
                        decoded.drain(..from);
                        from = 0;
                        let rows = self.rows.get(&bucket).map(Vec::as_slice).unwrap_or_default();
                        for RunRow { row, .. } in rows.iter().filter(|row| row.run == *run) {
                            let base = shape.first_hash(bucket);
                            let sink = |hash, time| decoded.push((base | hash, time));
                            shape.codec().decode(&row.packed, 0, u32::MAX, sink).ok_or_else(damaged)?;
                        }
                    }
                }
                while decoded.get(from).is_some_and(|(hash, _)| *hash < probe.low) {
                    from += 1;
                }
                let time = probe.time / POSTING_TICKS;
                let wanted = decoded[from..].iter().take_while(|(hash, _)| *hash <= probe.high);
                let votes = &mut votes[probe.lookup as usize];
                votes.extend(wanted.map(|(_, posting)| posting.wrapping_sub(time) / BIN_UNITS));
            }
            count(index, votes);
        }
        Ok(())
    }

    fn locate(
        &mut self,
        lists: &[&[OffsetPeak]],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let mut positions = Vec::new();
        let mut offsets = Vec::new();
        for (list, all) in lists.iter().enumerate() {
            // About twice as many positions as needed are requested, because some may be in removed tracks.
            let last = all.get(2 * max_candidates - 1).or(all.last()).map_or(0, |position| position.votes);
            for position in
                all.iter().take_while(|position| position.votes >= last).take(MAX_POSITIONS_PER_LIST)
            {
                // This is the same position that `FileSession::candidate` looks up in index files, so that both choose
                // the same track.
                let place = position.offset.saturating_add(TRACK_MARGIN_UNITS);
                let run = self.index.runs[position.run].0;
                positions.push(RowPosition { list: list as u32, run, place, votes: position.votes });
                offsets.push(position.offset);
            }
        }
        let mut found = vec![Vec::new(); lists.len()];
        if positions.is_empty() {
            return Ok(found);
        }
        // Constellations are dropped before the request and not after it, because the store leaves out those that are
        // listed as known.
        if self.cached.len() > MAX_CACHED_CONSTELLATIONS {
            self.cached.clear();
        }
        let known: Vec<TrackNumber> = self.cached.keys().copied().collect();
        for one in self.index.store.locate(&positions, max_candidates, &known)? {
            let (position, offset) = (positions[one.position], offsets[one.position]);
            let at = i64::from(offset) - i64::from(one.start);
            found[position.list as usize].push(Candidate {
                track: one.track,
                at,
                votes: position.votes,
                file_entry: (0, 0),
            });
            if let Some(packed) = one.packed {
                self.cached.insert(one.track, packed);
            }
        }
        Ok(found)
    }

    fn constellation(&mut self, candidate: &Candidate) -> Result<Constellation, IndexError> {
        let packed = self.cached.get(&candidate.track).ok_or_else(damaged)?;
        Constellation::from_bytes(packed).map_err(|_| damaged())
    }
}

fn damaged() -> IndexError {
    IndexError::DamagedRow
}

impl From<RowError> for IndexError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Stale => Self::Stale,
            RowError::Failed(source) => Self::Rows { source },
        }
    }
}
