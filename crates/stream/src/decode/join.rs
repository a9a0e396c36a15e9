//! The start of a connection of a live stream without segments.
//!
//! A server sends some seconds of audio at once when a connection begins (its burst), so that players can start. The
//! end of the burst is "now", so the time of the first frame is known only after the burst. After a reconnect the burst
//! often repeats audio that was already received. So the first frames of each connection are held back (for about half
//! a second without a burst) and then placed: directly after the audio of the connection before, or after a gap.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher as _};

use refrain_core::audio::ts::FrameFormat;

use super::frame::Frame;

/// Time in seconds over which the rate of arrivals is measured, to distinguish a burst from live audio. It also is the
/// time for which the audio of a connection without a burst is held back. At half this value, a pause within a burst
/// looks like its end; at twice this value, each connection starts half a second later.
const RATE_WINDOW_SECONDS: f64 = 0.5;

/// Lowest rate of a burst, as a multiple of the rate at which it plays. Networks carry radio at ten times its rate and
/// more; a server that sends at twice the rate does so to fill buffers, for minutes. At half this value, such a server
/// is held back up to [`MAX_HOLD_SECONDS`]; at twice this value, a burst over a slow line is taken for live audio, and
/// its times are early.
const BURST_RATE: f64 = 4.0;

/// Time in seconds after the first audio in which all audio counts as part of a burst. A short burst ends within a
/// round trip. At half this value, the second packets of distant servers count as live audio; at twice this value,
/// times of connections without a burst are up to 0.3 s early.
const SHORT_BURST_SECONDS: f64 = 0.15;

/// Longest time for which audio is held back, in seconds of arrival time. It bounds the delay of a source that always
/// sends faster than it plays. At half this value, a burst of 30 s over a line of 1.3 Mbit/s can end too soon; at twice
/// this value, such sources start 10 s late.
const MAX_HOLD_SECONDS: f64 = 5.0;

/// Most audio that is held back, in seconds: longer than the burst of usual servers (up to about 30 s). At half this
/// value, a server with a large buffer is placed too early; at twice this value, a connection that delivers a file
/// holds 3 minutes of frames in memory.
const MAX_BUFFERED_SECONDS: f64 = 90.0;

/// Frames that are remembered, to recognize repeated audio: about 40 s, more than the burst of usual servers. At half
/// this value, a burst of 30 s after a reconnect is not recognized and only the clock places it; at twice this value,
/// the search for an overlap takes up to twice the time.
const MAX_RECENT_FRAMES: usize = 1_600;

/// Fewest equal frames in a row that count as repeated audio: 0.1 s. At half this value, two frames of digital silence
/// or of a jingle match by chance; at twice this value, a burst shorter than 0.2 s is decoded twice.
const MIN_OVERLAP_FRAMES: usize = 4;
/// Fewest different frames among these, because all frames of silence are equal. At half this value, alternating frames
/// of silence count as an overlap; at twice this value, it could not be reached by the shortest overlap.
const MIN_DISTINCT_FRAMES: usize = 3;

/// Most frames at the start of a connection that may be broken, because it often begins within a frame. At half this
/// value, a false sync and the frame after it prevent the recognition; at twice this value, up to six new frames before
/// an overlap are taken for broken ones.
const MAX_BROKEN_FRAMES: usize = 3;

/// A frame that is held back.
#[derive(Debug)]
pub(super) struct BufferedFrame {
    data: Vec<u8>,
    format: Option<FrameFormat>,
    pub(super) seconds: f64,
    time: Option<f64>,
    after_loss: bool,
}

impl BufferedFrame {
    pub(super) fn frame(&self) -> Frame<'_> {
        let Self { data, format, seconds, time, after_loss } = self;
        Frame { data, format: *format, seconds: *seconds, time: *time, after_loss: *after_loss }
    }
}

/// The start of a connection, until its first frames are placed.
#[derive(Debug)]
pub(super) struct ConnectionStart {
    /// Time when the first bytes arrived, seconds since 1970.
    connected_at: f64,
    /// Time when the last audio of the connection before arrived, and time until which that connection delivered
    /// nothing more, in seconds since 1970.
    pub(super) before: Option<(f64, f64)>,
    pub(super) frames: Vec<BufferedFrame>,
    /// Decoded audio that is held back, in place of frames.
    pub(super) samples: Vec<f32>,
    /// Seconds of audio that are held back.
    seconds: f64,
    timing: Option<Timing>,
}

/// Arrivals of a connection.
#[derive(Debug)]
struct Timing {
    /// Time when the first audio arrived, seconds since 1970.
    first: f64,
    /// Time of the first frame: the least difference of an arrival in the burst and the audio received by then.
    start: f64,
    /// The same for all arrivals. It moves earlier and earlier if a source sends somewhat faster than it plays.
    min_start: f64,
    /// Arrival time and seconds of audio at the start of the rate window.
    window: (f64, f64),
    /// True if the burst has ended.
    settled: bool,
}

impl ConnectionStart {
    /// Creates the start of a connection whose first bytes arrived at `connected_at`. `before` has the time when the
    /// last audio of the connection before arrived, and the time when that connection ended.
    pub(super) fn new(connected_at: f64, before: Option<(f64, f64)>) -> Self {
        Self { connected_at, before, frames: Vec::new(), samples: Vec::new(), seconds: 0.0, timing: None }
    }

    /// Returns true if nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.samples.is_empty()
    }

    /// Holds a frame back.
    pub(super) fn hold(&mut self, frame: Frame<'_>) {
        self.seconds += frame.seconds;
        let Frame { data, format, seconds, time, after_loss } = frame;
        self.frames.push(BufferedFrame { data: data.to_vec(), format, seconds, time, after_loss });
    }

    /// Holds decoded audio back that is `seconds` long.
    pub(super) fn hold_samples(&mut self, samples: &[f32], seconds: f64) {
        self.seconds += seconds;
        self.samples.extend_from_slice(samples);
    }

    /// Notes that everything that is held had arrived at `time`.
    pub(super) fn arrived(&mut self, time: f64) {
        if self.seconds == 0.0 {
            return;
        }
        let (start, seconds) = (time - self.seconds, self.seconds);
        let timing = self.timing.get_or_insert(Timing {
            first: time,
            start,
            min_start: start,
            window: (time, seconds),
            settled: false,
        });
        timing.min_start = timing.min_start.min(start);
        // Both limits also end the burst: the best start found so far is then used.
        let is_long = time - timing.first > MAX_HOLD_SECONDS || seconds > MAX_BUFFERED_SECONDS;
        // A long hold counts as burst, so that the estimate uses the least bound of all arrivals.
        let mut in_burst = is_long || time - timing.first <= SHORT_BURST_SECONDS;
        let (since, before) = timing.window;
        let elapsed = time - since;
        if elapsed >= RATE_WINDOW_SECONDS {
            let is_fast = seconds - before >= BURST_RATE * elapsed;
            // The arrivals of a slow window do not move the start: after the burst, a source that sends slightly too
            // fast would move it earlier and earlier.
            in_burst |= is_fast;
            timing.settled |= !is_fast;
            timing.window = (time, seconds);
        }
        if in_burst {
            timing.start = timing.min_start;
        }
        timing.settled |= is_long;
    }

    /// Returns true if the burst has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.timing.as_ref().is_some_and(|timing| timing.settled)
    }

    /// Returns the latest possible time of the first frame, seconds since 1970.
    pub(super) fn start(&self) -> f64 {
        self.timing.as_ref().map_or(self.connected_at - self.seconds, |timing| timing.start)
    }
}

/// Hashes of the frames that were received last.
#[derive(Debug, Default)]
pub(super) struct RecentFrames {
    hashes: VecDeque<u64>,
    /// Hashes of remembered frames that the connection is expected to repeat next.
    expected: VecDeque<u64>,
}

impl RecentFrames {
    /// Remembers a frame.
    pub(super) fn push(&mut self, data: &[u8]) {
        if self.hashes.len() >= MAX_RECENT_FRAMES {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash(data));
    }

    /// Returns true if a frame is the next one of the repeated frames that [`Self::overlap`] found.
    pub(super) fn repeats(&mut self, data: &[u8]) -> bool {
        let repeats = self.expected.front().is_some_and(|expected| *expected == hash(data));
        if repeats {
            self.expected.pop_front();
        } else {
            self.expected.clear();
        }
        repeats
    }

    /// Returns the number of frames at the start of a connection that repeat the last frames of the connection before,
    /// or `None` if they do not. If several overlaps are possible, as with a loop or silence, the one that is nearest
    /// to `expected_seconds` is chosen.
    pub(super) fn overlap(&mut self, frames: &[BufferedFrame], expected_seconds: f64) -> Option<usize> {
        let new: Vec<u64> = frames.iter().map(|frame| hash(&frame.data)).collect();
        let old = self.hashes.make_contiguous();
        let known: HashSet<u64> = old.iter().copied().collect();
        // A connection that begins within a frame delivers a frame that no earlier one equals.
        let broken = new.iter().take(MAX_BROKEN_FRAMES).take_while(|hash| !known.contains(hash)).count();
        let (new, frames) = (new.get(broken..)?, frames.get(broken..)?);
        // The new connection must repeat the history up to its end: a match in the middle only would be a repeated
        // jingle.
        let starts = (0..old.len()).filter_map(|start| {
            let tail = old.get(start..)?;
            let length = tail.len().min(new.len());
            // The tail can be longer than the frames that are held back; the rest is then expected from the next
            // frames.
            (length >= MIN_OVERLAP_FRAMES && tail.get(..length) == new.get(..length))
                .then_some((start, length))
        });
        let distance = |&(_, length): &(usize, usize)| {
            let seconds: f64 = frames.iter().take(length).map(|frame| frame.seconds).sum();
            (seconds - expected_seconds).abs()
        };
        let (start, length) = starts.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let distinct: HashSet<&u64> = new.iter().take(length).collect();
        if distinct.len() < MIN_DISTINCT_FRAMES {
            return None;
        }
        self.expected = old.iter().skip(start + length).copied().collect();
        Some(broken + length)
    }
}

fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(data);
    hasher.finish()
}

#[cfg(test)]
mod tests;
