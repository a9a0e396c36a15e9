//! Reads a transport stream and returns its audio frames as packets for [`AudioReader`](crate::audio::AudioReader).

use std::io::{ErrorKind, Read};

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known as id;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::super::aac_config::Core;
use super::super::codec::{Codec, aac_parameters};
use super::super::demux::{DemuxEvent, SelectedTrack, TimedPacket};
use super::super::error::AudioError;
use super::super::source::{ByteSource, FirstError};
use super::demuxer::TsDemuxer;
use super::flac;
use super::frames::AudioFrame;
use super::headers::FrameFormat;
use super::{PTS_CLOCK, PTS_WRAP};

/// Number of bytes that are read and demuxed at once.
const READ_BYTES: usize = 64 << 10;

/// Maximum number of bytes that are read to find the first audio frame: minutes of radio, or several seconds of video
/// at the highest bit rates. At half this value, videos of high bit rate whose audio starts late are rejected. At twice
/// this value, a file that only looks like a transport stream is read twice as far before it is rejected.
const MAX_PROBE_BYTES: usize = 32 << 20;

/// A reader of a transport stream.
pub(in super::super) struct TsReader {
    source: ByteSource,
    first_error: FirstError,
    demuxer: TsDemuxer,
    block: Vec<u8>,
    /// The next frame, which was demuxed but not returned yet. `None` if more bytes must be demuxed first.
    next: Option<AudioFrame>,
    format: Option<FrameFormat>,
    /// Last time stamp in ticks (90 kHz), continued over the wraps of its 33-bit counter. `None` before the first time
    /// stamp.
    clock: Option<i64>,
    /// True if the damage before the frame in `next` was already reported.
    gap_reported: bool,
    ended: bool,
}

impl TsReader {
    /// Opens a transport stream and reads up to its first audio frame.
    pub(in super::super) fn open(source: ByteSource, name: &str) -> Result<Self, AudioError> {
        let mut reader = Self {
            first_error: source.first_error(),
            source,
            demuxer: TsDemuxer::new(),
            block: vec![0; READ_BYTES],
            next: None,
            format: None,
            clock: None,
            gap_reported: false,
            ended: false,
        };
        let mut read = 0;
        while !reader.ended && reader.next.is_none() {
            // After a program without audio, another program with audio may be found. Its table is sent within a
            // fraction of a second, so an eighth of the limit is enough.
            let has_no_audio = reader.demuxer.has_program_map() && reader.demuxer.stream().is_none();
            if read > MAX_PROBE_BYTES || has_no_audio && read > MAX_PROBE_BYTES / 8 {
                break;
            }
            read += reader.read_block();
            reader.next = reader.demuxer.next_frame();
        }
        if reader.next.is_some() {
            return Ok(reader);
        }
        let name = name.to_owned();
        if let Some(source) = reader.first_error.take() {
            return Err(AudioError::Read { name, source });
        }
        Err(match (reader.demuxer.stream(), reader.demuxer.unsupported_codec()) {
            (_, Some(codec)) => AudioError::UnsupportedCodec { name, codec: codec.to_owned() },
            (None, None) if reader.demuxer.has_program_map() => {
                AudioError::NoAudioTrack { name, container: "mpeg-ts".to_owned() }
            }
            (None, None) => {
                AudioError::Damaged { name, reason: "its table of streams is missing".to_owned() }
            }
            (Some(_), _) if reader.demuxer.damage().scrambled_packets > 0 => {
                AudioError::UnsupportedCodec { name, codec: "encrypted MPEG-TS".to_owned() }
            }
            (Some(_), _) => {
                AudioError::Damaged { name, reason: "it holds no complete audio frame".to_owned() }
            }
        })
    }

    /// Returns the [`FirstError`] that keeps the first I/O error of the source.
    pub(in super::super) fn first_error(&self) -> &FirstError {
        &self.first_error
    }

    /// Creates a decoder for the format of the next frame. `name` is the name of the stream in errors.
    pub(in super::super) fn select_track(&mut self, name: &str) -> Result<SelectedTrack, AudioError> {
        let format = self.next.as_ref().map(|frame| frame.format).or(self.format);
        let unsupported_codec = |codec| AudioError::UnsupportedCodec { name: name.to_owned(), codec };
        let Some(format) = format else { return Err(AudioError::NoSound { name: name.to_owned() }) };
        self.format = Some(format);
        let codec =
            parameters(format).and_then(|parameters| Codec::new(&parameters)).map_err(unsupported_codec)?;
        let channels = match format {
            FrameFormat::Aac { channel_configuration, .. } => aac_channels(channel_configuration),
            FrameFormat::Flac { channels, .. } => channels.into(),
            FrameFormat::Mpeg { .. } | FrameFormat::Opus { .. } | FrameFormat::Ac3 { .. } => 0,
        };
        Ok(SelectedTrack { codec, rate: format.rate(), channels, seconds: None })
    }

    /// Returns the next event, such as a frame as a packet. A change of the format is reported before the first frame
    /// of the new format.
    pub(in super::super) fn next(&mut self) -> DemuxEvent {
        while self.next.is_none() {
            self.next = self.demuxer.next_frame();
            if self.next.is_some() {
                break;
            }
            if self.ended && self.demuxer.is_truncated() {
                return DemuxEvent::Truncated("it ends within a frame".to_owned());
            }
            if self.ended {
                return DemuxEvent::End;
            }
            self.read_block();
        }
        let Some(frame) = self.next.take() else { return DemuxEvent::End };
        if !self.format.is_some_and(|format| format.has_same_decoder(&frame.format)) {
            // The caller selects the track again, which creates a decoder, and then reads this frame.
            self.next = Some(frame);
            return DemuxEvent::TracksChanged;
        }
        // Damage is reported before the frame after it. The frame stays in `next` for the following call.
        if frame.after_gap && !std::mem::replace(&mut self.gap_reported, true) {
            self.next = Some(frame);
            return DemuxEvent::Damaged("packets of the transport stream are missing or damaged".to_owned());
        }
        self.gap_reported = false;
        DemuxEvent::Packet(self.timed(frame))
    }

    fn timed(&mut self, frame: AudioFrame) -> TimedPacket {
        let ticks = frame.pts.map(|pts| self.unwrap_pts(pts));
        let samples = u64::from(frame.format.samples());
        let seconds = samples as f64 / f64::from(frame.format.rate());
        let packet = Packet::new(0, Timestamp::new(ticks.unwrap_or(0)), Duration::new(samples), frame.data);
        TimedPacket { packet, start: ticks.map(|ticks| ticks as f64 / f64::from(PTS_CLOCK)), seconds }
    }

    /// Continues time stamps over the wraps of their 33-bit counter. Returns the time that equals `pts` modulo 2^33 and
    /// is nearest to the last time stamp.
    fn unwrap_pts(&mut self, pts: u64) -> i64 {
        // A stream can jump back a little at a splice. The nearest time is chosen, so that a small step back is not
        // treated as a wrap of 26 hours.
        let wrap = PTS_WRAP.cast_signed();
        let last = self.clock.unwrap_or(pts.cast_signed());
        let ahead = (pts.cast_signed() - last).rem_euclid(wrap);
        let now = last + if ahead > wrap / 2 { ahead - wrap } else { ahead };
        self.clock = Some(now);
        now
    }

    /// Reads and demuxes the next block. Returns its length in bytes, or 0 at the end and after an error. I/O errors
    /// are kept in `first_error` and end the stream.
    fn read_block(&mut self) -> usize {
        match self.source.read(&mut self.block) {
            Ok(0) => {
                self.ended = true;
                self.demuxer.finish();
                0
            }
            Ok(count) => {
                self.demuxer.push(&self.block[..count]);
                count
            }
            Err(error) => {
                // The error is not returned here, because the source has stored it in `first_error`.
                self.ended = error.kind() != ErrorKind::Interrupted;
                0
            }
        }
    }
}

/// Returns the number of channels of a channel configuration (ISO/IEC 14496-3, table 1.19); 0 if it is unknown.
fn aac_channels(configuration: u8) -> usize {
    match configuration {
        1..=6 => configuration.into(),
        7 | 12 | 14 => 8,
        11 => 7,
        13 => 24,
        _ => 0,
    }
}

/// Returns the decoder parameters for frames of this format. An error describes a variant that is not supported.
pub(in super::super) fn parameters(format: FrameFormat) -> Result<AudioCodecParameters, String> {
    match format {
        FrameFormat::Aac { rate, channel_configuration } => {
            Ok(aac_parameters(Core { rate, configuration: channel_configuration }))
        }
        FrameFormat::Mpeg { layer, rate, .. } => {
            let mut parameters = AudioCodecParameters::new();
            let codec = [id::CODEC_ID_MP1, id::CODEC_ID_MP2, id::CODEC_ID_MP3][usize::from(layer - 1)];
            parameters.for_codec(codec).with_sample_rate(rate);
            Ok(parameters)
        }
        FrameFormat::Opus { .. } => {
            let mut parameters = AudioCodecParameters::new();
            parameters.for_codec(id::CODEC_ID_OPUS).with_sample_rate(format.rate());
            Ok(parameters)
        }
        FrameFormat::Flac { rate, channels, bits, .. } => {
            let mut parameters = AudioCodecParameters::new();
            parameters.for_codec(id::CODEC_ID_FLAC).with_sample_rate(rate);
            parameters.with_extra_data(flac::stream_info(rate, channels, bits));
            Ok(parameters)
        }
        FrameFormat::Ac3 { rate, enhanced, .. } => {
            let mut parameters = AudioCodecParameters::new();
            let codec = if enhanced { id::CODEC_ID_EAC3 } else { id::CODEC_ID_AC3 };
            parameters.for_codec(codec).with_sample_rate(rate);
            Ok(parameters)
        }
    }
}
