//! The decoder of a stream in the process that runs it.

use std::time::Instant;

use refrain_core::audio::SAMPLE_RATE;
use refrain_core::fingerprint::{Density, Fingerprinter, Peak, TICKS_PER_SECOND};
use refrain_stream::{Clock, ClockAnchor, Delivery, Ear, EarReport, EarSettings, EarState, Media, Sound};
use serde::{Deserialize, Serialize};

use super::super::worker::StageTimes;
use super::piece::{Piece, Ready};

/// Maximum length of a gap that is fingerprinted as silence, in samples: 2 s. After a longer gap a new fingerprinter begins.
const LONGEST_SILENCE: u64 = 2 * SAMPLE_RATE as u64;

/// Samples of silence before the audio that follows a long gap. This is more than the fingerprinter looks back.
const LEAD: u64 = SAMPLE_RATE as u64;

/// Samples of a frame of the spectrogram, 4 ticks. A new fingerprinter begins at the border of a frame.
const FRAME: u64 = 1_024;
const TICKS_PER_FRAME: u64 = 4;

/// Silence that is pushed in one call.
const SILENCE: [f32; 4_096] = [0.0; 4_096];

/// The state that a decoder in another process needs to continue.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct DecoderState {
    pub(super) ear: EarState,
    pub(super) anchor: Option<ClockAnchor>,
    /// Samples that were fingerprinted, gaps included.
    pub(super) position: u64,
    pub(super) times: StageTimes,
}

/// Decodes and fingerprints one stream.
pub(super) struct LocalDecoder {
    ear: Ear,
    fingerprints: Fingerprints,
}

impl LocalDecoder {
    /// Creates a decoder at the start of a stream.
    pub(super) fn new(settings: EarSettings) -> Self {
        Self { ear: Ear::new(settings), fingerprints: Fingerprints::new() }
    }

    /// Creates a decoder that continues at the state of a decoder that was lost.
    pub(super) fn resume(settings: EarSettings, state: DecoderState) -> Self {
        if state.position == 0 {
            return Self::new(settings);
        }
        let mut fingerprints = Fingerprints::new();
        fingerprints.times = state.times;
        fingerprints.begin_at(state.position);
        Self { ear: Ear::resume(settings, state.ear), fingerprints }
    }

    /// Decodes a delivery that was received at `now`, seconds since 1970.
    pub(super) fn process(&mut self, delivery: Delivery, now: f64, out: &mut Vec<Piece>) {
        let (began, before) = (Instant::now(), self.fingerprints.times);
        self.ear.hear_at(delivery, now, |sound| out.push(self.fingerprints.process(&sound)));
        self.fingerprints.count_decoding(began, before);
    }

    /// Ends the stream and adds the remaining pieces to `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) {
        let (began, before) = (Instant::now(), self.fingerprints.times);
        self.ear.finish(|sound| out.push(self.fingerprints.process(&sound)));
        self.fingerprints.count_decoding(began, before);
        let position = self.fingerprints.position;
        let last = self.fingerprints.flush();
        let epoch = self.clock().epoch(position as f64 / f64::from(SAMPLE_RATE)).unwrap_or_default();
        out.push(Piece { position, epoch, shared_clock: false, missing: 0, ready: vec![last] });
    }

    pub(super) fn continue_clock(&mut self, anchor: ClockAnchor) {
        self.ear.continue_clock(anchor);
    }

    pub(super) fn count_splice(&mut self, seconds: f64) {
        self.ear.count_splice(seconds);
    }

    pub(super) fn report(&self) -> &EarReport {
        self.ear.report()
    }

    pub(super) fn clock(&self) -> &Clock {
        self.ear.clock()
    }

    pub(super) fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.ear.clock_anchor()
    }

    pub(super) fn position(&self) -> u64 {
        self.fingerprints.position
    }

    pub(super) fn times(&self) -> StageTimes {
        self.fingerprints.times
    }

    pub(super) fn state(&self) -> DecoderState {
        DecoderState {
            ear: self.ear.state(),
            anchor: self.clock_anchor(),
            position: self.position(),
            times: self.times(),
        }
    }
}

/// Fingerprints a stream that contains gaps.
struct Fingerprints {
    fingerprinter: Fingerprinter,
    /// Ticks of the stream before the fingerprinter's first sample.
    base: u64,
    /// Samples that were pushed, gaps included.
    position: u64,
    times: StageTimes,
}

impl Fingerprints {
    fn new() -> Self {
        let fingerprinter = Fingerprinter::new(Density::Query);
        Self { fingerprinter, base: 0, position: 0, times: StageTimes::default() }
    }

    fn process(&mut self, sound: &Sound<'_>) -> Piece {
        let began = Instant::now();
        let piece = match sound.media {
            Media::Samples(samples) => {
                let mut piece = Piece::new(sound, 0);
                self.push(samples, &mut piece.ready);
                piece
            }
            Media::Gap { samples, .. } => {
                let mut piece = Piece::new(sound, samples);
                if samples <= LONGEST_SILENCE {
                    self.be_silent(samples, &mut piece.ready);
                } else {
                    self.skip(samples, &mut piece.ready);
                }
                piece
            }
        };
        self.times.fingerprint += began.elapsed();
        piece
    }

    fn push(&mut self, samples: &[f32], out: &mut Vec<Ready>) {
        self.fingerprinter.push(samples);
        self.position += samples.len() as u64;
        let mut peaks = Vec::new();
        self.fingerprinter.take_ready(&mut peaks);
        let until = self.base + u64::from(self.fingerprinter.ready_until());
        add(out, self.base, peaks, until);
    }

    fn be_silent(&mut self, mut samples: u64, out: &mut Vec<Ready>) {
        while samples > 0 {
            let now = SILENCE.len().min(usize::try_from(samples).unwrap_or(usize::MAX));
            self.push(SILENCE.get(..now).unwrap_or_default(), out);
            samples -= now as u64;
        }
    }

    /// Skips a gap without transforming silence, because it can be hours long.
    fn skip(&mut self, samples: u64, out: &mut Vec<Ready>) {
        out.push(self.flush());
        self.silent_lead(self.position + samples, out);
    }

    /// Continues at a position, in samples, without the fingerprinter before it.
    fn begin_at(&mut self, position: u64) {
        self.silent_lead(position, &mut Vec::new());
    }

    /// Begins at the border of a frame at least [`LEAD`] samples before `end`, and pushes silence up to there.
    fn silent_lead(&mut self, end: u64, out: &mut Vec<Ready>) {
        let begin = end.saturating_sub(LEAD) / FRAME * FRAME;
        self.position = begin;
        self.base = begin / FRAME * TICKS_PER_FRAME;
        add(out, self.base, Vec::new(), self.base);
        self.be_silent(end - begin, out);
    }

    /// Takes the last peaks out of the fingerprinter and replaces it.
    fn flush(&mut self) -> Ready {
        let next = Fingerprinter::new(Density::Query);
        let rest = std::mem::replace(&mut self.fingerprinter, next).finish();
        let until = self.base + (rest.seconds * TICKS_PER_SECOND) as u64;
        Ready { base: self.base, peaks: rest.peaks, until }
    }

    /// Adds the time since `began`, without the time of fingerprinting, to the time of decoding.
    fn count_decoding(&mut self, began: Instant, before: StageTimes) {
        let fingerprint = self.times.fingerprint - before.fingerprint;
        self.times.decode += began.elapsed().saturating_sub(fingerprint);
    }
}

/// Adds peaks. Peaks of the same fingerprinter that follow each other become one entry.
fn add(out: &mut Vec<Ready>, base: u64, peaks: Vec<Peak>, until: u64) {
    match out.last_mut().filter(|last| last.base == base) {
        Some(last) => {
            last.peaks.extend(peaks);
            last.until = last.until.max(until);
        }
        None => out.push(Ready { base, peaks, until }),
    }
}
