//! Reads audio frames without a container, as files of AC-3 and E-AC-3 contain them, and returns them as packets.

use std::io::{ErrorKind, Read};

use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::codec::Codec;
use super::demux::{DemuxEvent, SelectedTrack, TimedPacket};
use super::error::AudioError;
use super::source::{ByteSource, FirstError};
use super::ts::{self, AudioCoding, AudioFrame, FrameFormat, FrameSplitter};

/// Number of bytes that are read and split at once.
const READ_BYTES: usize = 64 << 10;

/// Maximum number of bytes that are read to find the first frame. The detection of the format has found a frame at the
/// start of the source, so a larger value would only delay the error for a damaged file.
const MAX_PROBE_BYTES: usize = 1 << 20;

/// A reader of audio frames without a container.
pub(super) struct FrameReader {
    source: ByteSource,
    first_error: FirstError,
    splitter: FrameSplitter,
    block: Vec<u8>,
    /// The next frame, which was split off but not returned yet. `None` if more bytes must be read first.
    next: Option<AudioFrame>,
    format: Option<FrameFormat>,
    /// True if the damage before the frame in `next` was already reported.
    gap_reported: bool,
    ended: bool,
    /// True if the source ended within a frame.
    truncated: bool,
}

impl FrameReader {
    /// Opens a source of frames with this coding and reads up to its first frame. `name` is the name of the source in
    /// errors.
    pub(super) fn open(source: ByteSource, coding: AudioCoding, name: &str) -> Result<Self, AudioError> {
        let mut reader = Self {
            first_error: source.first_error(),
            source,
            splitter: FrameSplitter::new(coding),
            block: vec![0; READ_BYTES],
            next: None,
            format: None,
            gap_reported: false,
            ended: false,
            truncated: false,
        };
        let mut read = 0;
        while reader.next.is_none() && !reader.ended && read < MAX_PROBE_BYTES {
            read += reader.read_block();
            reader.next = reader.splitter.next_frame();
        }
        if reader.next.is_some() {
            return Ok(reader);
        }
        let name = name.to_owned();
        Err(match reader.first_error.take() {
            Some(source) => AudioError::Read { name, source },
            None => AudioError::Damaged { name, reason: "it holds no complete audio frame".to_owned() },
        })
    }

    /// Returns the [`FirstError`] that keeps the first I/O error of the source.
    pub(super) fn first_error(&self) -> &FirstError {
        &self.first_error
    }

    /// Creates a decoder for the format of the next frame. `name` is the name of the source in errors.
    pub(super) fn select_track(&mut self, name: &str) -> Result<SelectedTrack, AudioError> {
        let format = self.next.as_ref().map(|frame| frame.format).or(self.format);
        let Some(format) = format else { return Err(AudioError::NoSound { name: name.to_owned() }) };
        self.format = Some(format);
        let codec = ts::parameters(format)
            .and_then(|parameters| Codec::new(&parameters))
            .map_err(|codec| AudioError::UnsupportedCodec { name: name.to_owned(), codec })?;
        Ok(SelectedTrack { codec, rate: format.rate(), channels: 0, seconds: None })
    }

    /// Returns the next event, such as a frame as a packet. A change of the format is reported before the first frame
    /// of the new format.
    pub(super) fn next(&mut self) -> DemuxEvent {
        while self.next.is_none() {
            self.next = self.splitter.next_frame();
            if self.next.is_some() {
                break;
            }
            if self.ended && self.truncated {
                return DemuxEvent::Truncated("it ends within a frame".to_owned());
            }
            if self.ended {
                return DemuxEvent::End;
            }
            self.read_block();
        }
        let Some(frame) = self.next.take() else { return DemuxEvent::End };
        if self.format.is_none_or(|format| !format.has_same_decoder(&frame.format)) {
            // The caller selects the track again, which creates a decoder, and then reads this frame.
            self.next = Some(frame);
            return DemuxEvent::TracksChanged;
        }
        // Damage is reported before the frame after it. The frame stays in `next` for the following call.
        if frame.after_gap && !std::mem::replace(&mut self.gap_reported, true) {
            self.next = Some(frame);
            return DemuxEvent::Damaged("bytes between the frames are damaged".to_owned());
        }
        self.gap_reported = false;
        let samples = u64::from(frame.format.samples());
        let seconds = samples as f64 / f64::from(frame.format.rate());
        let packet = Packet::new(0, Timestamp::new(0), Duration::new(samples), frame.data);
        DemuxEvent::Packet(TimedPacket { packet, start: None, seconds })
    }

    /// Reads and splits the next block. Returns its length in bytes, or 0 at the end and after an error. I/O errors are
    /// kept in `first_error` and end the source.
    fn read_block(&mut self) -> usize {
        match self.source.read(&mut self.block) {
            Ok(0) => {
                self.ended = true;
                self.truncated = self.splitter.finish();
                0
            }
            Ok(count) => {
                self.splitter.push(&self.block[..count], None);
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
