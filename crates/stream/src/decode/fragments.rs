//! A track in fragments of MP4, from one initialization section to the next.

use std::sync::Arc;

use refrain_core::audio::{FrameError, Mp4Track};

use super::fmp4::{self, Defaults};
use super::frame::Frame;
use super::playback::{Playback, SoundSink};
use crate::delivery::{HlsSegment, InitSection};

/// Limit of the total duration of a segment's samples: a factor of the duration in the playlist, and seconds that are
/// added. Otherwise one damaged duration would create a gap of days. Playlists round durations and parts are short,
/// hence the added second. At half the factor, correct segments of packagers that round up are cut; at twice this
/// value, damage can insert three more durations of a segment.
const MAX_DURATION: (f64, f64) = (2.0, 1.0);

/// The track that a section describes.
#[derive(Debug)]
pub(super) struct Fragments {
    /// Initialization section: `ftyp` and `moov`.
    init: Vec<u8>,
    /// Initialization section as it was delivered, so that it can be compared by its pointer first.
    delivered: Option<Arc<InitSection>>,
    /// The opened track, or `None` if it was not opened yet.
    track: Option<Result<(Mp4Track, Defaults), FrameError>>,
}

impl Fragments {
    /// Returns the track of a segment, described by its own header or by the section that was delivered with it.
    pub(super) fn of(segment: &HlsSegment) -> Self {
        let delivered = segment.init.clone();
        // The own header is preferred: some servers deliver an outdated section with a segment that describes itself.
        let init = fmp4::embedded_init(&segment.bytes).or(delivered.as_ref().map(|init| &init.bytes[..]));
        Self { init: init.unwrap_or_default().to_vec(), delivered, track: None }
    }

    /// Returns true if a segment belongs to this track.
    pub(super) fn describes(&self, segment: &HlsSegment) -> bool {
        let same = |init: &Arc<InitSection>| {
            // Sections are usually the same `Arc`; after the process boundary they are copies, so the bytes decide.
            self.delivered.as_ref().is_some_and(|known| Arc::ptr_eq(known, init)) || self.init == init.bytes
        };
        match fmp4::embedded_init(&segment.bytes) {
            Some(own) => self.init == own,
            None => segment.init.as_ref().is_none_or(same),
        }
    }

    /// Decodes the samples of a segment.
    pub(super) fn process(&mut self, segment: &HlsSegment, playback: &mut Playback, sink: SoundSink<'_>) {
        // A decoder that panicked was dropped, so it has to be opened again.
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
                    // Clamped to what is left, so that the sum of damaged durations is bounded as well.
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
