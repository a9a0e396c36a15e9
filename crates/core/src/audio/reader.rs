//! The reader that callers see.

use super::SAMPLE_RATE;
use super::codec::{Codec, Shape};
use super::demux::{Demux, Event, Timed};
use super::error::{AudioError, LimitKind};
use super::guard::guarded;
use super::limits::{Limits, MIN_SAMPLE_RATE};
use super::output::{CHUNK, Output};
use super::report::{DecodeReport, Format};
use super::tags::Tags;

/// Longest stretch of lost sound that silence stands for, in seconds. A longer jump of the time stamps is
/// another recording, not a gap.
const MAX_GAP: f64 = 10.0;

/// Jumps of the time stamps up to this are rounding (Matroska counts milliseconds) and jitter, in seconds.
const MAX_JITTER: f64 = 0.015;

/// Damaged places in a row after which the rest of a file is given up.
const MAX_DAMAGE_IN_A_ROW: u32 = 4_096;

/// How much shorter than declared the sound may be before it counts as cut, in seconds and as a share:
/// encoder delays and rounded lengths stay below.
const CUT_SECONDS: f64 = 0.25;
const CUT_SHARE: f64 = 0.01;

/// How much shorter than declared a sound is that misses no frame, in seconds: less than two frames.
const ROUNDED_SECONDS: f64 = 0.04;

/// One file or stream as 44.1 kHz mono, chunk by chunk.
///
/// Opening it ([`AudioReader::open`], [`AudioReader::from_source`]) reads the tags and decodes no more than
/// the first packets.
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
    /// Whether `output.ready` was handed out.
    handed_out: bool,
    /// Where the next packet should start, in seconds of the container's clock.
    expected: Option<f64>,
    damage_in_a_row: u32,
    ended: bool,
    /// Whether the report is complete.
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
    /// Chooses a track and decodes until there is sound, so that a file without any fails here.
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

    /// The next samples: 44.1 kHz mono, nominally within ±1, at least one; nothing at the end.
    ///
    /// # Errors
    /// [`AudioError::Read`] if the system fails, [`AudioError::Limit`] if the sound is longer or of another
    /// shape than allowed. Damage in the file is no error; [`AudioReader::report`] counts it.
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

    /// What the file says about itself.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// How the sound is stored.
    #[must_use]
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// What was read and lost so far; complete after [`AudioReader::next_chunk`] gave nothing.
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
                self.lose("a packet breaks the decoder");
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

    /// Silence for what the time stamps say is missing before a packet.
    fn fill_gap(&mut self, start: Option<f64>) -> Result<(), AudioError> {
        let Some(start) = start else { return Ok(()) };
        let gap = self.expected.map_or(0.0, |at| start - at);
        if gap > MAX_JITTER && gap <= MAX_GAP {
            self.report.damage("sound is missing");
            return self.silence(gap);
        }
        // Small steps back are rounding; a long one is a new clock.
        if self.expected.is_none() || !(-1.0..=0.0).contains(&gap) {
            self.expected = Some(start);
        }
        Ok(())
    }

    fn silence(&mut self, seconds: f64) -> Result<(), AudioError> {
        let seconds = seconds.clamp(0.0, MAX_GAP);
        self.expected = self.expected.map(|at| at + seconds);
        if self.rate == 0 {
            return Ok(()); // nothing came before: it is a later start
        }
        self.report.lost_seconds += seconds;
        self.mono.clear();
        self.mono.resize((seconds * f64::from(self.rate)).round() as usize, 0.0);
        self.output.push(&self.mono, self.rate).map_err(|reason| self.internal(reason))
    }

    /// Takes over what the first packet, or one after a change, turned out to be.
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

    /// A new stream within the file, as in chained Ogg: its track continues the sound.
    fn renew(&mut self) -> Result<(), AudioError> {
        match self.demux.choose(&self.name) {
            Ok(chosen) => {
                self.codec = chosen.codec;
                self.expected = None;
                // The length that was declared is that of the first link.
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

    /// Compares what came with what was declared, at the end.
    fn note_missing(&mut self) {
        let Some(declared) = self.report.declared_seconds else { return };
        let missing = declared - self.report.seconds;
        if missing > ROUNDED_SECONDS {
            self.report.lost_seconds += missing;
            self.report.damage("it is shorter than it says");
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
