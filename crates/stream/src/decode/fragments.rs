//! A track in fragments of MP4, from one initialization section to the next.

use std::sync::Arc;

use refrain_core::audio::{FrameError, Mp4Track};

use super::fmp4::{self, Defaults};
use super::frame::Frame;
use super::playback::{Playback, SoundSink};
use crate::delivery::{HlsSegment, InitSection};

/// Limit of the total duration of the MP4 samples of a segment: a factor of the duration in the playlist, and seconds
/// that are added. Without this limit, one damaged duration would create a gap of days. Playlists round durations and
/// parts are short, hence the added second. At half the factor, segments that are over a second longer than the
/// playlist states are cut; at twice the factor, damage can insert up to three extra durations of a segment.
const MAX_DURATION: (f64, f64) = (2.0, 1.0);

/// The track that an initialization section describes.
#[derive(Debug)]
pub(super) struct Fragments {
    /// Initialization section: `ftyp` and `moov`.
    init: Vec<u8>,
    /// Initialization section as it was delivered, to compare it by its pointer first; `None` if the segment came
    /// without one.
    delivered: Option<Arc<InitSection>>,
    /// The opened track, or the error of opening it; `None` before the first attempt.
    track: Option<Result<(Mp4Track, Defaults), FrameError>>,
}

impl Fragments {
    /// Creates the track of a segment from the initialization section within the segment, or else from the section that
    /// was delivered with it.
    pub(super) fn of(segment: &HlsSegment) -> Self {
        let delivered = segment.init.clone();
        // The section within the segment is preferred: some servers deliver an outdated section with such a segment.
        let init = fmp4::embedded_init(&segment.bytes).or(delivered.as_ref().map(|init| &init.bytes[..]));
        Self { init: init.unwrap_or_default().to_vec(), delivered, track: None }
    }

    /// Returns true if a segment belongs to this track.
    pub(super) fn describes(&self, segment: &HlsSegment) -> bool {
        let same = |init: &Arc<InitSection>| {
            // Sections are usually the same `Arc`. If deliveries come from another process, the sections are copies,
            // which are compared by their bytes.
            self.delivered.as_ref().is_some_and(|known| Arc::ptr_eq(known, init)) || self.init == init.bytes
        };
        match fmp4::embedded_init(&segment.bytes) {
            Some(own) => self.init == own,
            None => segment.init.as_ref().is_none_or(same),
        }
    }

    /// Passes the MP4 samples of a segment to `playback`.
    pub(super) fn process(&mut self, segment: &HlsSegment, playback: &mut Playback, sink: SoundSink<'_>) {
        // A decoder that panicked was dropped, so the track has to be opened again.
        let lost = matches!(self.track, Some(Ok(_))) && !playback.decoder.is_open();
        if self.track.is_none() || lost {
            let opened = playback.decoder.use_mp4(&self.init);
            self.track = Some(opened.map(|track| (track, Defaults::read(&self.init, track.id))));
            playback.note_format();
        }
        match &self.track {
            Some(Ok((track, defaults))) => {
                let ticks = f64::from(track.timescale.max(1));
                let (factor, more) = MAX_DURATION;
                let mut remaining = factor * segment.seconds.max(0.0) + more;
                fmp4::samples(&segment.bytes, track.id, *defaults, &mut |sample| {
                    let time = sample.time.map(|time| time as f64 / ticks);
                    // Limited to the remaining duration, so that the sum of damaged durations is bounded as well.
                    let seconds = (f64::from(sample.duration) / ticks).min(remaining);
                    remaining -= seconds;
                    let frame = Frame { data: sample.data, format: None, seconds, time, after_loss: false };
                    playback.process(frame, sink);
                });
            }
            Some(Err(FrameError::Unsupported(codec))) => playback.report.unsupported = Some(codec.clone()),
            Some(Err(_)) | None => {}
        }
    }
}
