//! [`AudioReader`], the reader of one audio file or stream.

mod packets;

use super::SAMPLE_RATE;
use super::codec::Codec;
use super::demux::DemuxEvent;
use super::error::{AudioError, LimitKind};
use super::limits::Limits;
use super::output::{MIN_CHUNK_SAMPLES, ResamplingBuffer};
use super::report::{DecodeReport, Format};
use super::tags::Tags;
use super::track_demuxer::TrackDemuxer;

/// Number of consecutive damaged places, without a decoded packet in between, after which decoding of a file ends. At
/// half this value, audio after a long damaged section is lost. At twice this value, a file without any valid packet is
/// read twice as far.
const MAX_CONSECUTIVE_DAMAGE: u32 = 4_096;
/// Audio counts as truncated if it is shorter than declared by more than `TRUNCATION_SECONDS` (in seconds) plus
/// `TRUNCATION_RATIO` times the declared length. Encoder delays and rounded lengths cause smaller differences. At twice
/// these values, a loss of half a second is not reported as truncation.
const TRUNCATION_SECONDS: f64 = 0.25;
const TRUNCATION_RATIO: f64 = 0.01;
/// Maximum difference in seconds between declared and decoded length that does not count as lost audio: less than two
/// frames of MP3 or AAC, which take about 25 ms each. At half this value, an encoder delay is reported as lost audio.
/// At twice this value, the loss of three frames is not reported.
const ROUNDING_SECONDS: f64 = 0.04;

/// Decodes one file or stream to 44.1 kHz mono, chunk by chunk.
///
/// [`AudioReader::open`], [`AudioReader::from_seekable`] and [`AudioReader::from_source`] read the tags and decode the
/// first packets.
pub struct AudioReader {
    name: String,
    limits: Limits,
    format: Format,
    tags: Tags,
    report: DecodeReport,
    demux: TrackDemuxer,
    codec: Codec,
    /// Sample rate of the last packet in hertz; 0 before the first packet.
    rate: u32,
    mono: Vec<f32>,
    output: ResamplingBuffer,
    /// True if the samples in `output.ready` were returned to the caller and must be cleared.
    ready_returned: bool,
    /// Expected start of the next packet, in seconds of the container's clock. `None` if unknown, as before the first
    /// packet.
    next_start: Option<f64>,
    consecutive_damage: u32,
    ended: bool,
    /// True if missing audio at the end was already added to the report.
    report_complete: bool,
}

impl std::fmt::Debug for AudioReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AudioReader")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl AudioReader {
    /// Selects a track and decodes until the first samples are available, so that opening a file without audio is an
    /// error.
    pub(super) fn new(mut demux: TrackDemuxer, name: String, limits: &Limits) -> Result<Self, AudioError> {
        let selected = demux.select_track(&name)?;
        let format = Format {
            container: demux.name().to_owned(),
            codec: selected.codec.name().to_owned(),
            sample_rate: selected.rate,
            channels: selected.channels,
        };
        let mut reader = Self {
            tags: demux.tags(limits),
            report: DecodeReport { declared_seconds: selected.seconds, ..DecodeReport::default() },
            codec: selected.codec,
            limits: limits.clone(),
            name,
            format,
            demux,
            rate: 0,
            mono: Vec::new(),
            output: ResamplingBuffer::default(),
            ready_returned: false,
            next_start: None,
            consecutive_damage: 0,
            ended: false,
            report_complete: false,
        };
        reader.check(LimitKind::Seconds, selected.seconds.unwrap_or(0.0), limits.max_seconds)?;
        while reader.output.ready.is_empty() && !reader.ended {
            reader.step()?;
        }
        if !reader.output.ready.is_empty() {
            return Ok(reader);
        }
        let name = reader.name;
        Err(match reader.report.first_damage {
            Some(reason) => AudioError::Damaged { name, reason },
            None => AudioError::NoSound { name },
        })
    }

    pub(super) fn mark_truncated(mut self) -> Self {
        self.report.truncated = true;
        self
    }

    /// Returns the next samples (44.1 kHz mono, nominally within ±1), or `None` at the end. The slice is never empty.
    ///
    /// # Errors
    /// [`AudioError::Read`] if a read fails, [`AudioError::Limit`] if the length, sample rate or number of channels
    /// exceeds its limit. Damage in the file is not an error; [`AudioReader::report`] counts it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use refrain_core::audio::{AudioReader, Limits, SAMPLE_RATE};
    ///
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/cbr.mp3");
    /// let mut reader = AudioReader::open(Path::new(file), &Limits::default())?;
    /// let mut samples = 0;
    /// while let Some(chunk) = reader.next_chunk()? {
    ///     samples += chunk.len();
    /// }
    /// let seconds = samples as f64 / f64::from(SAMPLE_RATE);
    /// assert!((seconds - 2.0).abs() < 0.1);
    /// assert_eq!(reader.report().lost_packets, 0);
    /// # Ok::<(), refrain_core::audio::AudioError>(())
    /// ```
    pub fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if std::mem::take(&mut self.ready_returned) {
            self.output.ready.clear();
        }
        while self.output.ready.len() < MIN_CHUNK_SAMPLES && !self.ended {
            if let Err(error) = self.step() {
                self.ended = true;
                self.output.ready.clear();
                return Err(error);
            }
        }
        self.ready_returned = true;
        self.report.seconds += seconds(self.output.ready.len());
        if self.report.seconds > self.limits.max_seconds {
            self.ended = true;
            self.check(LimitKind::Seconds, self.report.seconds, self.limits.max_seconds)?;
        }
        if self.ended && !std::mem::replace(&mut self.report_complete, true) {
            self.record_missing();
        }
        Ok(Some(self.output.ready.as_slice()).filter(|chunk| !chunk.is_empty()))
    }

    /// Returns the tags of the file.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns the container, codec, sample rate and number of channels of the file.
    #[must_use]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Returns counts of decoded and lost audio. The report is complete after [`AudioReader::next_chunk`] returned
    /// `None`.
    #[must_use]
    pub fn report(&self) -> &DecodeReport {
        &self.report
    }

    fn step(&mut self) -> Result<(), AudioError> {
        match self.demux.next() {
            DemuxEvent::Packet(timed) => self.decode_packet(&timed),
            DemuxEvent::TracksChanged => self.switch_track(),
            DemuxEvent::Damaged(what) => {
                self.record_loss(&what);
                self.consecutive_damage += 1;
                if self.consecutive_damage < MAX_CONSECUTIVE_DAMAGE { Ok(()) } else { self.end(true) }
            }
            DemuxEvent::End => self.end(false),
            DemuxEvent::Truncated(what) => {
                self.report.record_damage(&what);
                self.end(true)
            }
        }
    }

    /// Compares the decoded length with the declared length at the end of the audio, and records missing audio in the
    /// report.
    fn record_missing(&mut self) {
        let Some(declared) = self.report.declared_seconds else { return };
        let missing = declared - self.report.seconds;
        if missing > ROUNDING_SECONDS {
            self.report.lost_seconds += missing;
            self.report.record_damage("it is shorter than its header declares");
        }
        self.report.truncated |= missing > TRUNCATION_SECONDS + TRUNCATION_RATIO * declared;
    }

    fn record_loss(&mut self, what: &str) {
        self.report.lost_packets += 1;
        self.report.record_damage(what);
    }

    fn damaged_error(&self, reason: String) -> AudioError {
        AudioError::Damaged { name: self.name.clone(), reason }
    }

    fn check(&self, limit: LimitKind, found: f64, allowed: f64) -> Result<(), AudioError> {
        if found <= allowed {
            return Ok(());
        }
        Err(AudioError::Limit { name: self.name.clone(), limit, found, allowed })
    }
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}
