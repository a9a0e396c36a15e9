//! An elementary stream to audio frames with time stamps.

use std::collections::VecDeque;

use super::headers::{self, AudioCoding, Found, FrameFormat, FrameHeader};
use super::latm::Latm;
use super::{PTS_CLOCK, PTS_WRAP};

/// One frame of audio, as a decoder takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFrame {
    /// When it starts: ticks of [`PTS_CLOCK`], below [`PTS_WRAP`]. Nothing before the first stamp and, after
    /// a loss, up to the next.
    pub pts: Option<u64>,
    /// What it holds.
    pub format: FrameFormat,
    /// Its bytes: for AAC without header, for MPEG audio with it.
    pub data: Vec<u8>,
    /// Whether something is missing right before it.
    pub after_gap: bool,
}

/// Where the stream is in time.
#[derive(Debug, Clone, Copy)]
struct Clock {
    pts: u64,
    /// Samples since `pts`.
    samples: u64,
}

/// Cuts an elementary stream into frames.
///
/// The first frame that begins after a time stamp has it; the following ones count on from there. Frames may
/// straddle pushes. After damage, a header is believed only if another follows its frame.
#[derive(Debug)]
pub struct FrameSplitter {
    coding: AudioCoding,
    latm: Latm,
    buffer: Vec<u8>,
    at: usize,
    /// Position in the stream of the buffer's first byte.
    base: u64,
    /// Positions and stamps that no frame has yet.
    stamps: VecDeque<(u64, u64)>,
    clock: Option<Clock>,
    /// The header before, if its frame ended where the next began.
    locked: Option<FrameHeader>,
    gap: bool,
    frames: VecDeque<AudioFrame>,
    /// Memory of frames that were given back.
    spare: Vec<Vec<u8>>,
    damaged: u64,
}

impl FrameSplitter {
    /// A splitter at the start of a stream.
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
            locked: None,
            gap: false,
            frames: VecDeque::new(),
            spare: Vec::new(),
            damaged: 0,
        }
    }

    /// How bare frames are coded, by some kilobytes of them; nothing if they are none. They may begin within a frame.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<AudioCoding> {
        /// Frames that show a coding, unless all bytes are fewer.
        const ENOUGH: usize = 3;
        let covered = |coding| {
            // Bytes of a header that is not part of the frame's data: of silence most of what there is.
            let header = match coding {
                AudioCoding::Adts => 7,
                AudioCoding::Latm => 3,
                AudioCoding::Mpeg => 0,
            };
            let mut splitter = Self::new(coding);
            splitter.push(bytes, None);
            splitter.finish();
            let frames: Vec<_> = splitter.frames.iter().map(|frame| frame.data.len() + header).collect();
            let sum: usize = frames.iter().sum();
            (sum, frames.len() >= ENOUGH || sum + 16 >= bytes.len())
        };
        let codings = [AudioCoding::Adts, AudioCoding::Latm, AudioCoding::Mpeg];
        let best =
            codings.into_iter().map(|coding| (covered(coding), coding)).max_by_key(|((sum, _), _)| *sum)?;
        let ((sum, enough), coding) = best;
        // The rest are halves of frames at both ends.
        (enough && 2 * sum > bytes.len()).then_some(coding)
    }

    /// How the frames are coded.
    #[must_use]
    pub fn coding(&self) -> AudioCoding {
        self.coding
    }

    /// Takes the next bytes, and the time stamp of the first frame that begins in them, if there is one.
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

    /// Notes that bytes are missing here: a frame that is not complete is given up.
    pub fn gap(&mut self) {
        self.finish();
        self.gap = true;
    }

    /// Ends the stream. Returns whether it ended within a frame.
    pub fn finish(&mut self) -> bool {
        self.split(true);
        let within = self.at < self.buffer.len();
        self.base += self.buffer.len() as u64;
        self.buffer.clear();
        self.at = 0;
        self.locked = None;
        self.clock = None;
        self.stamps.clear();
        within
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        self.frames.pop_front()
    }

    /// Takes back the memory of a frame that is done with, for one to come.
    pub fn recycle(&mut self, frame: AudioFrame) {
        /// More frames than lie between two pushes of some kilobytes.
        const MAX_SPARE: usize = 64;
        if self.spare.len() < MAX_SPARE {
            self.spare.push(frame.data);
        }
    }

    /// Places where frames were damaged or lost so far.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn split(&mut self, last: bool) {
        while self.at < self.buffer.len() {
            let rest = &self.buffer[self.at..];
            match headers::read(self.coding, rest) {
                Found::Header(header) if rest.len() < header.length => {
                    // A header without its whole frame: believed where one should be, else searched on at the end.
                    if !last || self.follows(header) {
                        return;
                    }
                    self.skip();
                }
                Found::Header(header) => match self.follows(header) || self.confirmed(header, last) {
                    true => self.take(header),
                    false if self.awaits(header, last) => return,
                    false => self.skip(),
                },
                Found::Short => return,
                Found::None => self.skip(),
            }
        }
    }

    /// Whether a header continues a run of frames.
    fn follows(&self, header: FrameHeader) -> bool {
        self.locked.is_some_and(|before| before.format == header.format)
    }

    /// Whether another header of the same kind stands behind the frame.
    fn confirmed(&self, header: FrameHeader, last: bool) -> bool {
        match headers::read(self.coding, &self.buffer[self.at + header.length..]) {
            Found::Header(next) => next.format == header.format,
            Found::Short => last,
            Found::None => false,
        }
    }

    /// Whether more bytes may confirm a header.
    fn awaits(&self, header: FrameHeader, last: bool) -> bool {
        let behind = &self.buffer[self.at + header.length..];
        !last && headers::read(self.coding, behind) == Found::Short
    }

    /// Moves on by a byte that begins no frame.
    fn skip(&mut self) {
        if self.locked.take().is_some() {
            self.damaged += 1;
            self.gap = true;
            self.clock = None;
        }
        self.at += 1;
    }

    fn take(&mut self, header: FrameHeader) {
        let position = self.base + self.at as u64;
        while let Some((_, pts)) = self.stamps.pop_front_if(|(from, _)| *from <= position) {
            self.clock = Some(Clock { pts, samples: 0 });
        }
        let bytes = &self.buffer[self.at + header.strip..self.at + header.length];
        if let Some(format) = header.format {
            let mut data = self.spare.pop().unwrap_or_default();
            data.clear();
            data.extend_from_slice(bytes);
            self.give(format, data);
        } else {
            let frames = self.latm.unpack(bytes).unwrap_or_default();
            if frames.is_empty() {
                self.damaged += 1;
                self.gap = true;
                self.clock = None;
            }
            frames.into_iter().for_each(|(format, data)| self.give(format, data));
        }
        self.locked = Some(header);
        self.at += header.length;
    }

    fn give(&mut self, format: FrameFormat, data: Vec<u8>) {
        let pts = self.clock.map(|clock| {
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
mod tests {
    use super::*;

    /// An ADTS frame of 44.1 kHz stereo with this body.
    fn frame(body: &[u8]) -> Vec<u8> {
        let length = 7 + body.len();
        let sizes = [0x80 | (length >> 11) as u8, (length >> 3) as u8, (length << 5) as u8 | 0x1F];
        [&[0xFF, 0xF1, 0x50], &sizes[..], &[0xFC], body].concat()
    }

    fn split(pushes: &[(&[u8], Option<u64>)]) -> Vec<(Vec<u8>, Option<u64>, bool)> {
        let mut splitter = FrameSplitter::new(AudioCoding::Adts);
        pushes.iter().for_each(|(bytes, pts)| splitter.push(bytes, *pts));
        splitter.finish();
        std::iter::from_fn(|| splitter.next_frame()).map(|f| (f.data, f.pts, f.after_gap)).collect()
    }

    #[test]
    fn stamps_belong_to_the_first_frame_that_begins_after_them() {
        let bytes: Vec<u8> = (1..=4).flat_map(|i| frame(&[i; 20])).collect();
        let (a, b) = bytes.split_at(40); // within the second frame
        let frames = split(&[(a, Some(PTS_WRAP - 1_000)), (b, Some(5_000))]);
        let stamps: Vec<_> = frames.iter().map(|f| f.1).collect();
        assert_eq!(stamps, [Some(PTS_WRAP - 1_000), Some(1_089), Some(5_000), Some(7_089)]);
        assert!(frames.iter().zip(1..).all(|(f, i)| f.0 == [i; 20] && !f.2));
    }

    #[test]
    fn codings_are_told_from_noise() {
        let adts: Vec<u8> = (1..=9).flat_map(|i| frame(&[i; 200])).collect();
        assert_eq!(FrameSplitter::sniff(&adts[40..]), Some(AudioCoding::Adts));
        assert_eq!(FrameSplitter::sniff(&adts[..207]), Some(AudioCoding::Adts));
        let mpeg = [&[0xFF, 0xFB, 0x90, 0x00][..], &[7; 413]].concat().repeat(5);
        assert_eq!(FrameSplitter::sniff(&mpeg[100..]), Some(AudioCoding::Mpeg));
        let noise: Vec<u8> = (0..40_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(FrameSplitter::sniff(&noise), None);
        assert_eq!(FrameSplitter::sniff(b"<html><body>404</body></html>"), None);
        assert_eq!(FrameSplitter::sniff(b""), None);
    }

    #[test]
    fn damage_costs_the_frame_it_touches() {
        let mut bytes: Vec<u8> = (1..=5).flat_map(|i| frame(&[i; 20])).collect();
        bytes[27 * 2] = 0; // the third frame's header
        let frames = split(&[(&bytes, Some(0))]);
        assert_eq!(frames.iter().map(|f| f.0[0]).collect::<Vec<_>>(), [1, 2, 4, 5]);
        assert_eq!(
            frames.iter().map(|f| (f.1.is_some(), f.2)).collect::<Vec<_>>(),
            [(true, false), (true, false), (false, true), (false, false)]
        );
        let cut = split(&[(&bytes[..27 * 2 - 1], None)]);
        assert_eq!(cut.len(), 1, "half a frame is none");
    }

    #[test]
    fn silence_is_known_too() {
        // LC, 48 kHz, mono, 11 bytes: as an encoder writes digital silence.
        let frame = [0xFF, 0xF1, 0x4C, 0x40, 0x01, 0x7F, 0xFC, 0x01, 0x18, 0x20, 0x07];
        assert_eq!(FrameSplitter::sniff(&frame.repeat(90)), Some(AudioCoding::Adts));
        assert_eq!(FrameSplitter::sniff(&[0x55; 990]), None);
    }
}
