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

/// The number of peaks that a [`Fingerprinter`] keeps: few for references (tracks of the catalog), many for queries.
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
    /// Density of the tracks in the catalog: about 30 peaks per second.
    Reference,
    /// Density of queries. It keeps all peaks that `Reference` keeps of the same audio, and more.
    Query,
}

impl Density {
    /// Returns the rank limit: a peak is kept if its rank, the number of stronger peaks in its neighborhood, is below
    /// this limit.
    #[must_use]
    pub fn rank_limit(self) -> u8 {
        match self {
            // The number of peaks is about proportional to the limit. At 2, short or noisy clips would have too few
            // landmarks in common with their track and would not be found. At 8, constellations and index would double
            // in size.
            Self::Reference => 4,
            // Noise in a query adds stronger neighbors to the peaks of the track, so queries keep higher ranks. At 10,
            // a noisy query would lose peaks that its track has. At 40, a search would process twice as many peaks.
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
    /// Builds the relief of a query. `None` for references, and after the first call of [`Fingerprinter::take_ready`].
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

    /// Returns the time in ticks before which all peaks have been found. The interpolated time of a peak is at most
    /// half a frame away from its frame, so half a frame is subtracted.
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

/// Returns the sort key of a peak in a constellation. The key includes the rank, because adjacent bins or frames of
/// equal power can give two peaks with the same time and frequency.
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

    /// Processes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let Self { decimator, spectrogram, pipeline, .. } = self;
        decimator.push(samples, |block| spectrogram.push(block, |row| pipeline.row(row)));
    }

    /// Returns the time in ticks before which all peaks have been found: about 0.6 s before the end of the pushed
    /// audio.
    #[must_use]
    pub fn ready_until(&self) -> u32 {
        self.pipeline.ready_until()
    }

    /// Moves the peaks before [`Self::ready_until`] out of this fingerprinter and appends them to `out`, in order of
    /// time, then frequency. Each peak is returned once: by one call of this method, or by [`Self::finish`]. Together
    /// these peaks are the constellation of the whole audio.
    ///
    /// A caller that takes the peaks after each push can process a live stream in constant memory. The fingerprinter
    /// then keeps the peaks of at most about one second, and no relief. After 288 days of audio, the time in ticks
    /// exceeds 32 bits.
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
        // A relief contains every frame of the audio, so for a stream it would grow without limit.
        self.pipeline.relief_builder = None;
        let until = self.ready_until();
        let peaks = &mut self.pipeline.peaks;
        // Thinning passes on the peaks of a frame band by band, and interpolation gives them different times. So the
        // peaks are not yet in order.
        peaks.sort_unstable_by_key(order);
        let ready = peaks.partition_point(|p| p.time < until);
        out.extend(peaks.drain(..ready));
    }

    /// Ends the audio and returns its constellation, without the peaks that [`Self::take_ready`] returned before.
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
        // The step from the last sample to silence is a click, which can cause peaks after the end.
        peaks.retain(|p| p.time <= end);
        peaks.sort_unstable_by_key(order);
        Constellation {
            seconds,
            peaks,
            relief: relief_builder.map(ReliefBuilder::finish).unwrap_or_default(),
        }
    }

    /// Returns the constellation of a whole recording. `samples` are 44.1 kHz mono.
    #[must_use]
    pub fn fingerprint(density: Density, samples: &[f32]) -> Constellation {
        let mut fingerprinter = Self::new(density);
        fingerprinter.push(samples);
        fingerprinter.finish()
    }
}
