//! Missing media of a stream: the part of [`Playback`] that emits gaps.

use super::playback::{Playback, SoundSink};
use super::sound::{Media, samples, seconds};
use crate::delivery::GapReason;
use crate::gaps::Gaps;

/// Longest duration of one gap, in seconds: a day. A longer gap is shortened to this value. Playlists and dates are
/// untrusted input, and a gap moves all later positions. At half this value, an outage of more than 12 hours is
/// reported too short; at twice this value, one wrong date moves the positions by two days.
const MAX_GAP_SECONDS: f64 = 86_400.0;

impl Playback {
    /// Records that `seconds` of media are missing before the next frame.
    pub(super) fn miss(&mut self, reason: GapReason, seconds: f64) {
        let is_before_audio = self.head() == 0;
        // Media that repeats earlier audio would be left out.
        let repeated = if self.is_live { 0.0 } else { self.repeated.min(seconds).max(0.0) };
        self.repeated -= repeated;
        let seconds = seconds - repeated;
        if let Some(missing) = self.missing.get_mut(reason as usize)
            && seconds.is_finite()
        {
            let seconds = seconds.clamp(0.0, MAX_GAP_SECONDS);
            missing.count += 1;
            missing.seconds += seconds;
            // Counted separately, because `begin` discards the record of missing media before the first audio.
            if is_before_audio {
                self.report.missing_before_audio += seconds;
            }
        }
    }

    /// Returns the seconds of missing media that are not emitted as a gap yet.
    pub(super) fn waiting(&self) -> f64 {
        self.missing.iter().map(|missing| missing.seconds).sum()
    }

    /// Emits gaps of `gap` seconds in total, divided among the recorded reasons in proportion to their missing media.
    /// Keeps `rest` seconds of missing media for later.
    pub(super) fn emit_gaps(&mut self, gap: f64, rest: f64, sink: SoundSink<'_>) {
        let waiting = self.waiting();
        if gap > 0.0 {
            // The audio before the gap is completed first, because positions follow the order of emission. The decoder
            // then restarts: a frame that depends on the frame before the gap would be decoded wrongly.
            self.decoder.finish();
            self.emit(sink);
            self.decoder.reset();
            // If only the time stamps show this gap, no reason was recorded for it.
            if waiting == 0.0 {
                self.emit_gap(GapReason::Lost, Gaps { count: 1, seconds: gap }, sink);
            }
            for reason in GapReason::ALL {
                let part = self.missing.get(reason as usize).copied().unwrap_or_default();
                if part.seconds > 0.0 {
                    let share = Gaps { seconds: gap * part.seconds / waiting, ..part };
                    self.emit_gap(reason, share, sink);
                }
            }
        }
        // The count was reported with the emitted gap. The rest belongs to the same gap, which must not be counted
        // twice.
        for part in &mut self.missing {
            *part =
                Gaps { count: 0, seconds: if waiting > 0.0 { part.seconds * rest / waiting } else { 0.0 } };
        }
    }

    fn emit_gap(&mut self, reason: GapReason, gap: Gaps, sink: SoundSink<'_>) {
        let length = samples(gap.seconds);
        if length > 0 {
            self.report.gaps.add(reason, Gaps { seconds: seconds(length), ..gap });
            sink(self.sound(Media::Gap { samples: length, reason }));
            self.emitted += length;
        }
    }
}
