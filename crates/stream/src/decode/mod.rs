//! Decoding of one stream: its bytes are demuxed, decoded, resampled and placed in time.
//!
//! ```text
//! Delivery ─► content recognized by its bytes ─► TsDemuxer · FrameSplitter · fragments of MP4 ─► frames
//!    frame ─► StampTimeline: next, after a gap, repeated? ─► LiveDecoder ─► Sound
//! ```
//!
//! One [`StreamDecoder`] exists for the whole life of its stream. Frames may span two segments, and there are no clicks
//! at the boundaries of segments. Positions count samples from the first one of the stream and never jump. Missing
//! media becomes a gap, whose length follows from the time stamps after it. [`StreamClock`] maps positions to the time
//! of day.
//!
//! A [`StreamDecoder`] runs synchronously, never blocks and never returns an error: data that cannot be decoded is
//! counted.

mod arrival;
mod clock;
mod connection;
mod content;
mod demux;
mod demux_bytes;
pub(crate) mod fmp4;
mod format_search;
mod fragments;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod id3;
mod join;
mod last_arrival;
mod live;
mod meter;
mod missing;
mod playback;
mod report;
mod settings;
mod sound;
mod splice_date;
mod state;
mod timeline;

use refrain_core::audio::health::HealthBlock;
use refrain_core::audio::ts::TrackChoice;

use crate::delivery::{Delivery, Gap, GapReason, HlsSegment};
use crate::gaps::Gaps;
use content::SegmentContent;
use demux::StreamDemuxer;
use frame::TimeMark;
use playback::{Playback, SoundSink};

pub use clock::{ClockAnchor, StreamClock};
pub use report::{DecoderReport, Title, UnreadableRun};
pub use settings::DecoderSettings;
pub use sound::{Media, Sound};
pub use state::DecoderState;

/// Shortest segment, in seconds, that counts as unreadable if none of its frames was decoded: a few frames. The first
/// frames after the start of a decoder can fail, and a shorter segment may contain no others. At half this value, short
/// segments without a fault count as unreadable; at twice this value, unreadable segments of up to 0.2 s are not
/// counted.
const MIN_UNREADABLE_SECONDS: f64 = 0.1;

/// Decoder of one stream: converts its deliveries to timed audio and gaps.
///
/// # Examples
/// ```
/// use refrain_stream::{DecoderSettings, Delivery, Media, StreamDecoder};
///
/// // Two seconds of AAC.
/// let bytes = std::fs::read("../../testdata/audio/adts.aac")?;
/// let mut decoder = StreamDecoder::new(DecoderSettings::default());
/// let mut samples = 0;
/// let mut count = |media: Media<'_>| match media {
///     Media::Samples(audio) => samples += audio.len() as u64,
///     Media::Gap { .. } => {}
/// };
/// // The pieces of a stream can end within a frame.
/// for piece in bytes.chunks(1_000) {
///     decoder.process(Delivery::Bytes(piece.to_vec().into()), |sound| count(sound.media));
/// }
/// decoder.finish(|sound| count(sound.media));
/// assert_eq!(samples, decoder.position());
/// assert!((decoder.report().seconds - 2.0).abs() < 0.1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StreamDecoder {
    settings: DecoderSettings,
    demux: StreamDemuxer,
    playback: Playback,
    /// True if the next bytes are the first of a connection.
    connected: bool,
    /// Time of day that the caller gave for the current delivery, seconds since 1970; `None` if it gave none.
    now: Option<f64>,
}

impl StreamDecoder {
    /// Creates a decoder at the start of a stream.
    #[must_use]
    pub fn new(settings: DecoderSettings) -> Self {
        Self {
            settings,
            demux: StreamDemuxer::default(),
            playback: Playback::default(),
            connected: true,
            now: None,
        }
    }

    /// Creates a decoder that continues at the position of `state`. The first audio follows the audio that was emitted
    /// before, unless its time stamps or its time of day show a gap.
    #[must_use]
    pub fn resume(settings: DecoderSettings, state: DecoderState) -> Self {
        let DecoderState { position, clock, report } = state;
        let playback = Playback::at(position, clock, report);
        Self { settings, demux: StreamDemuxer::default(), playback, connected: true, now: None }
    }

    /// Returns the state after the last delivery.
    #[must_use]
    pub fn state(&self) -> DecoderState {
        let Playback { emitted, clock, report, .. } = &self.playback;
        DecoderState { position: *emitted, clock: clock.clone(), report: report.clone() }
    }

    /// Decodes a delivery that another process received at `now`, seconds since 1970. Apart from that, this method does
    /// the same as [`Self::process`].
    pub fn process_at(&mut self, delivery: Delivery, now: f64, sink: impl FnMut(Sound<'_>)) {
        self.now = Some(now);
        self.process(delivery, sink);
        self.now = None;
    }

    /// Decodes the next delivery and passes the resulting audio and gaps to `sink`, in order.
    pub fn process(&mut self, delivery: Delivery, mut sink: impl FnMut(Sound<'_>)) {
        let sink: SoundSink<'_> = &mut sink;
        match delivery {
            Delivery::HlsSegment(segment) => self.segment(&segment, sink),
            Delivery::Bytes(bytes) => {
                self.connect(sink);
                self.demux.bytes(&bytes, None, &mut self.playback, sink);
            }
            Delivery::Live(chunk) => self.live(&chunk, sink),
            Delivery::Decoded(sound) => {
                self.connect(sink);
                self.playback.process_samples(&sound, sink);
            }
            Delivery::Title(text) => {
                let position = sound::seconds(self.playback.position());
                self.playback.report.title = Some(Title { text, position });
            }
            Delivery::Gap(gap) => self.gap(&gap, sink),
            Delivery::Reconnected => {
                // The buffered frames belong to the old connection and are placed before the next connection begins.
                self.demux.end(&mut self.playback, sink);
                self.playback.place_connection(sink);
                self.playback.report.discontinuities += 1;
                self.connected = true;
            }
        }
        // Counted before the audio is emitted, so that the report is complete when the consumer receives the audio.
        self.demux.count(&mut self.playback.report);
        self.playback.settle(sink);
    }

    /// Ends the stream and passes the audio and gaps that are held back to `sink`.
    pub fn finish(&mut self, mut sink: impl FnMut(Sound<'_>)) {
        let sink: SoundSink<'_> = &mut sink;
        self.demux.end(&mut self.playback, sink);
        self.playback.place_connection(sink);
        self.demux.count(&mut self.playback.report);
        self.playback.finish(sink);
    }

    /// Continues the clock of an earlier worker of this stream. Has no effect after the first audio.
    pub fn continue_clock(&mut self, anchor: ClockAnchor) {
        self.playback.clock.inherit(anchor);
    }

    /// Sets the preferred audio stream of MPEG-TS. Has no effect on a transport stream that has begun.
    pub fn prefer_track(&mut self, choice: TrackChoice) {
        self.demux.choice = choice;
    }

    /// Begins to measure the health of the audio.
    pub fn measure_health(&mut self) {
        self.playback.decoder.measure_health();
    }

    /// Moves the measured blocks to `out`. Audio is only measured after [`Self::measure_health`].
    pub fn take_health(&mut self, out: &mut Vec<HealthBlock>) {
        self.playback.decoder.take_health(out);
    }

    /// Returns a time stamp with its time, from which another worker can continue the clock. Returns `None` if the
    /// stream has no time stamps, or if it has dates, which are the same for every worker.
    #[must_use]
    pub fn clock_anchor(&self) -> Option<ClockAnchor> {
        self.playback.clock_anchor()
    }

    /// Counts a splice: `seconds` of audio that are missing or repeated although the time stamps are continuous.
    pub fn count_splice(&mut self, seconds: f64) {
        self.playback.report.gaps.add(GapReason::Spliced, Gaps { count: 1, seconds });
    }

    /// Returns the counters of the stream so far.
    #[must_use]
    pub fn report(&self) -> &DecoderReport {
        &self.playback.report
    }

    /// Returns the clock, which maps positions to the time of day.
    #[must_use]
    pub fn clock(&self) -> &StreamClock {
        &self.playback.clock
    }

    /// Returns the end of the received media, in samples at 44.1 kHz since the first sample of the stream. Some of
    /// these samples may not be emitted yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.playback.position()
    }

    fn segment(&mut self, segment: &HlsSegment, sink: SoundSink<'_>) {
        self.end_live(sink);
        self.playback.report.segments += 1;
        if segment.discontinuity {
            self.demux.end(&mut self.playback, sink);
            self.playback.report.discontinuities += 1;
        }
        let was_ad = std::mem::replace(&mut self.playback.ad, segment.ad);
        // The end of a live playlist is "now", so the media listed after the segment is subtracted from its arrival.
        let backlog = segment.backlog.unwrap_or_default();
        self.playback.mark(TimeMark {
            program_date_time: segment.program_date_time.filter(|time| clock::is_time(*time)),
            arrival: segment.first_listed - backlog - segment.seconds,
            live: segment.backlog.is_some(),
            certain: segment.discontinuity,
            is_restart: segment.discontinuity && segment.backlog.is_some() && !was_ad,
        });
        // The offset compares the end of the segment, because a segment is listed only when it is complete.
        if let Some(start) = segment.program_date_time {
            self.playback.clock.first_listed(start + segment.seconds, segment.first_listed - backlog);
        }
        let (frames, decoded) = self.playback.frames();
        let repeated_seconds = self.playback.report.repeated_seconds;
        // The bytes and not a file extension or type decide: servers deliver error pages with the status 200.
        let (content, format) = (self.demux.content(segment), self.demux.format());
        let is_media = matches!(content, SegmentContent::MediaFormat(_));
        match content {
            SegmentContent::MediaFormat(media) => {
                self.demux.segment(media, segment, &mut self.playback, sink);
            }
            SegmentContent::Nothing => self.demux.interrupt(&mut self.playback, sink),
        }
        let (frames_now, decoded_now) = self.playback.frames();
        // A part may end within a frame, whose end is in the next part, but not at a change of the format.
        let is_other_format = self.demux.prove(format, frames_now > frames);
        if segment.part && is_media && !is_other_format {
            if decoded_now > decoded {
                self.playback.report.unreadable_run.add(segment.rendition, false);
            }
            return;
        }
        if frames_now == frames {
            // The gap is not emitted yet: the time stamps after it show whether and how much is missing.
            self.playback.miss(GapReason::Unreadable, segment.seconds);
        }
        let report = &mut self.playback.report;
        // After a change of the rendition or a restart of the encoder, whole segments can repeat earlier audio.
        let is_repeated = report.repeated_seconds > repeated_seconds;
        let is_unreadable = !is_repeated
            && (frames_now == frames || decoded_now == decoded && segment.seconds > MIN_UNREADABLE_SECONDS);
        report.unreadable_segments += u64::from(is_unreadable);
        report.unreadable_run.add(segment.rendition, is_unreadable);
    }

    fn gap(&mut self, gap: &Gap, sink: SoundSink<'_>) {
        // A frame that began before the gap cannot be completed by the data after it.
        self.demux.interrupt(&mut self.playback, sink);
        self.playback.place_connection(sink);
        if let Some(time) = gap.program_date_time {
            let position = sound::seconds(self.playback.position());
            self.playback.clock.program_date_time(position, time, false);
        }
        self.playback.miss(gap.reason, gap.seconds);
    }
}
