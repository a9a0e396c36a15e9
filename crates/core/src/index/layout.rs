//! Layout of a run file, little endian:
//! ```text
//! magic: 8 bytes
//! constellations, packed, one after the other
//! postings: buckets by rising hash
//! groups: number of postings of each group of hashes, Rice codes with one parameter
//! directory: offset of each bucket in the postings, then the end of the postings: 5 bytes each
//! tracks: 32 bytes each, by rising start
//! checksum of each 4096-byte page of all sections before: 4 bytes each
//! footer: 16 words of 8 bytes, the last one is the checksum of the others
//! ```

use xxhash_rust::xxh3::xxh3_64;

use crate::fingerprint::landmark::{HASH_BITS, SCHEME_VERSION};
use crate::fingerprint::params::TICKS_PER_FRAME;

pub(crate) const MAGIC: &[u8; 8] = b"refrun\r\n";
/// Version of this layout and of the posting codec.
const FORMAT_VERSION: u32 = 2;
pub(crate) const FOOTER_BYTES: usize = 16 * 8;
pub(crate) const DIRECTORY_ENTRY_BYTES: usize = 5;
pub(crate) const TRACK_ENTRY_BYTES: usize = 32;

/// Ticks per unit of a posting's time: one frame, 23 ms. This is accurate enough to find candidates; verification uses
/// the exact times of the peaks. At half this value, each posting takes one more bit. At twice this value, offsets are
/// exact to 46 ms only, so searches find more false candidates. Part of the file format.
pub(crate) const POSTING_TICKS: u32 = TICKS_PER_FRAME;
/// Margin: silence before each track on the time line, in units of a posting's time (16 s). It is longer than the
/// windows of files (15 s), so that an offset identifies its track. A track that begins near the end of a longer window
/// is not found in that window. Such windows are the longest window of live streams (18 s: the last 2 s are affected)
/// and windows at a higher speed (15 s at 1.5 times the speed: the last 4 s). At half this value, a track that begins
/// later than 8 s in a window is not found. At twice this value, the time line is longer, so searches count more
/// hypotheses and need stronger matches. Part of the file format.
pub(crate) const TRACK_MARGIN_UNITS: u32 = 690;
/// Maximum length of the time line of one run, in units of a posting's time: about three years. Further tracks are
/// written to another run.
pub(crate) const MAX_RUN_UNITS: u64 = u32::MAX as u64 - 16 * TRACK_MARGIN_UNITS as u64;
/// Length of an offset bin, in which votes are counted, in units of a posting's time (46 ms). Tracks begin at the start
/// of a bin, so that the counts do not depend on the distribution of tracks over runs. At half this value, the votes
/// for one position are split over more bins, so weak matches are missed. At twice this value, more unrelated votes
/// fall into the same bin. Part of the file format.
pub(crate) const BIN_UNITS: u32 = 2;
/// Target for the average number of postings in a bucket. At half this value, the directory (5 bytes for each bucket)
/// takes twice the space. At twice this value, a search decodes about twice as many postings that it does not need.
const BUCKET_POSTINGS: u64 = 24;

/// Content of the footer of a run file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Footer {
    pub(crate) catalog: u128,
    pub(crate) covered: u64,
    pub(crate) table_checksum: u64,
    pub(crate) tracks: u64,
    pub(crate) tracks_at: u64,
    pub(crate) postings_at: u64,
    pub(crate) groups_at: u64,
    pub(crate) directory_at: u64,
    pub(crate) postings: u64,
    pub(crate) bucket_bits: u32,
    pub(crate) time_bits: u32,
}

impl Footer {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        // The hashes of landmarks have a separate version, because a change of hashes makes all postings invalid even
        // if the layout is the same.
        let versions = u64::from(FORMAT_VERSION) << 32 | u64::from(SCHEME_VERSION);
        let words = [
            u64::from_le_bytes(*MAGIC),
            versions,
            self.catalog as u64,
            (self.catalog >> 64) as u64,
            self.covered,
            self.table_checksum,
            self.tracks,
            self.tracks_at,
            self.postings_at,
            self.directory_at,
            self.postings,
            u64::from(self.bucket_bits),
            u64::from(self.time_bits),
            self.groups_at,
            0,
        ];
        let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the footer at the end of a file. The error is the reason why the file cannot be used, such as "of another
    /// version".
    pub(crate) fn from_file(file: &[u8]) -> Result<Self, &'static str> {
        let footer = file.len().checked_sub(FOOTER_BYTES).and_then(|at| file.get(at..)).ok_or("too short")?;
        let word = |i: usize| {
            let bytes = footer.get(i * 8..i * 8 + 8).and_then(|b| b.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        // The footer is written last, so a missing magic means that writing was interrupted. It is tested first to give
        // this reason instead of "damaged".
        if word(0).to_le_bytes() != *MAGIC {
            return Err("not a complete index file");
        }
        if xxh3_64(&footer[..FOOTER_BYTES - 8]) != word(15) {
            return Err("damaged");
        }
        if word(1) != u64::from(FORMAT_VERSION) << 32 | u64::from(SCHEME_VERSION) {
            return Err("of another version");
        }
        let this = Self {
            catalog: u128::from(word(3)) << 64 | u128::from(word(2)),
            covered: word(4),
            table_checksum: word(5),
            tracks: word(6),
            tracks_at: word(7),
            postings_at: word(8),
            directory_at: word(9),
            postings: word(10),
            bucket_bits: word(11) as u32,
            time_bits: word(12) as u32,
            groups_at: word(13),
        };
        // Both numbers are used as shift counts, and a valid checksum does not prove that they are in range.
        if this.bucket_bits > HASH_BITS || this.time_bits > 32 { Err("damaged") } else { Ok(this) }
    }
}

/// Returns the number of high bits of a hash that are the number of its bucket, for a run with `postings` postings.
pub(crate) fn bucket_bits(postings: u64) -> u32 {
    (postings / BUCKET_POSTINGS).checked_ilog2().unwrap_or(0).min(HASH_BITS)
}

/// Returns the number of bits of a time on a time line of `length` units: 1 to 32.
pub(crate) fn time_bits(length: u64) -> u32 {
    (u64::BITS - length.leading_zeros()).clamp(1, 32)
}

/// Entry of a track in the track table of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackEntry {
    pub(crate) number: u32,
    /// Start on the time line of the run, in units of a posting's time.
    pub(crate) start: u32,
    /// Length on the time line, in units of a posting's time.
    pub(crate) length: u32,
    /// Length of the packed constellation in bytes.
    pub(crate) constellation_bytes: u32,
    /// Offset of the packed constellation in the file.
    pub(crate) constellation_at: u64,
    /// Number of postings of the track.
    pub(crate) postings: u32,
}

/// Returns the number of units that a track of `length` units takes on a time line, including the margin before it and
/// rounding to whole bins.
pub(crate) fn units_taken(length: u32) -> u64 {
    u64::from(length).next_multiple_of(u64::from(BIN_UNITS)) + u64::from(TRACK_MARGIN_UNITS)
}

impl TrackEntry {
    pub(crate) fn to_bytes(self) -> [u8; TRACK_ENTRY_BYTES] {
        let mut bytes = [0; TRACK_ENTRY_BYTES];
        bytes[0..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.constellation_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.constellation_at.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.postings.to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        Self {
            number: word(0),
            start: word(4),
            length: word(8),
            constellation_bytes: word(12),
            constellation_at: u64::from(word(20)) << 32 | u64::from(word(16)),
            postings: word(24),
        }
    }
}
