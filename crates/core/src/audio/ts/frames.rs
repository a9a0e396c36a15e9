//! Splits an elementary stream into audio frames with time stamps.

use std::collections::VecDeque;

use super::flac;
use super::headers::{self, AudioCoding, FrameFormat, FrameHeader, HeaderResult};
use super::latm::Latm;
use super::{PTS_CLOCK, PTS_WRAP};

/// One frame of audio, as [`LiveDecoder::decode`](crate::audio::LiveDecoder::decode) accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// Start of the frame in ticks of [`PTS_CLOCK`], below [`PTS_WRAP`]. `None` if unknown: before the first time
    /// stamp, and after a loss until the next time stamp.
    pub pts: Option<u64>,
    /// Format of the audio.
    pub format: FrameFormat,
    /// Bytes of the frame: without the header for AAC and Opus, with the header for MPEG audio, FLAC, AC-3 and E-AC-3.
    pub data: Vec<u8>,
    /// True if audio is missing directly before this frame.
    pub after_gap: bool,
}

/// Current time of the stream: the last time stamp and the samples since then.
#[derive(Debug, Clone, Copy)]
struct FrameClock {
    pts: u64,
    /// Samples since `pts`.
    samples: u64,
}

/// Splits an elementary stream into audio frames.
///
/// The first frame that begins after a time stamp has this time. The times of the following frames are computed from it
/// by counting samples. Frames can span several pushes. After damage, a header is accepted only if another header
/// follows its frame.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::ts::{AudioCoding, FrameSplitter};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/adts.aac");
/// let bytes = std::fs::read(file)?;
/// let coding = FrameSplitter::sniff(&bytes).ok_or("not bare frames")?;
/// assert_eq!(coding, AudioCoding::Adts);
///
/// let mut splitter = FrameSplitter::new(coding);
/// splitter.push(&bytes, Some(90_000));
/// let first = splitter.next_frame().ok_or("no frame")?;
/// assert_eq!((first.pts, first.format.rate()), (Some(90_000), 44_100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FrameSplitter {
    coding: AudioCoding,
    latm: Latm,
    buffer: Vec<u8>,
    at: usize,
    /// Position of the first byte of `buffer` in the elementary stream.
    base: u64,
    /// Time stamps that are not assigned to a frame yet, each with its position in the elementary stream: (position,
    /// time stamp).
    stamps: VecDeque<(u64, u64)>,
    clock: Option<FrameClock>,
    /// Header of the previous frame. `None` if the current position is not directly after a frame.
    previous_header: Option<FrameHeader>,
    gap: bool,
    frames: VecDeque<AudioFrame>,
    /// Buffers of recycled frames, for the next frames.
    spare: Vec<Vec<u8>>,
    damaged: u64,
}

impl FrameSplitter {
    /// Creates a splitter at the start of a stream.
    #[must_use]
    pub fn new(coding: AudioCoding) -> Self {
        Self {
            coding,
            latm: Latm::default(),
            buffer: Vec::new(),
            at: 0,
            base: 0,
            stamps: VecDeque::new(),
            clock: None,
            previous_header: None,
            gap: false,
            frames: VecDeque::new(),
            spare: Vec::new(),
            damaged: 0,
        }
    }

    /// Detects the coding of audio frames without a container. `bytes` should be some kilobytes and may begin within a
    /// frame. Returns `None` if they do not consist of frames.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<AudioCoding> {
        /// Number of frames that identify a coding. Fewer are enough if they cover nearly all bytes. With one frame, a
        /// chance header in a text could be accepted. With six, short segments of a stream are not recognized.
        const MIN_FRAMES: usize = 3;
        // Frames of one coding can contain chance headers of another coding, so the coding whose frames cover most
        // bytes is chosen.
        let covered = |coding| {
            // `AudioFrame::data` does not contain these header bytes. In silence, most bytes are headers, so they must
            // be counted.
            let header = match coding {
                AudioCoding::Adts => 7,
                AudioCoding::Latm => 3,
                AudioCoding::Mpeg | AudioCoding::Opus | AudioCoding::Flac | AudioCoding::Ac3 => 0,
            };
            let mut splitter = Self::new(coding);
            splitter.push(bytes, None);
            splitter.finish();
            let frames: Vec<_> = splitter.frames.iter().map(|frame| frame.data.len() + header).collect();
            let sum: usize = frames.iter().sum();
            (sum, frames.len() >= MIN_FRAMES || sum + 16 >= bytes.len())
        };
        let codings = [AudioCoding::Adts, AudioCoding::Latm, AudioCoding::Mpeg, AudioCoding::Ac3];
        let best =
            codings.into_iter().map(|coding| (covered(coding), coding)).max_by_key(|((sum, _), _)| *sum)?;
        let ((sum, enough), coding) = best;
        // The remaining bytes are incomplete frames at both ends.
        (enough && 2 * sum > bytes.len()).then_some(coding)
    }

    /// Returns the coding of the frames.
    #[must_use]
    pub fn coding(&self) -> AudioCoding {
        self.coding
    }

    /// Returns the name of the codec of the last frame if that codec is not supported, or `None` if it is supported or
    /// unknown. Only LATM names the codec in its frames.
    #[must_use]
    pub fn unsupported_codec(&self) -> Option<&str> {
        self.latm.unsupported_codec()
    }

    /// Adds the next bytes of the elementary stream. `pts` is the time stamp (in ticks of [`PTS_CLOCK`]) of the first
    /// frame that begins in these bytes, or `None` if unknown.
    pub fn push(&mut self, bytes: &[u8], pts: Option<u64>) {
        self.base += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        if let Some(pts) = pts {
            self.stamps.push_back((self.base + self.buffer.len() as u64, pts % PTS_WRAP));
        }
        self.buffer.extend_from_slice(bytes);
        self.split(false);
    }

    /// Records that bytes are missing between the last push and the next one. An incomplete frame is discarded.
    pub fn gap(&mut self) {
        self.finish();
        self.gap = true;
    }

    /// Ends the stream. Complete frames can still be read. Returns true if the stream ended within a frame.
    pub fn finish(&mut self) -> bool {
        self.split(true);
        let within = self.at < self.buffer.len();
        self.base += self.buffer.len() as u64;
        self.buffer.clear();
        self.at = 0;
        self.previous_header = None;
        self.clock = None;
        self.stamps.clear();
        within
    }

    /// Returns the next complete frame, or `None` if more bytes are needed.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        self.frames.pop_front()
    }

    /// Reuses the memory of a frame that the caller does not need any more.
    pub fn recycle(&mut self, frame: AudioFrame) {
        /// Maximum number of kept buffers: more than the number of frames in a push of some kilobytes. A buffer takes
        /// some hundred bytes.
        const MAX_SPARE_BUFFERS: usize = 64;
        if self.spare.len() < MAX_SPARE_BUFFERS {
            self.spare.push(frame.data);
        }
    }

    /// Returns the number of places where frames were damaged or lost so far.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn split(&mut self, last: bool) {
        while self.at < self.buffer.len() {
            let rest = &self.buffer[self.at..];
            match self.read_header(rest, last) {
                HeaderResult::Header(header) if rest.len() < header.length => {
                    // The frame is incomplete. At the end of the stream, a header that does not directly follow a frame
                    // is skipped.
                    if !last || self.continues_run(header) {
                        return;
                    }
                    self.skip(1);
                }
                HeaderResult::Header(header) => {
                    match self.continues_run(header) || self.confirmed(header, last) {
                        true => self.take(header),
                        false if self.needs_more_bytes(header, last) => return,
                        false => self.skip(1),
                    }
                }
                HeaderResult::Incomplete => return,
                HeaderResult::Damaged(length) => self.skip(length),
                HeaderResult::None => self.skip(1),
            }
        }
    }

    /// Reads the header at the start of `bytes`. `last` is true if no more bytes follow.
    fn read_header(&self, bytes: &[u8], last: bool) -> HeaderResult {
        match self.coding {
            AudioCoding::Flac => flac::read(bytes, last),
            coding => headers::read(coding, bytes),
        }
    }

    /// Returns true if `header`, at the current position, directly follows a frame of the same format.
    fn continues_run(&self, header: FrameHeader) -> bool {
        self.previous_header.is_some_and(|before| before.is_compatible(&header))
    }

    /// Returns true if another header of the same format follows the frame of `header`, or if the stream ends after
    /// that frame. `last` is true if no more bytes follow.
    fn confirmed(&self, header: FrameHeader, last: bool) -> bool {
        match self.read_header(&self.buffer[self.at + header.length..], last) {
            HeaderResult::Header(next) => next.is_compatible(&header),
            HeaderResult::Incomplete => last,
            HeaderResult::Damaged(_) | HeaderResult::None => false,
        }
    }

    /// Returns true if too few bytes follow the frame of `header` to confirm it, and more bytes can follow.
    fn needs_more_bytes(&self, header: FrameHeader, last: bool) -> bool {
        let after_frame = &self.buffer[self.at + header.length..];
        !last && self.read_header(after_frame, last) == HeaderResult::Incomplete
    }

    /// Skips bytes that do not begin a frame. For an invalid header, this is one byte, because the length in it is
    /// meaningless.
    fn skip(&mut self, length: usize) {
        if self.previous_header.take().is_some() {
            self.damaged += 1;
            self.gap = true;
            self.clock = None;
        }
        self.at += length;
    }

    fn take(&mut self, header: FrameHeader) {
        let position = self.base + self.at as u64;
        while let Some((_, pts)) = self.stamps.pop_front_if(|(from, _)| *from <= position) {
            // The time stamp of a skipped frame is that of the frame before it, which is already counted.
            if !header.is_skipped() {
                self.clock = Some(FrameClock { pts, samples: 0 });
            }
        }
        let bytes = &self.buffer[self.at + header.strip..self.at + header.length];
        if header.is_skipped() {
            // Its audio is that of another frame, so it takes no time.
        } else if let Some(format) = header.format {
            // Frames are written to recycled buffers, so that demuxing a live stream allocates no memory.
            let mut data = self.spare.pop().unwrap_or_default();
            data.clear();
            data.extend_from_slice(bytes);
            self.push_frame(format, data);
        } else {
            let frames = self.latm.unpack(bytes).unwrap_or_default();
            if frames.is_empty() {
                self.damaged += 1;
                self.gap = true;
                self.clock = None;
            }
            frames.into_iter().for_each(|(format, data)| self.push_frame(format, data));
        }
        self.previous_header = Some(header);
        self.at += header.length;
    }

    fn push_frame(&mut self, format: FrameFormat, data: Vec<u8>) {
        let pts = self.clock.map(|clock| {
            // The time is computed from the total number of samples. The length of a frame is not a whole number of
            // ticks, so rounding errors of single frames would add up.
            let ticks = clock.samples * u64::from(PTS_CLOCK) / u64::from(format.rate());
            (clock.pts + ticks) % PTS_WRAP
        });
        if let Some(clock) = &mut self.clock {
            clock.samples += u64::from(format.samples());
        }
        self.frames.push_back(AudioFrame { pts, format, data, after_gap: std::mem::take(&mut self.gap) });
    }
}

#[cfg(test)]
mod tests;
