//! Decodes and fingerprints a stream in the current process.

use std::time::Instant;

use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak, TICKS_PER_SECOND};
use refrain_stream::{
    ClockAnchor, DecoderReport, DecoderSettings, DecoderState, Delivery, HealthBlock, Media, Sound,
    StreamClock, StreamDecoder, TrackChoice,
};
use serde::{Deserialize, Serialize};

use super::super::stage_times::StageTimes;
use super::piece::{FingerprintedSpan, PeakBatch};

/// Maximum length of a gap that is fingerprinted as silence, in samples: 2 s. After a longer gap, a new fingerprinter
/// begins with 1 s of silence. Silence takes as much processor time as audio. At half this value, each lost segment of
/// 2 s replaces the fingerprinter; at twice this value, a gap of 4 s takes the processor time of 4 s of audio instead
/// of 1 s.
const MAX_SILENCE_SAMPLES: u64 = 2 * SAMPLE_RATE as u64;

/// Samples of silence before the audio that follows a long gap: 1 s. A peak gets its rank from peaks at most half a
/// second earlier, so the peaks after the gap are the same as in a stream with silence. At half this value, the ranks
/// of the first peaks after a gap can differ; at twice this value, each long gap takes the processor time of one more
/// second of audio.
const LEAD_SAMPLES: u64 = SAMPLE_RATE as u64;

/// Samples at 44.1 kHz from one frame of the spectrogram to the next: 4 ticks of 256 samples (5.8 ms) each. A new
/// fingerprinter begins at the start of a frame.
const FRAME_SAMPLES: u64 = 1_024;
const TICKS_PER_FRAME: u64 = 4;

/// Silence that is pushed in one call. It is a constant in the binary, so that no gap allocates memory. Its size has no
/// effect on the peaks.
const SILENCE: [f32; 4_096] = [0.0; 4_096];

/// The state from which a decoder in another process continues the stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LocalDecoderState {
    pub(super) decoder: DecoderState,
    pub(super) anchor: Option<ClockAnchor>,
    /// Samples at 44.1 kHz that were fingerprinted, gaps included.
    pub(super) position: u64,
    pub(super) times: StageTimes,
}

/// Decodes and fingerprints one stream.
pub(super) struct LocalDecoder {
    decoder: StreamDecoder,
    fingerprints: Fingerprints,
}

impl LocalDecoder {
    /// Creates a decoder at the start of a stream.
    pub(super) fn new(settings: DecoderSettings) -> Self {
        Self { decoder: StreamDecoder::new(settings), fingerprints: Fingerprints::new() }
    }

    /// Creates a decoder that continues from `state`, the last state of a decoder that was lost.
    pub(super) fn resume(settings: DecoderSettings, state: LocalDecoderState) -> Self {
        // The lost decoder had decoded nothing. A new decoder can still accept a clock anchor and place its first audio
        // freely.
        if state.position == 0 {
            return Self::new(settings);
        }
        let mut fingerprints = Fingerprints::new();
        fingerprints.times = state.times;
        fingerprints.begin_at(state.position);
        Self { decoder: StreamDecoder::resume(settings, state.decoder), fingerprints }
    }

    /// Decodes a delivery that was received at `now`, seconds since 1970. Adds the resulting spans to `out`, in order.
    pub(super) fn process(&mut self, delivery: Delivery, now: f64, out: &mut Vec<FingerprintedSpan>) {
        let (started_at, before) = (Instant::now(), self.fingerprints.times);
        // Audio is fingerprinted in the callback, so that the samples of a whole segment are never in memory.
        self.decoder.process_at(delivery, now, |sound| out.push(self.fingerprints.process(&sound)));
        self.fingerprints.count_decoding(started_at, before);
    }

    /// Ends the stream and adds the remaining spans to `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<FingerprintedSpan>) {
        let (started_at, before) = (Instant::now(), self.fingerprints.times);
        self.decoder.finish(|sound| out.push(self.fingerprints.process(&sound)));
        self.fingerprints.count_decoding(started_at, before);
        let position = self.fingerprints.position;
        // The last peaks become final only at the end, because a later louder peak could displace them.
        let last = self.fingerprints.flush();
        let epoch = self.clock().epoch(position as f64 / f64::from(SAMPLE_RATE)).unwrap_or_default();
        out.push(FingerprintedSpan { position, epoch, shared_clock: false, missing: 0, ready: vec![last] });
    }

    pub(super) fn continue_clock(&mut self, anchor: ClockAnchor) {
        self.decoder.continue_clock(anchor);
    }

    pub(super) fn prefer_track(&mut self, choice: TrackChoice) {
        self.decoder.prefer_track(choice);
    }

    pub(super) fn measure_health(&mut self) {
        self.decoder.measure_health();
    }

    pub(super) fn take_health(&mut self, out: &mut Vec<HealthBlock>) {
        self.decoder.take_health(out);
    }

    pub(super) fn count_splice(&mut self, seconds: f64) {
        self.decoder.count_splice(seconds);
    }

    pub(super) fn report(&self) -> &DecoderReport {
        self.decoder.report()
    }

    pub(super) fn clock(&self) -> &StreamClock {
        self.decoder.clock()
    }

    pub(super) fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.decoder.clock_anchor()
    }

    pub(super) fn position(&self) -> u64 {
        self.fingerprints.position
    }

    pub(super) fn times(&self) -> StageTimes {
        self.fingerprints.times
    }

    pub(super) fn state(&self) -> LocalDecoderState {
        LocalDecoderState {
            decoder: self.decoder.state(),
            anchor: self.clock_anchor(),
            position: self.position(),
            times: self.times(),
        }
    }
}

/// Fingerprints the audio and the gaps of one stream.
struct Fingerprints {
    fingerprinter: Fingerprinter,
    /// Stream time of the fingerprinter's first sample, in ticks.
    base: u64,
    /// Samples of the stream that were processed, gaps included.
    position: u64,
    times: StageTimes,
}

impl Fingerprints {
    fn new() -> Self {
        let fingerprinter = Fingerprinter::new(Density::Query);
        Self { fingerprinter, base: 0, position: 0, times: StageTimes::default() }
    }

    fn process(&mut self, sound: &Sound<'_>) -> FingerprintedSpan {
        let started_at = Instant::now();
        let piece = match sound.media {
            Media::Samples(samples) => {
                let mut piece = FingerprintedSpan::new(sound, 0);
                self.push(samples, &mut piece.ready);
                piece
            }
            Media::Gap { samples, .. } => {
                let mut piece = FingerprintedSpan::new(sound, samples);
                if samples <= MAX_SILENCE_SAMPLES {
                    self.push_silence(samples, &mut piece.ready);
                } else {
                    self.skip(samples, &mut piece.ready);
                }
                piece
            }
        };
        self.times.fingerprint += started_at.elapsed();
        piece
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<PeakBatch>) {
        self.fingerprinter.push(samples);
        self.position += samples.len() as u64;
        let mut peaks = Vec::new();
        self.fingerprinter.take_ready(&mut peaks);
        let until = self.base + u64::from(self.fingerprinter.ready_until());
        add(out, self.base, peaks, until);
    }

    fn push_silence(&mut self, mut samples: u64, out: &mut Vec<PeakBatch>) {
        while samples > 0 {
            let now = SILENCE.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
            self.push(SILENCE.get(..now).unwrap_or_default(), out);
            samples -= now as u64;
        }
    }

    /// Skips a gap of `samples` samples. Most of the gap is not fingerprinted as silence, because it can be hours long.
    fn skip(&mut self, samples: u64, out: &mut Vec<PeakBatch>) {
        out.push(self.flush());
        self.silent_lead(self.position + samples, out);
    }

    /// Sets the position of the next sample in the stream, in samples. The fingerprinter must be new.
    fn begin_at(&mut self, position: u64) {
        self.silent_lead(position, &mut Vec::new());
    }

    /// Begins at the start of a frame that is at least [`LEAD_SAMPLES`] samples before the position `end`, and pushes
    /// silence up to `end`.
    fn silent_lead(&mut self, end: u64, out: &mut Vec<PeakBatch>) {
        // The lead begins at the start of a frame, so that the frames have the same positions as in a stream without
        // the gap.
        let begin = end.saturating_sub(LEAD_SAMPLES) / FRAME_SAMPLES * FRAME_SAMPLES;
        self.position = begin;
        self.base = begin / FRAME_SAMPLES * TICKS_PER_FRAME;
        // An empty batch informs the search that no peaks precede the new base.
        add(out, self.base, Vec::new(), self.base);
        self.push_silence(end - begin, out);
    }

    /// Returns the last peaks of the fingerprinter, and replaces the fingerprinter by a new one.
    fn flush(&mut self) -> PeakBatch {
        let next = Fingerprinter::new(Density::Query);
        let rest = std::mem::replace(&mut self.fingerprinter, next).finish();
        let until = self.base + (rest.seconds * TICKS_PER_SECOND) as u64;
        PeakBatch { base: self.base, peaks: rest.peaks, until }
    }

    /// Adds the time since `started_at` to the time of decoding. The time of fingerprinting since then is subtracted;
    /// `before` are the times at `started_at`.
    fn count_decoding(&mut self, started_at: Instant, before: StageTimes) {
        let fingerprint = self.times.fingerprint - before.fingerprint;
        self.times.decode += started_at.elapsed().saturating_sub(fingerprint);
    }
}

/// Adds peaks to `out`. If the last batch is from the same fingerprinter, which has the same `base`, the peaks are
/// added to this batch. `until` is the stream time, in ticks, before which no further peaks follow.
fn add(out: &mut Vec<PeakBatch>, base: u64, peaks: Vec<Peak>, until: u64) {
    match out.last_mut().filter(|last| last.base == base) {
        Some(last) => {
            last.peaks.extend(peaks);
            last.until = last.until.max(until);
        }
        None => out.push(PeakBatch { base, peaks, until }),
    }
}
