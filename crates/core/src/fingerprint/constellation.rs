//! The constellation: the record that the catalog stores for each track.
//!
//! Packed form, little endian, bits from the lowest up:
//! ```text
//! version: u8 | rank bits: u8 | Rice parameter: u8 | samples: u64 | peaks: u32
//! per peak: Rice(time - time of the peak before) | frequency: 12 bits | rank: rank bits
//! xxh3 of all bytes before, low 32 bits: u32
//! ```
//! A peak takes about 2.3 bytes.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::params::{HIGHEST_BIN, STEPS_PER_BIN};
use super::relief::Relief;
use crate::audio::SAMPLE_RATE;
use crate::bits::{BitReader, BitWriter, rice_parameter};

/// Version of the packed form and of the parameters in [`super::params`].
const FORMAT_VERSION: u8 = 1;
const HEADER_BYTES: usize = 15;
const CHECKSUM_BYTES: usize = 4;
pub(super) const FREQUENCY_BITS: u32 = 12;
const _: () = assert!((HIGHEST_BIN as u32 + 1) * STEPS_PER_BIN < 1 << FREQUENCY_BITS);

/// One spectral peak: a local maximum of the spectrogram that was kept by thinning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peak {
    /// Time of the peak in ticks ([`super::TICKS_PER_SECOND`]).
    pub time: u32,
    /// Frequency of the peak in steps ([`super::STEPS_PER_HERTZ`]).
    pub frequency: u16,
    /// Number of stronger peaks in the neighbourhood (0.5 s and about a sixth of the frequency to each side). 0 is the
    /// strongest.
    pub rank: u8,
}

/// Spectral peaks of a recording, in order of time, then frequency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Constellation {
    /// Length of the audio in seconds.
    pub seconds: f64,
    /// Peaks in order of time, then frequency.
    pub peaks: Vec<Peak>,
    /// Masking depths of a query, for the comparison with peaks that the query lacks. Empty if the depths were not
    /// computed: for references, live streams and queries of more than 2 hours, and after reading the packed form,
    /// which does not contain them.
    pub relief: Relief,
}

/// An error while reading the packed form of a constellation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConstellationError {
    /// The bytes have another format version than this program reads.
    #[error("constellation has format version {found}, this program reads up to {supported}; update refrain")]
    Version {
        /// Format version of the bytes.
        found: u8,
        /// Newest version that this program reads.
        supported: u8,
    },
    /// The bytes are truncated, changed or inconsistent. The field describes what is wrong.
    #[error("constellation is damaged ({0}); index the song again")]
    Damaged(&'static str),
}

impl Constellation {
    /// Creates a constellation without a relief from peaks in order of time, then frequency. `seconds` is the length
    /// of the audio.
    #[must_use]
    pub fn new(seconds: f64, peaks: Vec<Peak>) -> Self {
        Self { seconds, peaks, relief: Relief::default() }
    }

    /// Returns the packed form with format version and checksum, as stored in the catalog.
    ///
    /// ```
    /// use refrain_core::fingerprint::{Constellation, Peak};
    ///
    /// let peaks = vec![Peak { time: 17, frequency: 800, rank: 0 }, Peak { time: 40, frequency: 900, rank: 3 }];
    /// let constellation = Constellation::new(1.0, peaks);
    /// let bytes = constellation.to_bytes();
    /// assert_eq!(Constellation::from_bytes(&bytes)?.peaks, constellation.peaks);
    /// assert!(Constellation::from_bytes(&bytes[1..]).is_err());
    /// # Ok::<(), refrain_core::fingerprint::ConstellationError>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let rank_bits = self.peaks.iter().map(|p| u8::BITS - p.rank.leading_zeros()).max().unwrap_or(0);
        // The time differences add up to the time of the last peak, so their mean is known without summing them.
        let span = self.peaks.last().map_or(0, |p| u64::from(p.time) + 1);
        let rice = rice_parameter(span, self.peaks.len() as u64);
        let mut bytes = vec![FORMAT_VERSION, rank_bits as u8, rice as u8];
        // An integer number of samples is exact, so the length is the same after packing and unpacking.
        let samples = (self.seconds * f64::from(SAMPLE_RATE)).round() as u64;
        bytes.extend_from_slice(&samples.to_le_bytes());
        bytes.extend_from_slice(&(self.peaks.len() as u32).to_le_bytes());
        let mut out = BitWriter::append_to(bytes);
        let mut before = 0;
        for peak in &self.peaks {
            out.rice(u64::from(peak.time - before), rice);
            out.bits(u64::from(peak.frequency), FREQUENCY_BITS);
            out.bits(u64::from(peak.rank), rank_bits);
            before = peak.time;
        }
        let mut bytes = out.finish();
        let checksum = xxh3_64(&bytes) as u32;
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a constellation from its packed form.
    ///
    /// # Errors
    /// [`ConstellationError`] if the bytes have another format version or are damaged.
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::fingerprint::{Constellation, ConstellationError};
    ///
    /// let mut bytes = Constellation::new(1.5, Vec::new()).to_bytes();
    /// assert_eq!(Constellation::from_bytes(&bytes)?.seconds, 1.5);
    ///
    /// // A changed byte is detected by the checksum.
    /// bytes[5] ^= 1;
    /// assert!(matches!(Constellation::from_bytes(&bytes), Err(ConstellationError::Damaged(_))));
    /// # Ok::<(), ConstellationError>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConstellationError> {
        use ConstellationError::Damaged;
        let version = *bytes.first().ok_or(Damaged("it is empty"))?;
        if version != FORMAT_VERSION {
            return Err(ConstellationError::Version { found: version, supported: FORMAT_VERSION });
        }
        if bytes.len() < HEADER_BYTES + CHECKSUM_BYTES {
            return Err(Damaged("it is too short"));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if (xxh3_64(body) as u32).to_le_bytes() != checksum {
            return Err(Damaged("its checksum is wrong"));
        }
        Self::unpack(body).ok_or(Damaged("its content is inconsistent"))
    }

    /// Reads the packed form without its checksum, which the caller has verified. The content is not trusted: returns
    /// `None` if it is inconsistent.
    fn unpack(body: &[u8]) -> Option<Self> {
        let (rank_bits, rice) = (u32::from(body[1]), u32::from(body[2]));
        let samples = u64::from_le_bytes(body.get(3..11)?.try_into().ok()?);
        let count = u32::from_le_bytes(body.get(11..HEADER_BYTES)?.try_into().ok()?) as usize;
        let packed = &body[HEADER_BYTES..];
        // A peak takes 13 bits or more. A count of more than one peak per byte is invalid, and no memory is reserved
        // for it.
        if rank_bits > 8 || rice > 32 || count > packed.len() {
            return None;
        }
        let mut peaks = Vec::with_capacity(count);
        let mut bits = BitReader::new(packed);
        // 64 bits, because a crafted file with a valid checksum can contain time differences whose sum exceeds 32 bits.
        let mut time = 0u64;
        for _ in 0..count {
            time = time.checked_add(bits.rice(rice)?)?;
            let frequency = bits.bits(FREQUENCY_BITS)? as u16;
            let rank = bits.bits(rank_bits)? as u8;
            peaks.push(Peak { time: u32::try_from(time).ok()?, frequency, rank });
        }
        Some(Self::new(samples as f64 / f64::from(SAMPLE_RATE), peaks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arbitrary_constellation() -> impl Strategy<Value = Constellation> {
        let peak = (0u32..50_000, 0u16..4096, 0u8..32);
        (0u64..1 << 40, prop::collection::vec(peak, 0..300)).prop_map(|(samples, raw)| {
            let mut peaks: Vec<Peak> =
                raw.into_iter().map(|(time, frequency, rank)| Peak { time, frequency, rank }).collect();
            peaks.sort_unstable_by_key(|p| (p.time, p.frequency));
            Constellation::new(samples as f64 / f64::from(SAMPLE_RATE), peaks)
        })
    }

    proptest! {
        #[test]
        fn packed_constellations_are_read_back(constellation in arbitrary_constellation()) {
            prop_assert_eq!(Constellation::from_bytes(&constellation.to_bytes()), Ok(constellation));
        }

        #[test]
        fn any_damage_is_detected(constellation in arbitrary_constellation(), place: prop::sample::Index, flip in 1u8..) {
            let mut bytes = constellation.to_bytes();
            let at = place.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Constellation::from_bytes(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(mut body in prop::collection::vec(any::<u8>(), 0..200)) {
            body.insert(0, FORMAT_VERSION);
            let checksum = xxh3_64(&body) as u32;
            body.extend_from_slice(&checksum.to_le_bytes());
            let _ = Constellation::from_bytes(&body);
        }
    }

    #[test]
    fn a_newer_version_is_named_in_the_error() {
        let mut bytes = Constellation::default().to_bytes();
        bytes[0] = 9;
        let error = Constellation::from_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains("update refrain"), "{error}");
    }
}
