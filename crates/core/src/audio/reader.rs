//! The reader of one audio file or stream.

use super::SAMPLE_RATE;
use super::codec::{Codec, Shape};
use super::demux::{Demux, Event, Timed};
use super::error::{AudioError, LimitKind};
use super::guard::guarded;
use super::limits::{Limits, MIN_SAMPLE_RATE};
use super::output::{CHUNK, Output};
use super::report::{DecodeReport, Format};
use super::tags::Tags;

/// Maximum length in seconds of lost audio that is replaced by silence. A longer jump of the time stamps is treated as the
/// start of another recording, not as a gap.
const MAX_GAP: f64 = 10.0;

/// Jumps of the time stamps up to this length, in seconds, are rounding errors (Matroska counts milliseconds) and jitter.
const MAX_JITTER: f64 = 0.015;

/// Number of consecutive damaged places after which decoding of a file ends.
const MAX_DAMAGE_IN_A_ROW: u32 = 4_096;

/// Audio counts as truncated if it is shorter than declared by more than `CUT_SECONDS` plus `CUT_SHARE` of the declared
/// length: encoder delays and rounded lengths stay below.
const CUT_SECONDS: f64 = 0.25;
const CUT_SHARE: f64 = 0.01;

/// Maximum difference in seconds between the declared and the decoded length if no frame is missing: less than two frames.
const ROUNDED_SECONDS: f64 = 0.04;

/// Decodes one file or stream to 44.1 kHz mono, chunk by chunk.
///
/// Opening a reader ([`AudioReader::open`], [`AudioReader::from_source`]) reads the tags and decodes no more than the first
/// packets.
pub struct AudioReader {
    name: String,
    limits: Limits,
    format: Format,
    tags: Tags,
    report: DecodeReport,
    demux: Demux,
    codec: Codec,
    /// Sample rate of the last packet in hertz, 0 before the first.
    rate: u32,
    mono: Vec<f32>,
    output: Output,
    /// True if `output.ready` was returned to the caller.
    handed_out: bool,
    /// Expected start of the next packet, in seconds of the container's clock.
    expected: Option<f64>,
    damage_in_a_row: u32,
    ended: bool,
    /// True if the report is complete.
    settled: bool,
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
    pub(super) fn from_demux(mut demux: Demux, name: String, limits: &Limits) -> Result<Self, AudioError> {
        let chosen = demux.choose(&name)?;
        let format = Format {
            container: demux.name().to_owned(),
            codec: chosen.codec.name().to_owned(),
            sample_rate: chosen.rate,
            channels: chosen.channels,
        };
        let mut reader = Self {
            tags: demux.tags(limits),
            report: DecodeReport { declared_seconds: chosen.seconds, ..DecodeReport::default() },
            codec: chosen.codec,
            limits: limits.clone(),
            name,
            format,
            demux,
            rate: 0,
            mono: Vec::new(),
            output: Output::default(),
            handed_out: false,
            expected: None,
            damage_in_a_row: 0,
            ended: false,
            settled: false,
        };
        reader.check(LimitKind::Seconds, chosen.seconds.unwrap_or(0.0), limits.max_seconds)?;
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
    /// [`AudioError::Read`] if a read fails, [`AudioError::Limit`] if the length, sample rate or number of channels exceeds
    /// its limit. Damage in the file is not an error; [`AudioReader::report`] counts it.
    pub fn next_chunk(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if std::mem::take(&mut self.handed_out) {
            self.output.ready.clear();
        }
        while self.output.ready.len() < CHUNK && !self.ended {
            if let Err(error) = self.step() {
                self.ended = true;
                self.output.ready.clear();
                return Err(error);
            }
        }
        self.handed_out = true;
        self.report.seconds += seconds(self.output.ready.len());
        if self.report.seconds > self.limits.max_seconds {
            self.ended = true;
            self.check(LimitKind::Seconds, self.report.seconds, self.limits.max_seconds)?;
        }
        if self.ended && !std::mem::replace(&mut self.settled, true) {
            self.note_missing();
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

    /// Returns counts of decoded and lost audio. They are complete after [`AudioReader::next_chunk`] has returned `None`.
    #[must_use]
    pub fn report(&self) -> &DecodeReport {
        &self.report
    }

    fn step(&mut self) -> Result<(), AudioError> {
        match self.demux.next() {
            Event::Packet(timed) => self.take_packet(&timed),
            Event::NewTracks => self.renew(),
            Event::Damaged(what) => {
                self.lose(&what);
                self.damage_in_a_row += 1;
                if self.damage_in_a_row < MAX_DAMAGE_IN_A_ROW { Ok(()) } else { self.end(true) }
            }
            Event::End => self.end(false),
            Event::Cut(what) => {
                self.report.damage(&what);
                self.end(true)
            }
        }
    }

    fn take_packet(&mut self, timed: &Timed) -> Result<(), AudioError> {
        self.report.packets += 1;
        self.fill_gap(timed.start)?;
        self.mono.clear();
        let packet = timed.packet.as_packet_ref();
        let shape = match guarded(|| self.codec.decode(&packet, &mut self.mono)) {
            Some(Ok(shape)) => shape,
            Some(Err(error)) => {
                self.lose(&error.to_string());
                return self.silence(timed.seconds);
            }
            None => {
                self.lose("the decoder crashed on a packet");
                return self.end(true);
            }
        };
        self.damage_in_a_row = 0;
        if shape.rate != self.rate || self.rate == 0 || shape.channels != self.format.channels {
            self.adopt(shape)?;
        }
        self.report.replaced_samples += super::mix::clean(&mut self.mono);
        let length = (self.mono.len() as f64 / f64::from(shape.rate)).max(timed.seconds.min(MAX_GAP));
        self.expected = self.expected.map(|at| at + length);
        self.output.push(&self.mono, shape.rate).map_err(|reason| self.internal(reason))
    }

    /// Appends silence for audio that is missing before a packet according to its time stamp.
    fn fill_gap(&mut self, start: Option<f64>) -> Result<(), AudioError> {
        let Some(start) = start else { return Ok(()) };
        let gap = self.expected.map_or(0.0, |at| start - at);
        if gap > MAX_JITTER && gap <= MAX_GAP {
            self.report.damage("audio is missing");
            return self.silence(gap);
        }
        // Steps back of up to a second are rounding errors. Any other difference is the start of a new clock.
        if self.expected.is_none() || !(-1.0..=0.0).contains(&gap) {
            self.expected = Some(start);
        }
        Ok(())
    }

    fn silence(&mut self, seconds: f64) -> Result<(), AudioError> {
        let seconds = seconds.clamp(0.0, MAX_GAP);
        self.expected = self.expected.map(|at| at + seconds);
        if self.rate == 0 {
            return Ok(()); // no audio precedes: the track starts later
        }
        self.report.lost_seconds += seconds;
        self.mono.clear();
        self.mono.resize((seconds * f64::from(self.rate)).round() as usize, 0.0);
        self.output.push(&self.mono, self.rate).map_err(|reason| self.internal(reason))
    }

    /// Adopts the sample rate and channels of the first packet, or of a packet after a change, within the limits.
    fn adopt(&mut self, shape: Shape) -> Result<(), AudioError> {
        self.check(LimitKind::SampleRate, shape.rate.into(), self.limits.max_sample_rate.into())?;
        self.check(LimitKind::Channels, shape.channels as f64, self.limits.max_channels as f64)?;
        if shape.rate == 0 {
            return Err(self.internal("its sample rate is 0".to_owned()));
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
    fn renew(&mut self) -> Result<(), AudioError> {
        match self.demux.choose(&self.name) {
            Ok(chosen) => {
                self.codec = chosen.codec;
                self.expected = None;
                // The declared length is that of the first stream only.
                self.report.declared_seconds = None;
                Ok(())
            }
            Err(error) => {
                self.report.damage(&error.to_string());
                self.end(true)
            }
        }
    }

    fn end(&mut self, cut: bool) -> Result<(), AudioError> {
        self.ended = true;
        self.report.truncated |= cut;
        if let Some(error) = self.demux.read_error(&self.name) {
            return Err(error);
        }
        self.output.finish().map_err(|reason| self.internal(reason))
    }

    /// Compares the decoded length with the declared length at the end and records missing audio.
    fn note_missing(&mut self) {
        let Some(declared) = self.report.declared_seconds else { return };
        let missing = declared - self.report.seconds;
        if missing > ROUNDED_SECONDS {
            self.report.lost_seconds += missing;
            self.report.damage("it is shorter than its header declares");
        }
        self.report.truncated |= missing > CUT_SECONDS + CUT_SHARE * declared;
    }

    fn lose(&mut self, what: &str) {
        self.report.lost_packets += 1;
        self.report.damage(what);
    }

    fn internal(&self, reason: String) -> AudioError {
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
