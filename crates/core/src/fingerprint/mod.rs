//! Fingerprints: 44.1 kHz mono PCM → spectrogram → constellation → landmarks.
//!
//! ```text
//! push → decimate (÷4) → spectrogram → peaks (local maxima) → thinning (ranks) → constellation
//!                                   ├► relief (masking depths of missing peaks; queries only)
//!                                   └► picture (for display)
//! ```

mod constellation;
pub(crate) mod decimate;
pub(crate) mod landmark;
mod maximum;
pub(crate) mod params;
mod peaks;
mod picture;
pub(crate) mod relief;
pub(crate) mod scale;
pub(crate) mod spectrogram;
mod thinning;

pub use constellation::{Constellation, ConstellationError, Peak};
pub use params::{STEPS_PER_HERTZ, TICKS_PER_SECOND};
pub use picture::{Picture, PictureBuilder};
pub use relief::Relief;
pub use scale::{unwarp_hertz, warp_hertz};

use serde::{Deserialize, Serialize};

use crate::audio::SAMPLE_RATE;
use decimate::Decimator;
use peaks::PeakFinder;
use relief::ReliefBuilder;
use spectrogram::Spectrogram;
use thinning::Thinning;

/// Which peaks a [`Fingerprinter`] keeps: references are sparse, queries dense.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::Density;
///
/// assert!(Density::Query.rank_limit() > Density::Reference.rank_limit());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Density {
    /// Density of the tracks in the catalog: about 30 peaks a second.
    Reference,
    /// Density of queries: a superset of the peaks that `Reference` keeps of the same audio.
    Query,
}

impl Density {
    /// Returns the rank limit: peaks with fewer stronger neighbours than this are kept.
    #[must_use]
    pub fn rank_limit(self) -> u8 {
        match self {
            // The number of peaks is about proportional to the limit. At 2, short or noisy clips would share too few
            // landmarks with their track. At 8, constellations and index would double in size.
            Self::Reference => 4,
            // Noise in a query adds stronger neighbors to the peaks of the track, so queries keep higher ranks. At 10,
            // noisy queries would lose peaks that the track has. At 40, a search would process twice as many peaks.
            Self::Query => 20,
        }
    }
}

/// Turns pushed PCM into a constellation. The result does not depend on how the audio is split into chunks.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Density, Fingerprinter};
///
/// // Notes of half a second each.
/// let hertz = |i: usize| [220.0, 330.0, 440.0, 550.0][i / 22_050 % 4];
/// let note = |i: usize| (i as f32 * hertz(i) * std::f32::consts::TAU / 44_100.0).sin() * 0.5;
/// let samples: Vec<f32> = (0..88_200).map(note).collect();
///
/// let mut fingerprinter = Fingerprinter::new(Density::Reference);
/// for chunk in samples.chunks(1_000) {
///     fingerprinter.push(chunk);
/// }
/// let constellation = fingerprinter.finish();
/// assert_eq!(constellation.seconds, 2.0);
/// assert!(!constellation.peaks.is_empty());
/// assert_eq!(constellation, Fingerprinter::fingerprint(Density::Reference, &samples));
/// ```
pub struct Fingerprinter {
    decimator: Decimator,
    spectrogram: Spectrogram,
    pipeline: PeakPipeline,
    samples: u64,
}

/// The stages after the spectrogram: peak search, thinning and, for queries, the relief.
struct PeakPipeline {
    finder: PeakFinder,
    thinning: Thinning,
    peaks: Vec<Peak>,
    /// Builds the relief of queries whose peaks are not taken before the end.
    relief_builder: Option<ReliefBuilder>,
}

impl PeakPipeline {
    fn row(&mut self, row: &[f32]) {
        let Self { finder, thinning, peaks, relief_builder } = self;
        if let Some(relief_builder) = relief_builder {
            relief_builder.push(row);
        }
        finder.push(row, |candidate| thinning.push(candidate));
        thinning.advance(finder.searched(), |c, rank| peaks.push(peak(c, rank)));
    }

    /// Returns the time in ticks before which no more peaks can be found. A peak is at most half a frame away from
    /// its frame.
    fn ready_until(&self) -> u32 {
        self.thinning
            .decided()
            .saturating_mul(params::TICKS_PER_FRAME)
            .saturating_sub(params::TICKS_PER_FRAME / 2)
    }

    fn flush(&mut self) {
        let Self { finder, thinning, peaks, .. } = self;
        finder.flush(|candidate| thinning.push(candidate));
        thinning.flush(finder.searched(), |c, rank| peaks.push(peak(c, rank)));
    }
}

/// Returns the sort key of a peak in a constellation. It includes the rank, because adjacent cells of equal power can
/// give two peaks with the same time and frequency.
fn order(peak: &Peak) -> (u32, u16, u8) {
    (peak.time, peak.frequency, peak.rank)
}

fn peak(candidate: peaks::PeakCandidate, rank: u8) -> Peak {
    Peak { time: candidate.time, frequency: candidate.frequency, rank }
}

impl Fingerprinter {
    /// Creates a fingerprinter at the start of a recording or stream.
    #[must_use]
    pub fn new(density: Density) -> Self {
        Self {
            decimator: Decimator::new(),
            spectrogram: Spectrogram::new(),
            pipeline: PeakPipeline {
                finder: PeakFinder::new(),
                thinning: Thinning::new(density.rank_limit()),
                peaks: Vec::new(),
                relief_builder: (density == Density::Query).then(ReliefBuilder::new),
            },
            samples: 0,
        }
    }

    /// Takes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let Self { decimator, spectrogram, pipeline, .. } = self;
        decimator.push(samples, |block| spectrogram.push(block, |row| pipeline.row(row)));
    }

    /// Returns the time in ticks before which all peaks are known: about 0.6 s before the end of the pushed audio.
    #[must_use]
    pub fn ready_until(&self) -> u32 {
        self.pipeline.ready_until()
    }

    /// Moves the peaks before [`Self::ready_until`] that were not taken yet to the end of `out`, in order of time,
    /// then frequency. The taken peaks and the peaks that [`Self::finish`] returns are together the constellation of
    /// the whole audio.
    ///
    /// If peaks are taken after each push, audio can be pushed without end (for 288 days, until ticks exceed 32
    /// bits): no more than a second of peaks is kept, and no relief.
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::fingerprint::{Density, Fingerprinter};
    ///
    /// let mut fingerprinter = Fingerprinter::new(Density::Query);
    /// let mut peaks = Vec::new();
    /// for second in 0..3 {
    ///     // A rising tone, which starts again every second.
    ///     let tone: Vec<f32> = (0..44_100).map(|i| (i as f32 * i as f32 * 1e-6).sin()).collect();
    ///     fingerprinter.push(&tone);
    ///     fingerprinter.take_ready(&mut peaks);
    ///     assert!(peaks.iter().all(|peak| peak.time < fingerprinter.ready_until()), "second {second}");
    /// }
    /// let taken = peaks.len();
    /// peaks.extend(fingerprinter.finish().peaks);
    /// assert!(taken > 0 && peaks.is_sorted_by_key(|peak| peak.time));
    /// ```
    pub fn take_ready(&mut self, out: &mut Vec<Peak>) {
        // A relief contains every frame of the audio, which would grow without limit in a stream.
        self.pipeline.relief_builder = None;
        let until = self.ready_until();
        let peaks = &mut self.pipeline.peaks;
        // Within a frame, peaks are decided band by band, and interpolation gives them different times.
        peaks.sort_unstable_by_key(order);
        let ready = peaks.partition_point(|p| p.time < until);
        out.extend(peaks.drain(..ready));
    }

    /// Ends the audio and returns its constellation, without the peaks that were taken before.
    #[must_use]
    pub fn finish(self) -> Constellation {
        let Self { mut decimator, mut spectrogram, mut pipeline, samples } = self;
        decimator.flush(|block| spectrogram.push(block, |row| pipeline.row(row)));
        // The last frames begin before the end of the audio and extend beyond it. Silence completes them.
        spectrogram.push(&[0.0; params::WINDOW], |row| pipeline.row(row));
        pipeline.flush();
        let seconds = samples as f64 / f64::from(SAMPLE_RATE);
        let PeakPipeline { mut peaks, relief_builder, .. } = pipeline;
        let end = (seconds * TICKS_PER_SECOND) as u32;
        // The change to silence is a click, which can cause peaks after the end.
        peaks.retain(|p| p.time <= end);
        peaks.sort_unstable_by_key(order);
        Constellation {
            seconds,
            peaks,
            relief: relief_builder.map(ReliefBuilder::finish).unwrap_or_default(),
        }
    }

    /// Returns the constellation of a whole recording.
    #[must_use]
    pub fn fingerprint(density: Density, samples: &[f32]) -> Constellation {
        let mut fingerprinter = Self::new(density);
        fingerprinter.push(samples);
        fingerprinter.finish()
    }
}
