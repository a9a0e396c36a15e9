//! Decodes packets, and inserts silence for missing ones.

use super::AudioReader;
use crate::audio::codec::Shape;
use crate::audio::demux::TimedPacket;
use crate::audio::error::{AudioError, LimitKind};
use crate::audio::guard::guarded;
use crate::audio::limits::MIN_SAMPLE_RATE;
use crate::audio::mix;

/// Maximum length in seconds of lost audio that is replaced by silence. A longer jump of the time stamps is treated as
/// the start of another recording. At half this value, audio after a dropout of 5 to 10 s is reported at a too early
/// time. At twice this value, unrelated recordings in one file are separated by up to 20 s of silence.
const MAX_GAP_SECONDS: f64 = 10.0;
/// Maximum jump of the time stamps, in seconds, that is treated as jitter or rounding (Matroska counts milliseconds).
/// At half this value, jitter is filled with silence. At twice this value, the loss of one MP3 frame (26 ms) is not
/// detected.
const MAX_JITTER_SECONDS: f64 = 0.015;

impl AudioReader {
    pub(super) fn decode_packet(&mut self, timed: &TimedPacket) -> Result<(), AudioError> {
        self.report.packets += 1;
        self.fill_gap(timed.start)?;
        self.mono.clear();
        let packet = timed.packet.as_packet_ref();
        let shape = match guarded(|| self.codec.decode(&packet, &mut self.mono, None)) {
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
        self.report.replaced_samples += mix::replace_invalid(&mut self.mono);
        let length = (self.mono.len() as f64 / f64::from(shape.rate)).max(timed.seconds.min(MAX_GAP_SECONDS));
        self.next_start = self.next_start.map(|at| at + length);
        self.output.push(&self.mono, shape.rate).map_err(|reason| self.damaged_error(reason))
    }

    /// Appends silence for audio that is missing before a packet. `start` is the time stamp of the packet in seconds;
    /// without one (`None`), nothing is appended.
    fn fill_gap(&mut self, start: Option<f64>) -> Result<(), AudioError> {
        let Some(start) = start else { return Ok(()) };
        let gap = self.next_start.map_or(0.0, |at| start - at);
        if gap > MAX_JITTER_SECONDS && gap <= MAX_GAP_SECONDS {
            self.report.record_damage("audio is missing");
            return self.silence(gap);
        }
        // Steps back of up to a second are treated as rounding errors. After any other difference, a new clock begins.
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

    /// Sets the sample rate and number of channels from the first packet, or from a packet with other values. Returns
    /// an error if a value exceeds its limit.
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

    /// Selects a track again after the tracks of the file have changed, as in chained Ogg. If no track can be decoded,
    /// decoding ends.
    pub(super) fn switch_track(&mut self) -> Result<(), AudioError> {
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

    pub(super) fn end(&mut self, truncated: bool) -> Result<(), AudioError> {
        self.ended = true;
        self.report.truncated |= truncated;
        if let Some(error) = self.demux.read_error(&self.name) {
            return Err(error);
        }
        self.output.finish().map_err(|reason| self.damaged_error(reason))
    }
}
