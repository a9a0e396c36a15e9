//! Masking: checks that something in the query masks the track's peaks that are missing.
//!
//! If a track is audible, its peaks have some level below the loudest sound nearby. Where one of its peaks is missing,
//! something louder masks it, such as noise or speech (missing-data recognition: Cooke, Green, Josifovski and Vizinho
//! 2001). If another piece with the same beat is playing, the places of the missing peaks have the same depths as any
//! other place. So the depth of a place ([`Relief`]) is modeled as the smaller one of two depths: the depth of the
//! track's peak, which has a logistic distribution around the level, and the depth of the other audio, as measured over
//! the window. Found peaks determine the level; missing peaks show if that level is plausible. Each of these peaks
//! gives a likelihood ratio. The result only counts against a track: music that shares a beat also has loud places in
//! common, so masked peaks are no evidence for a track.

mod likelihood;

use std::ops::Range;
use std::sync::LazyLock;

use crate::fingerprint::params::STEPS_PER_BIN;
use crate::fingerprint::relief::Relief;
use crate::fingerprint::spectrogram::ROW_BINS;

use super::query::Window;
use super::significance::{BANDS, band, mean};
use super::verify::Alignment;
use likelihood::{DEPTHS, Depths, LEVEL_TRANSITIONS, PerLevel, masked, normalized, unmasked};

/// Number of bins on each side of a query's peak that belong to the peak. At 0, the slopes of a peak count as places
/// without one; at 2, other sounds are counted as part of the peak.
const PEAK_RADIUS_BINS: usize = 1;
/// Number of frames that belong to a peak of the query. It is about the length of the transform (4 frames of 23 ms). If
/// the value is too small or too large, places without peaks are counted as too loud or too quiet, and the check is
/// less exact.
const PEAK_FRAMES: f32 = 3.0;
/// Weight of the band's distribution in the distribution of each of its bins, in frames. 40 frames are about one
/// second, compared with the 10 s of a window. At half this value, rare depths of single bins are noisy; at twice this
/// value, sustained notes are not accounted for.
const PRIOR_FRAMES: f32 = 40.0;

/// Number of kinds of moments, by loudness. During a drum stroke all places are loud, and another piece with the same
/// beat has its peaks there. So depths are counted separately by the loudness of the band in a frame: the quietest
/// third of the frames, the middle one, the loudest. With one kind, unknown music with the same beat passes the check
/// more often; with six, each kind has too few frames.
const MOMENTS: usize = 3;

/// Distribution of the depths in a window. Owns reusable buffers. Empty if the window has no relief.
#[derive(Debug, Default)]
pub(crate) struct MaskingModel {
    /// Distribution of the depths of places without a peak, by bin and kind of moment. It is taken over all moments of
    /// the kind, so notes that the query sustains are accounted for.
    places: Vec<[Depths; MOMENTS]>,
    /// First frame of the window.
    first: usize,
    /// Kind of moment, by frame and band.
    moments: Vec<[u8; BANDS]>,
    /// Mean depth of each band, by frame.
    means: Vec<[f32; BANDS]>,
    /// Distributions of the depths of places without and with a peak, by band.
    bands: Vec<(Depths, Depths)>,
}

impl MaskingModel {
    /// Removes the measurements, so that the next call of [`Self::measure`] measures its window.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.bands.clear();
    }

    /// Measures `window`, unless the window has no relief, or a measurement exists ([`Self::clear`] removes it).
    pub(crate) fn measure(&mut self, window: &Window<'_>) {
        let (relief, stretch) = (window.relief, (window.from, window.to));
        if relief.is_empty() || !self.places.is_empty() {
            return;
        }
        self.classify_moments(relief, stretch);
        let peak_depths = self.count(window, stretch);
        let all = self.smooth();
        self.bands.extend(all.into_iter().zip(peak_depths.map(normalized)));
    }

    /// Counts the depths of the places without peaks of the query into `places`. Returns the counts of the depths of
    /// the query's peaks, by band. `stretch` is the start and end of the window, in ticks.
    fn count(&mut self, window: &Window<'_>, stretch: (f64, f64)) -> [Depths; BANDS] {
        let Self { places, moments, first, .. } = self;
        let (relief, bands) = (window.relief, &*BAND_OF);
        places.resize(ROW_BINS, [[0.0; DEPTHS]; MOMENTS]);
        for (frame, kinds) in relief.frames(stretch).zip(&*moments) {
            for ((places, band), depth) in places.iter_mut().zip(bands).zip(frame) {
                add(&mut places[usize::from(kinds[*band])], depth, 1.0);
            }
        }
        // Each depth is counted once in advance (Laplace smoothing), so that no probability is 0.
        let mut peak_depths = [[1.0; DEPTHS]; BANDS];
        for peak in window.own_peaks() {
            let depth = relief.depth(f64::from(peak.time), f64::from(peak.frequency));
            add(&mut peak_depths[band(peak.frequency)], depth, 1.0);
            let bin = usize::from(peak.frequency) / STEPS_PER_BIN as usize;
            let frame = Relief::frame(f64::from(peak.time)).saturating_sub(*first);
            let Some(kinds) = moments.get(frame) else { continue };
            for bin in bin.saturating_sub(PEAK_RADIUS_BINS)..(bin + PEAK_RADIUS_BINS + 1).min(ROW_BINS) {
                add(&mut places[bin][usize::from(kinds[BAND_OF[bin]])], depth, -PEAK_FRAMES);
            }
        }
        peak_depths
    }

    /// Adds the distribution of each band to its bins, which have few frames each, and normalizes the counts. Returns
    /// the distribution of each band.
    fn smooth(&mut self) -> [Depths; BANDS] {
        let mut bands = [[[1.0; DEPTHS]; MOMENTS]; BANDS];
        for (bin, kinds) in self.places.iter_mut().enumerate() {
            for (counts, sums) in kinds.iter_mut().zip(&mut bands[BAND_OF[bin]]) {
                // Subtracting fixed numbers of frames for each peak can give negative counts.
                counts.iter_mut().for_each(|n| *n = n.max(0.0));
                sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += *n);
            }
        }
        let sum = |kinds: [Depths; MOMENTS]| std::array::from_fn(|i| kinds.iter().map(|n| n[i]).sum());
        let all = bands.map(|kinds| normalized(sum(kinds)));
        let bands = bands.map(|kinds| kinds.map(normalized));
        for (bin, kinds) in self.places.iter_mut().enumerate() {
            for (counts, band) in kinds.iter_mut().zip(bands[BAND_OF[bin]]) {
                counts.iter_mut().zip(band).for_each(|(n, prior)| *n += PRIOR_FRAMES * prior);
                *counts = normalized(*counts);
            }
        }
        all
    }

    /// Determines the kind of moment of each frame and band, by the mean depth of the band in the frame. `stretch` is
    /// the start and end of the window, in ticks.
    fn classify_moments(&mut self, relief: &Relief, stretch: (f64, f64)) {
        let Self { means, moments, first, .. } = self;
        *first = Relief::frame(stretch.0);
        means.clear();
        let bins: [Range<usize>; BANDS] = std::array::from_fn(|band| {
            BAND_OF.partition_point(|other| *other < band)..BAND_OF.partition_point(|other| *other <= band)
        });
        let mean = |depths: &[u8]| {
            let known =
                depths.iter().map(|depth| (u32::from(*depth), u32::from(usize::from(*depth) < DEPTHS)));
            let (sum, n) = known.fold((0, 1), |(sum, n), (depth, known)| (sum + depth * known, n + known));
            sum as f32 / n as f32
        };
        means.extend(
            relief.frames(stretch).map(|frame| bins.each_ref().map(|bins| mean(&frame[bins.clone()]))),
        );
        moments.clear();
        moments.resize(means.len(), [0; BANDS]);
        let mut order: Vec<f32> = Vec::with_capacity(means.len());
        for band in 0..BANDS {
            order.clear();
            order.extend(means.iter().map(|means| means[band]));
            order.sort_unstable_by(f32::total_cmp);
            let limit = |kind: usize| order.get(order.len() * kind / MOMENTS).copied().unwrap_or_default();
            let limits: [f32; MOMENTS - 1] = std::array::from_fn(|kind| limit(kind + 1));
            for (moment, means) in moments.iter_mut().zip(&*means) {
                moment[band] = limits.iter().filter(|limit| means[band] >= **limit).count() as u8;
            }
        }
    }

    /// Returns the penalty for missing peaks that nothing masks: the log-likelihood ratio against the track, from the
    /// depths at the expected places of its peaks; 0 if the depths do not count against the track. Found peaks of the
    /// query are used only if `counts` is true for them.
    pub(crate) fn unmasked_penalty(
        &self,
        one: &Alignment,
        counts: &impl Fn(u32) -> bool,
        relief: &Relief,
    ) -> f64 {
        let mut sums = [PerLevel::default(); BANDS];
        for outcome in &one.outcomes {
            let (time, frequency) = one.line.place(&one.reference.peaks[outcome.reference as usize]);
            let counts = (one.part.0..=one.part.1).contains(&time) && outcome.query.is_none_or(counts);
            let depth = relief.depth(time, frequency);
            if let Some(gain) = self.gain(time, frequency, outcome.query.is_some(), depth).filter(|_| counts)
            {
                sums[band(frequency as u16)].iter_mut().zip(gain).for_each(|(sum, gain)| *sum += gain);
            }
        }
        -f64::from(mean(&sums, &LEVEL_TRANSITIONS, one.evidence.power())).min(0.0)
    }

    /// Returns, for each level, the log-likelihood ratio of a track's peak that is expected at a time (ticks) and a
    /// frequency (steps) of the query. `is_found` is true if the query has the peak. `None` if `depth` is unknown or
    /// not below [`DEPTHS`].
    fn gain(&self, time: f64, frequency: f64, is_found: bool, depth: u8) -> Option<PerLevel> {
        let depth = usize::from(depth);
        if depth >= DEPTHS {
            return None;
        }
        if is_found {
            let (free, found) = self.bands.get(band(frequency as u16))?;
            return Some(unmasked(free, found, depth));
        }
        let bin = (frequency / f64::from(STEPS_PER_BIN)).round() as usize;
        let kinds = self.moments.get(Relief::frame(time).checked_sub(self.first)?)?;
        Some(masked(&self.places.get(bin)?[usize::from(kinds[BAND_OF[bin]])], depth))
    }
}

/// Adds `n` to the count of `depth` (in steps of 3 dB). Ignores depths that are unknown or not below [`DEPTHS`].
fn add(counts: &mut Depths, depth: u8, n: f32) {
    if let Some(count) = counts.get_mut(usize::from(depth)) {
        *count += n;
    }
}

/// Frequency band of each bin of the relief.
static BAND_OF: LazyLock<[usize; ROW_BINS]> =
    LazyLock::new(|| std::array::from_fn(|bin| band((bin as u32 * STEPS_PER_BIN) as u16)));
