//! Converts the deliveries of one stream to peaks, in this process or in a supervised child.
//!
//! ```text
//! Delivery ─► IsolatedDecoder ─┬─ LocalDecoder: StreamDecoder ► Fingerprinter ─┬─► FingerprintedSpan
//!                              └─ DecoderSession ─► child: LocalDecoder ───────┘
//! ```
//!
//! Samples stay in the process that decodes. The result is peaks, which have less than a hundredth of the size of the
//! samples.

mod child;
mod local;
mod piece;
mod remote;

use std::sync::Arc;

use refrain_isolation::{DecoderSession, SessionError};
use refrain_stream::{
    ClockAnchor, DecoderReport, DecoderSettings, Delivery, Gap, GapReason, HealthBlock, LiveAudio, LiveChunk,
    StreamClock, TrackChoice,
};

use super::stage_times::StageTimes;
use local::LocalDecoder;
use remote::{DecodeRequest, RemoteDecoder};

pub use child::ChildDecoders;
pub(super) use piece::{FingerprintedSpan, PeakBatch};

/// Decodes and fingerprints one stream, in this process or in a child process.
pub(super) struct IsolatedDecoder {
    /// Id of the stream, which identifies the stream in the log.
    id: Arc<str>,
    settings: DecoderSettings,
    inner: DecoderBackend,
    /// Clock of an earlier worker, which is sent when a decoder in a child process is opened. `None` if there is no
    /// such clock, and for a decoder in this process.
    anchor: Option<ClockAnchor>,
    /// Preferred audio stream of MPEG-TS, which is sent when a decoder in a child process is opened.
    track: TrackChoice,
    /// True if the health of the audio is measured.
    measures_health: bool,
    /// Number of consecutive deliveries that killed the decoder process; 0 if the last delivery was decoded.
    deaths: u32,
    /// Bytes of a stream without segments that were processed since the last decoded audio.
    silent_bytes: usize,
}

enum DecoderBackend {
    Local(Box<LocalDecoder>),
    RemoteDecoder(Box<RemoteDecoder>),
}

/// Number of consecutive deliveries that kill the decoder process before the stream fails. Each death can take seconds
/// of processor time, and the other streams in that process must open their decoders again. At half this value, one bad
/// segment and one kill by the operating system end a stream; at twice this value, a hostile stream disturbs the other
/// streams twice as long.
const MAX_CONSECUTIVE_DEATHS: u32 = 3;

/// Maximum number of bytes without any audio in a stream without segments, after which the stream fails. The start of a
/// stream contains at most a picture, and the longest gap in a station's audio is seconds. At half this value, large
/// cover pictures or the video of a transport stream (10 Mbit/s for 3 s) can end a valid stream. At twice this value,
/// the address of a file that contains no audio is noticed after twice the download.
const MAX_BYTES_WITHOUT_AUDIO: usize = 8 << 20;

/// The reason why a stream cannot be decoded any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Several consecutive deliveries killed the decoder process. The text is the reason of the last death.
    #[error(
        "{MAX_CONSECUTIVE_DEATHS} segments in a row killed the decoder process: {0}; the stream is damaged or hostile"
    )]
    Hostile(String),
    /// A stream without segments contained no audio in several megabytes.
    #[error("no audio in {} MiB of the stream; check its address", MAX_BYTES_WITHOUT_AUDIO >> 20)]
    NoAudio,
    /// The decoder process cannot be started.
    #[error(transparent)]
    Process(SessionError),
}

impl IsolatedDecoder {
    /// Creates a decoder at the start of the stream with this id.
    pub(super) fn new(id: Arc<str>, settings: DecoderSettings) -> Self {
        let inner = match DecoderSession::new() {
            Some(session) => DecoderBackend::RemoteDecoder(Box::new(RemoteDecoder::new(session))),
            None => DecoderBackend::Local(Box::new(LocalDecoder::new(settings.clone()))),
        };
        Self {
            id,
            settings,
            inner,
            anchor: None,
            track: TrackChoice::default(),
            measures_health: false,
            deaths: 0,
            silent_bytes: 0,
        }
    }

    /// Continues the clock of an earlier worker. Has no effect after the first audio.
    pub(super) fn continue_clock(&mut self, anchor: ClockAnchor) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.continue_clock(anchor),
            // The child does not exist before the first delivery; the anchor is sent when its decoder is opened.
            DecoderBackend::RemoteDecoder(_) => self.anchor = Some(anchor),
        }
    }

    /// Sets the preferred audio stream of MPEG-TS. Has no effect after the first delivery.
    pub(super) fn prefer_track(&mut self, choice: TrackChoice) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.prefer_track(choice),
            DecoderBackend::RemoteDecoder(_) => self.track = choice,
        }
    }

    /// Begins to measure the health of the audio. Has no effect after the first delivery.
    pub(super) fn measure_health(&mut self) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.measure_health(),
            DecoderBackend::RemoteDecoder(_) => self.measures_health = true,
        }
    }

    /// Moves the measured blocks to `out`.
    pub(super) fn take_health(&mut self, out: &mut Vec<HealthBlock>) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.take_health(out),
            DecoderBackend::RemoteDecoder(remote) => out.append(&mut remote.health),
        }
    }

    /// Decodes a delivery and adds the resulting spans to `out`, in order. A delivery that kills the decoder process
    /// becomes a gap, or is skipped if its duration is unknown.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the stream cannot be decoded any more. The caller should end the stream.
    pub(super) fn process(
        &mut self,
        delivery: Delivery,
        out: &mut Vec<FingerprintedSpan>,
    ) -> Result<(), DecodeError> {
        let (seconds, bytes, before) = (duration(&delivery), size(&delivery), self.report().seconds);
        match self.try_process(delivery, out) {
            Ok(()) => {
                self.deaths = 0;
                // The emitted audio is compared, because bytes of a picture or of video are valid input too.
                let is_silent = bytes == 0 || self.report().seconds <= before;
                self.silent_bytes = if is_silent { self.silent_bytes + bytes } else { 0 };
                if self.silent_bytes > MAX_BYTES_WITHOUT_AUDIO { Err(DecodeError::NoAudio) } else { Ok(()) }
            }
            Err(SessionError::Died(reason)) => {
                self.deaths += 1;
                tracing::warn!(
                    stream = %self.id,
                    reason,
                    consecutive_deaths = self.deaths,
                    max_consecutive_deaths = MAX_CONSECUTIVE_DEATHS,
                    seconds,
                    bytes,
                    "decoder process died, skipping the media that it was decoding"
                );
                if self.deaths >= MAX_CONSECUTIVE_DEATHS {
                    return Err(DecodeError::Hostile(reason));
                }
                // The gap keeps the positions of later audio right. If the duration is unknown, later audio is placed
                // by its time stamps or arrival.
                if seconds > 0.0 {
                    let reason = GapReason::Unreadable;
                    let gap = Gap { seconds, reason, program_date_time: None };
                    return self.try_process(Delivery::Gap(gap), out).map_err(DecodeError::Process);
                }
                Ok(())
            }
            Err(error) => Err(DecodeError::Process(error)),
        }
    }

    /// Ends the stream and adds the remaining spans to `out`.
    pub(super) fn finish(&mut self, out: &mut Vec<FingerprintedSpan>) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.finish(out),
            DecoderBackend::RemoteDecoder(remote) => {
                // The request is not retried: the stream is over, and only the audio that the decoder held back is
                // lost.
                if let Err(error) =
                    remote.call(&DecodeRequest::Finish, (self.anchor, &self.track, self.measures_health), out)
                {
                    tracing::warn!(
                        stream = %self.id,
                        %error,
                        "decoder process failed at the end of the stream, the audio that it had not returned yet is \
                         not searched"
                    );
                }
            }
        }
    }

    /// Counts a splice: `seconds` of audio that are missing or repeated although the time stamps are continuous.
    pub(super) fn count_splice(&mut self, seconds: f64) {
        match &mut self.inner {
            DecoderBackend::Local(decoder) => decoder.count_splice(seconds),
            DecoderBackend::RemoteDecoder(remote) => remote.splices.push(seconds),
        }
    }

    /// Returns the counters of the stream.
    pub(super) fn report(&self) -> &DecoderReport {
        match &self.inner {
            DecoderBackend::Local(decoder) => decoder.report(),
            DecoderBackend::RemoteDecoder(remote) => &remote.state.decoder.report,
        }
    }

    /// Returns the map from positions in the stream to the time of day.
    pub(super) fn clock(&self) -> &StreamClock {
        match &self.inner {
            DecoderBackend::Local(decoder) => decoder.clock(),
            DecoderBackend::RemoteDecoder(remote) => &remote.state.decoder.clock,
        }
    }

    /// Returns the state that another worker needs to continue the clock. Returns `None` if the stream has dates, which
    /// are the same for every worker, or no time stamps.
    pub(super) fn clock_anchor(&self) -> Option<ClockAnchor> {
        match &self.inner {
            DecoderBackend::Local(decoder) => decoder.clock_anchor(),
            DecoderBackend::RemoteDecoder(remote) => remote.state.anchor,
        }
    }

    /// Returns the number of samples at 44.1 kHz that were fingerprinted, gaps included.
    pub(super) fn position(&self) -> u64 {
        match &self.inner {
            DecoderBackend::Local(decoder) => decoder.position(),
            DecoderBackend::RemoteDecoder(remote) => remote.state.position,
        }
    }

    /// Returns the time that decoding and fingerprinting took.
    pub(super) fn times(&self) -> StageTimes {
        match &self.inner {
            DecoderBackend::Local(decoder) => decoder.times(),
            DecoderBackend::RemoteDecoder(remote) => remote.state.times,
        }
    }

    fn try_process(
        &mut self,
        delivery: Delivery,
        out: &mut Vec<FingerprintedSpan>,
    ) -> Result<(), SessionError> {
        // The time is read in the parent, because a delivery can wait until a child processes it.
        let now = (self.settings.wall_clock)();
        match &mut self.inner {
            DecoderBackend::Local(decoder) => {
                decoder.process(delivery, now, out);
                Ok(())
            }
            DecoderBackend::RemoteDecoder(remote) => {
                let (splices, delivery) = (std::mem::take(&mut remote.splices), Box::new(delivery));
                let request = DecodeRequest::Process { now, splices, delivery };
                remote.call(&request, (self.anchor, &self.track, self.measures_health), out)
            }
        }
    }
}

/// Returns the duration of a delivery in seconds; 0 if the duration is unknown before the delivery is decoded.
fn duration(delivery: &Delivery) -> f64 {
    match delivery {
        Delivery::HlsSegment(segment) => segment.seconds,
        Delivery::Gap(gap) => gap.seconds,
        _ => 0.0,
    }
}

/// Returns the size of a delivery in bytes if it contains encoded audio of a stream without segments, otherwise 0.
fn size(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Bytes(bytes) => bytes.len(),
        Delivery::Live(LiveChunk { audio: LiveAudio::Bytes(bytes), .. }) => bytes.len(),
        _ => 0,
    }
}
