//! Missing media of a stream: the part of [`Playback`] that emits gaps.

use super::playback::{Playback, Sink};
use super::sound::{Media, samples, seconds};
use crate::delivery::GapReason;
use crate::gaps::Gaps;

/// Longest duration of one gap that is accepted, in seconds: a day.
const MAX_GAP: f64 = 86_400.0;

impl Playback {
    /// Notes that media is missing before the next frame.
    pub(super) fn miss(&mut self, reason: GapReason, seconds: f64) {
        if let Some(missing) = self.missing.get_mut(reason as usize)
            && seconds.is_finite()
        {
            missing.count += 1;
            missing.seconds += seconds.clamp(0.0, MAX_GAP);
        }
    }

    /// Returns the seconds of missing media that are not emitted as a gap yet.
    pub(super) fn waiting(&self) -> f64 {
        self.missing.iter().map(|missing| missing.seconds).sum()
    }

    /// Emits gaps of `gap` seconds in total, divided among the known reasons, and keeps `rest` seconds for later.
    pub(super) fn leave_out(&mut self, gap: f64, rest: f64, sink: Sink<'_>) {
        let waiting = self.waiting();
        if gap > 0.0 {
            self.decoder.finish();
            self.give(sink);
            self.decoder.reset();
            if waiting == 0.0 {
                self.give_gap(GapReason::Lost, Gaps { count: 1, seconds: gap }, sink);
            }
            for reason in GapReason::ALL {
                let part = self.missing.get(reason as usize).copied().unwrap_or_default();
                if part.seconds > 0.0 {
                    let share = Gaps { seconds: gap * part.seconds / waiting, ..part };
                    self.give_gap(reason, share, sink);
                }
            }
        }
        for part in &mut self.missing {
            *part =
                Gaps { count: 0, seconds: if waiting > 0.0 { part.seconds * rest / waiting } else { 0.0 } };
        }
    }

    fn give_gap(&mut self, reason: GapReason, gap: Gaps, sink: Sink<'_>) {
        let length = samples(gap.seconds);
        if length > 0 {
            self.report.gaps.add(reason, Gaps { seconds: seconds(length), ..gap });
            sink(self.sound(Media::Gap { samples: length, reason }));
            self.given += length;
        }
    }
}
