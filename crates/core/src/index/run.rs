//! Reads an immutable run: the postings and constellations of some tracks.

use std::path::Path;

use super::groups::unpack_groups;
use super::layout::{DIRECTORY_ENTRY_BYTES, FOOTER_BYTES, Footer, TRACK_ENTRY_BYTES, TrackEntry};
use super::pages::{Pages, Storage};
use super::postings::BucketShape;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::{HASH_BITS, Probe, in_hash_range};

/// Maximum size in bytes of a file whose checksums are all checked when it is opened. The pages of larger files are
/// checked when a search first reads them. At half this value, damage in files of 16 to 32 MB is found only by a
/// search. At twice this value, opening an index can read up to 64 MB of each run.
const CHECKED_AT_OPEN_BYTES: u64 = 32 << 20;

/// Number of bytes after a bucket that are read with it, so that the last bits of a bucket can be read in whole words.
/// The section of the file after the last bucket has more bytes than this.
const WORD_BYTES: usize = 8;

/// A run that is open for reading.
#[derive(Debug)]
pub(crate) struct Run {
    pages: Pages,
    footer: Footer,
    shape: BucketShape,
}

impl Run {
    /// Opens a run file that must belong to `catalog`.
    ///
    /// # Errors
    /// [`IndexError::Unusable`] if the file belongs to another version or catalog or its footer is invalid.
    /// [`IndexError::Damaged`] if a checksum is wrong. [`IndexError::Io`] if the file cannot be read.
    pub(crate) fn open(path: &Path, catalog: u128) -> Result<Self, IndexError> {
        Self::new(Storage::map(path)?, path, catalog)
    }

    /// Opens a run whose file content is in memory.
    pub(crate) fn from_bytes(bytes: Vec<u8>, catalog: u128) -> Result<Self, IndexError> {
        Self::new(Storage::Owned(bytes), Path::new(""), catalog)
    }

    fn new(storage: Storage, path: &Path, catalog: u128) -> Result<Self, IndexError> {
        let unusable = |reason| IndexError::Unusable { path: path.to_owned(), reason };
        let footer = Footer::from_file(storage.bytes()).map_err(unusable)?;
        if footer.catalog != catalog {
            return Err(unusable("of another catalog"));
        }
        let directory = ((1u64 << footer.bucket_bits) + 1) * DIRECTORY_ENTRY_BYTES as u64;
        let tracks =
            footer.tracks.checked_mul(TRACK_ENTRY_BYTES as u64).ok_or_else(|| unusable("inconsistent"))?;
        // The order and lengths of all sections are checked here once. Later reads only check that they are within the
        // pages.
        let sections =
            [footer.postings_at, footer.groups_at, footer.directory_at, footer.tracks_at, footer.covered];
        if !sections.is_sorted()
            || footer.tracks_at - footer.directory_at != directory
            || footer.covered - footer.tracks_at != tracks
            || footer.covered > (storage.bytes().len() - FOOTER_BYTES) as u64
        {
            return Err(unusable("inconsistent"));
        }
        let shape = BucketShape { hash_bits: HASH_BITS - footer.bucket_bits, time_bits: footer.time_bits };
        let pages = Pages::new(storage, path, footer.covered as usize, footer.table_checksum)
            .ok_or_else(|| IndexError::Damaged { path: path.to_owned() })?;
        if footer.covered <= CHECKED_AT_OPEN_BYTES {
            pages.check_all()?;
        }
        Ok(Self { pages, footer, shape })
    }

    pub(crate) fn tracks(&self) -> usize {
        self.footer.tracks as usize
    }

    pub(crate) fn postings(&self) -> u64 {
        self.footer.postings
    }

    /// Returns the number of postings of each group of hashes, indexed by group.
    pub(crate) fn groups(&self) -> Result<Vec<u32>, IndexError> {
        let (from, to) = (self.footer.groups_at as usize, self.footer.directory_at as usize);
        unpack_groups(self.pages.get(from, to - from)?, self.footer.postings)
            .ok_or_else(|| self.pages.inconsistent())
    }

    /// Returns the entry of the track at `index`, which must be below [`Run::tracks`].
    pub(crate) fn track(&self, index: usize) -> Result<TrackEntry, IndexError> {
        let at = self.footer.tracks_at as usize + index * TRACK_ENTRY_BYTES;
        Ok(TrackEntry::from_bytes(self.pages.get(at, TRACK_ENTRY_BYTES)?))
    }

    /// Returns the index of the last track that starts at or before `time` on the time line of the run, or `None` if
    /// all tracks start later.
    pub(crate) fn track_at(&self, time: u32) -> Result<Option<usize>, IndexError> {
        let (mut low, mut high) = (0, self.tracks());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.track(middle)?.start <= time { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1))
    }

    /// Returns the packed constellation of a track.
    pub(crate) fn packed_constellation(&self, track: &TrackEntry) -> Result<&[u8], IndexError> {
        self.pages.get(track.constellation_at as usize, track.constellation_bytes as usize)
    }

    /// Returns the constellation of a track.
    pub(crate) fn constellation(&self, track: &TrackEntry) -> Result<Constellation, IndexError> {
        Constellation::from_bytes(self.packed_constellation(track)?).map_err(|_| self.pages.inconsistent())
    }

    /// Returns the number of bytes of postings that a lookup of `low ..= high` reads.
    #[cfg(feature = "stages")]
    pub(crate) fn cost(&self, low: u32, high: u32) -> Result<u64, IndexError> {
        let Some((low, high)) = in_hash_range(low, high) else { return Ok(0) };
        let directory = self.directory(low, high)?;
        let (from, to) = (offset(directory), offset(&directory[directory.len() - DIRECTORY_ENTRY_BYTES..]));
        to.checked_sub(from).ok_or_else(|| self.pages.inconsistent())
    }

    /// Calls `visit` with the time of every posting whose hash is in `low ..= high`.
    #[inline]
    pub(crate) fn visit(&self, low: u32, high: u32, mut visit: impl FnMut(u32)) -> Result<(), IndexError> {
        self.visit_postings(low, high, |_, time| visit(time))
    }

    /// Calls `visit` with the hash and the time of every posting whose hash is in `low ..= high`, in order of hash,
    /// then time. Numbers in the range that are not valid hashes are ignored.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the checksum of a page is wrong, [`IndexError::Inconsistent`] if pages with valid
    /// checksums contradict each other.
    #[inline]
    pub(crate) fn visit_postings(
        &self,
        low: u32,
        high: u32,
        mut visit: impl FnMut(u32, u32),
    ) -> Result<(), IndexError> {
        let Some((low, high)) = in_hash_range(low, high) else { return Ok(()) };
        let shift = self.shape.hash_bits;
        let directory = self.directory(low, high)?;
        let end = self.footer.groups_at - self.footer.postings_at;
        let mut from = offset(directory);
        let ends = directory[DIRECTORY_ENTRY_BYTES..].chunks_exact(DIRECTORY_ENTRY_BYTES).map(offset);
        for (bucket, to) in (low >> shift..=high >> shift).zip(ends) {
            if from > to || to > end {
                return Err(self.pages.inconsistent());
            }
            if from < to {
                let length = (to - from) as usize + WORD_BYTES;
                let bytes = self.pages.get((self.footer.postings_at + from) as usize, length)?;
                let base = bucket << shift;
                let (low, high) = (low.saturating_sub(base), high - base);
                self.shape
                    .decode(bytes, low, high, |hash, time| visit(base | hash, time))
                    .ok_or_else(|| self.pages.inconsistent())?;
            }
            from = to;
        }
        Ok(())
    }

    /// Calls `visit` for each probe with the time of every posting whose hash is in the range of the probe. The probes
    /// must be sorted by their first hash. A bucket that several probes need is decoded once, into `buffer`.
    #[inline]
    pub(crate) fn visit_all(
        &self,
        probes: &[Probe],
        buffer: &mut Vec<(u32, u32)>,
        mut visit: impl FnMut(&Probe, u32),
    ) -> Result<(), IndexError> {
        let bucket = |probe: &Probe| probe.low >> self.shape.hash_bits;
        for group in probes.chunk_by(|a, b| bucket(a) == bucket(b)) {
            // Most often a single probe needs the bucket. Then its postings are passed on without a buffer.
            if let [probe] = group {
                self.visit(probe.low, probe.high, |time| visit(probe, time))?;
                continue;
            }
            let high = group.iter().map(|probe| probe.high).max().unwrap_or_default();
            buffer.clear();
            self.visit_postings(group[0].low, high, |hash, time| buffer.push((hash, time)))?;
            let mut rest = buffer.as_slice();
            for probe in group {
                // Only postings below the first hash of this probe are dropped. Ranges of probes may overlap, so
                // postings of the previous probe can match again.
                while rest.first().is_some_and(|(hash, _)| *hash < probe.low) {
                    rest = &rest[1..];
                }
                rest.iter()
                    .take_while(|(hash, _)| *hash <= probe.high)
                    .for_each(|(_, time)| visit(probe, *time));
            }
        }
        Ok(())
    }

    /// Returns the directory entries of the buckets that contain the hashes `low ..= high`, and the next entry after
    /// them. `low` and `high` must be valid hashes.
    #[inline]
    fn directory(&self, low: u32, high: u32) -> Result<&[u8], IndexError> {
        let (first, last) = (low >> self.shape.hash_bits, high >> self.shape.hash_bits);
        let at = self.footer.directory_at as usize + first as usize * DIRECTORY_ENTRY_BYTES;
        self.pages.get(at, (last - first + 2) as usize * DIRECTORY_ENTRY_BYTES)
    }

    /// Returns the number of the track at `index`, which must be below [`Run::tracks`].
    pub(crate) fn number(&self, index: usize) -> Result<TrackNumber, IndexError> {
        Ok(TrackNumber(self.track(index)?.number))
    }
}

/// Reads a directory entry: the offset of a bucket from the start of the postings, in bytes.
#[inline]
fn offset(entry: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..DIRECTORY_ENTRY_BYTES].copy_from_slice(&entry[..DIRECTORY_ENTRY_BYTES]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::write::write_tracks;
    use super::*;
    use crate::fingerprint::landmark::HASHES;
    use crate::fingerprint::{Peak, Relief};

    /// Returns a run of a track that repeats a few notes.
    fn run() -> Run {
        let peak =
            |i: u32| Peak { time: 7 * i, frequency: (80 + i * i % 97 * 31) as u16, rank: (i % 4) as u8 };
        let peaks = (0..3000).map(peak).collect();
        let sound = Constellation { seconds: 122.0, peaks, relief: Relief::default() };
        let (bytes, _) = write_tracks(Vec::new(), 7, &[(TrackNumber(1), sound)]).ok().unwrap();
        Run::from_bytes(bytes, 7).unwrap()
    }

    proptest! {
        #[test]
        fn probes_that_share_buckets_find_the_same_as_single_ones(
            ranges in prop::collection::vec((0u32..1 << HASH_BITS, 0u32..3000, 0u32..9), 0..300),
        ) {
            let run = run();
            let mut probes: Vec<_> = ranges
                .into_iter()
                .map(|(low, span, time)| {
                    // Some equal hashes, and some neighbours.
                    let low = if time < 5 { low % 0x4000 } else { low };
                    Probe { low, high: (low + span).min(HASHES - 1), time, lookup: 0 }
                })
                .collect();
            probes.sort_unstable_by_key(|p| (p.low, p.high, p.time));
            let (mut each, mut all) = (Vec::new(), Vec::new());
            for probe in &probes {
                run.visit(probe.low, probe.high, |time| each.push((*probe, time))).unwrap();
            }
            run.visit_all(&probes, &mut Vec::new(), |probe, time| all.push((*probe, time))).unwrap();
            prop_assert_eq!(all, each);
        }
    }

    #[test]
    fn hashes_that_no_landmark_can_have_match_nothing() {
        let run = run();
        let count = |low, high| {
            let mut found = 0;
            run.visit(low, high, |_| found += 1).unwrap();
            found
        };
        assert_eq!(count(0, u32::MAX), count(0, HASHES - 1));
        assert_eq!(count(HASHES, u32::MAX), 0);
        assert_eq!(count(9, 8), 0);
        let probe = |low, high| Probe { low, high, time: 0, lookup: 0 };
        let outside =
            [probe(HASHES, HASHES + 2), probe(HASHES + 1, HASHES + 3), probe(u32::MAX - 2, u32::MAX)];
        let mut found = 0;
        run.visit_all(&outside, &mut Vec::new(), |_, _| found += 1).unwrap();
        assert_eq!(found, 0);
    }

    #[test]
    fn the_run_has_postings() {
        let mut found = 0;
        run().visit(0, (1 << HASH_BITS) - 1, |_| found += 1).unwrap();
        assert!(found > 5000, "{found}");
    }
}
