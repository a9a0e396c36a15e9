//! The reader of one audio file or stream.

use super::SAMPLE_RATE;
use super::codec::{Codec, Shape};
use super::demux::{DemuxEvent, TimedPacket, TrackDemuxer};
use super::error::{AudioError, LimitKind};
use super::guard::guarded;
use super::limits::{Limits, MIN_SAMPLE_RATE};
use super::output::{MIN_CHUNK_SAMPLES, ResamplingBuffer};
use super::report::{DecodeReport, Format};
use super::tags::Tags;

/// Maximum length in seconds of lost audio that is replaced by silence; a longer jump of the time stamps starts another
/// recording. At half of it, long dropouts shift later times; at twice, unrelated parts are joined by 20 s of silence.
const MAX_GAP_SECONDS: f64 = 10.0;
/// Jumps of the time stamps up to this many seconds are rounding (Matroska counts milliseconds) and jitter. At half of
/// it, jitter is filled with silence; at twice, the loss of one MP3 frame (26 ms) is not noticed.
const MAX_JITTER_SECONDS: f64 = 0.015;
/// Number of consecutive damaged places after which decoding of a file ends. At half of it, long damage ends a file
/// early; at twice, a file without any valid packet is read twice as far.
const MAX_CONSECUTIVE_DAMAGE: u32 = 4_096;
/// Audio counts as truncated if it is shorter than declared by more than `TRUNCATION_SECONDS` plus `TRUNCATION_RATIO`
/// of the declared length. Encoder delays and rounded lengths stay below; at half of both they may not, and at twice
/// the loss of half a second is not reported.
const TRUNCATION_SECONDS: f64 = 0.25;
const TRUNCATION_RATIO: f64 = 0.01;
/// Maximum difference in seconds between declared and decoded length if no frame is missing: less than two frames. At
/// half of it, an encoder delay counts as loss; at twice, the loss of three frames is not reported.
const ROUNDING_SECONDS: f64 = 0.04;

/// Decodes one file or stream to 44.1 kHz mono, chunk by chunk.
///
/// Opening a reader ([`AudioReader::open`], [`AudioReader::from_source`]) reads the tags and decodes no more than the
/// first packets.
pub struct AudioReader {
    name: String,
    limits: Limits,
    format: Format,
    tags: Tags,
    report: DecodeReport,
    demux: TrackDemuxer,
    codec: Codec,
    /// Sample rate of the last packet in hertz, 0 before the first.
    rate: u32,
    mono: Vec<f32>,
    output: ResamplingBuffer,
    /// True if `output.ready` was returned to the caller.
    ready_returned: bool,
    /// Expected start of the next packet, in seconds of the container's clock.
    next_start: Option<f64>,
    consecutive_damage: u32,
    ended: bool,
    /// True if the report is complete.
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
    /// Chooses a track and decodes up to the first samples, so that opening a file without audio fails.
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

    /// Returns the next samples (44.1 kHz mono, nominally within ±1, at least one), or `None` at the end.
    ///
    /// # Errors
    /// [`AudioError::Read`] if a read fails, [`AudioError::Limit`] if the length, sample rate or number of channels
    /// exceeds its limit. Damage in the file is not an error; [`AudioReader::report`] counts it.
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

    /// Returns counts of decoded and lost audio. They are complete after [`AudioReader::next_chunk`] returned `None`.
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

    fn decode_packet(&mut self, timed: &TimedPacket) -> Result<(), AudioError> {
        self.report.packets += 1;
        self.fill_gap(timed.start)?;
        self.mono.clear();
        let packet = timed.packet.as_packet_ref();
        let shape = match guarded(|| self.codec.decode(&packet, &mut self.mono)) {
            Some(Ok(shape)) => shape,
            Some(Err(error)) => {
                self.record_loss(&error.to_string());
                return self.silence(timed.seconds);
            }
            None => {
                self.record_loss("the decoder crashed on a packet");
                return self.end(true);
            }
        };
        self.consecutive_damage = 0;
        if shape.rate != self.rate || self.rate == 0 || shape.channels != self.format.channels {
            self.set_shape(shape)?;
        }
        self.report.replaced_samples += super::mix::replace_invalid(&mut self.mono);
        let length = (self.mono.len() as f64 / f64::from(shape.rate)).max(timed.seconds.min(MAX_GAP_SECONDS));
        self.next_start = self.next_start.map(|at| at + length);
        self.output.push(&self.mono, shape.rate).map_err(|reason| self.damaged_error(reason))
    }

    /// Appends silence for audio that is missing before a packet according to its time stamp.
    fn fill_gap(&mut self, start: Option<f64>) -> Result<(), AudioError> {
        let Some(start) = start else { return Ok(()) };
        let gap = self.next_start.map_or(0.0, |at| start - at);
        if gap > MAX_JITTER_SECONDS && gap <= MAX_GAP_SECONDS {
            self.report.record_damage("audio is missing");
            return self.silence(gap);
        }
        // Steps back of up to a second are rounding errors. Any other difference is the start of a new clock.
        if self.next_start.is_none() || !(-1.0..=0.0).contains(&gap) {
            self.next_start = Some(start);
        }
        Ok(())
    }

    fn silence(&mut self, seconds: f64) -> Result<(), AudioError> {
        let seconds = seconds.clamp(0.0, MAX_GAP_SECONDS);
        self.next_start = self.next_start.map(|at| at + seconds);
        if self.rate == 0 {
            return Ok(()); // no audio precedes: the track starts later
        }
        self.report.lost_seconds += seconds;
        self.mono.clear();
        self.mono.resize((seconds * f64::from(self.rate)).round() as usize, 0.0);
        self.output.push(&self.mono, self.rate).map_err(|reason| self.damaged_error(reason))
    }

    /// Adopts the sample rate and channels of the first packet, or of a packet after a change, within the limits.
    fn set_shape(&mut self, shape: Shape) -> Result<(), AudioError> {
        self.check(LimitKind::SampleRate, shape.rate.into(), self.limits.max_sample_rate.into())?;
        self.check(LimitKind::Channels, shape.channels as f64, self.limits.max_channels as f64)?;
        if shape.rate == 0 {
            return Err(self.damaged_error("its sample rate is 0".to_owned()));
        }
        if shape.rate < MIN_SAMPLE_RATE {
            let codec = format!("{} at {} Hz", self.codec.name(), shape.rate);
            return Err(AudioError::UnsupportedCodec { name: self.name.clone(), codec });
        }
        self.rate = shape.rate;
        (self.format.sample_rate, self.format.channels) = (shape.rate, shape.channels);
        Ok(())
    }

    /// Continues with a new stream within the file, as in chained Ogg.
    fn switch_track(&mut self) -> Result<(), AudioError> {
        match self.demux.select_track(&self.name) {
            Ok(selected) => {
                self.codec = selected.codec;
                self.next_start = None;
                // The declared length is that of the first stream only.
                self.report.declared_seconds = None;
                Ok(())
            }
            Err(error) => {
                self.report.record_damage(&error.to_string());
                self.end(true)
            }
        }
    }

    fn end(&mut self, truncated: bool) -> Result<(), AudioError> {
        self.ended = true;
        self.report.truncated |= truncated;
        if let Some(error) = self.demux.read_error(&self.name) {
            return Err(error);
        }
        self.output.finish().map_err(|reason| self.damaged_error(reason))
    }

    /// Compares the decoded length with the declared length at the end and records missing audio.
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
