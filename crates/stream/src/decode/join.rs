//! The start of a connection of a live stream without segments.
//!
//! A server sends some seconds of audio at once when a connection begins (its burst), so that players can start at
//! once. The end of the burst is the present, so the time of the first frame can be computed only after the burst.
//! After a reconnect, the burst often repeats audio of the previous connection. So the first frames of each connection
//! are held back until the burst ends, or for about half a second without a burst. Then they are placed: directly after
//! the audio of the previous connection, or after a gap.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher as _};

use refrain_core::audio::ts::FrameFormat;

use super::frame::Frame;

/// Time in seconds over which the rate of arrivals is measured, to distinguish a burst from live audio. The audio of a
/// connection without a burst is also held back for this time. At half this value, a pause within a burst looks like
/// the end of the burst, and the times are too late; at twice this value, each connection starts half a second later.
const RATE_WINDOW_SECONDS: f64 = 0.5;

/// Lowest rate of a burst, as a multiple of real time. Networks carry radio at ten times its rate and more; a server
/// that sends at twice the rate does so for minutes, to fill buffers. At half this value, the audio of such a server is
/// held back for up to [`MAX_HOLD_SECONDS`]; at twice this value, a burst over a slow line counts as live audio, and
/// its times are too late.
const BURST_RATE: f64 = 4.0;

/// Time in seconds after the first audio in which all audio counts as part of a burst. A short burst ends within a
/// round trip. At half this value, the second packets of distant servers count as live audio; at twice this value,
/// times of connections without a burst are up to 0.3 s too early.
const SHORT_BURST_SECONDS: f64 = 0.15;

/// Longest time for which audio is held back, in seconds since its first arrival. The limit bounds the delay of a
/// source that always sends faster than real time. At half this value, the limit can end a burst of 30 s over a line of
/// 1.3 Mbit/s too soon; at twice this value, such a source starts 10 s late.
const MAX_HOLD_SECONDS: f64 = 5.0;

/// Most audio that is held back, in seconds: longer than the burst of usual servers (up to about 30 s). At half this
/// value, the times of a server with a larger buffer are too late; at twice this value, a connection that delivers a
/// file keeps 3 minutes of frames in memory.
const MAX_BUFFERED_SECONDS: f64 = 90.0;

/// Maximum number of stored hashes of frames, which are used to recognize repeated audio: about 40 s, more than the
/// burst of usual servers. At half this value, a repeated burst of 30 s is not recognized by its frames, only by its
/// arrival time; at twice this value, the search for an overlap takes up to twice the time.
const MAX_RECENT_FRAMES: usize = 1_600;

/// Fewest equal frames in a row that count as repeated audio: 0.1 s. At half this value, two frames of digital silence
/// or of a jingle match by chance, and new audio is left out; at twice this value, a burst shorter than 0.2 s is
/// decoded twice.
const MIN_OVERLAP_FRAMES: usize = 4;
/// Fewest different frames in an overlap, because all frames of silence are equal. At half this value, alternating
/// frames of silence count as an overlap; at twice this value, an overlap of [`MIN_OVERLAP_FRAMES`] could never be
/// recognized.
const MIN_DISTINCT_FRAMES: usize = 3;

/// Maximum number of broken frames at the start of a connection, which often begins within a frame. At half this value,
/// two broken frames prevent the recognition of an overlap; at twice this value, up to six new frames before an overlap
/// count as broken and are left out.
const MAX_BROKEN_FRAMES: usize = 3;

/// An audio frame that is held back until the first frames of its connection are placed.
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

/// The start of a connection, with the audio that is held back until its first frames are placed.
#[derive(Debug)]
pub(super) struct ConnectionStart {
    /// Time when the first bytes arrived, seconds since 1970.
    connected_at: f64,
    /// The time when the last audio of the previous connection arrived, and the time until which that connection
    /// delivered nothing more, in seconds since 1970. `None` for the first connection.
    pub(super) before: Option<(f64, f64)>,
    pub(super) frames: Vec<BufferedFrame>,
    /// Decoded audio that is held back: 44.1 kHz mono. It is used instead of `frames` if the source delivers samples.
    pub(super) samples: Vec<f32>,
    /// Seconds of audio that are held back.
    seconds: f64,
    timing: Option<Timing>,
}

/// Arrival times at the start of a connection.
#[derive(Debug)]
struct Timing {
    /// Time when the first audio arrived, seconds since 1970.
    first: f64,
    /// Estimated time of the first frame, seconds since 1970: the least value of arrival time minus seconds of audio
    /// received by then, over the arrivals of the burst.
    start: f64,
    /// The same minimum as `start`, but over all arrivals. It becomes earlier and earlier if a source sends somewhat
    /// faster than real time.
    min_start: f64,
    /// Arrival time (seconds since 1970), and seconds of audio received by then, at the start of the current
    /// measurement of the rate, which takes [`RATE_WINDOW_SECONDS`].
    window: (f64, f64),
    /// True if the burst has ended, or if [`MAX_HOLD_SECONDS`] or [`MAX_BUFFERED_SECONDS`] is exceeded.
    settled: bool,
}

impl ConnectionStart {
    /// Creates the start of a connection whose first bytes arrived at `connected_at`. `before` contains the time when
    /// the last audio of the previous connection arrived and the time when that connection ended; `None` for the first
    /// connection.
    pub(super) fn new(connected_at: f64, before: Option<(f64, f64)>) -> Self {
        Self { connected_at, before, frames: Vec::new(), samples: Vec::new(), seconds: 0.0, timing: None }
    }

    /// Returns true if no audio is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.samples.is_empty()
    }

    /// Holds back a frame.
    pub(super) fn hold(&mut self, frame: Frame<'_>) {
        self.seconds += frame.seconds;
        let Frame { data, format, seconds, time, after_loss } = frame;
        self.frames.push(BufferedFrame { data: data.to_vec(), format, seconds, time, after_loss });
    }

    /// Holds back decoded audio with a duration of `seconds`.
    pub(super) fn hold_samples(&mut self, samples: &[f32], seconds: f64) {
        self.seconds += seconds;
        self.samples.extend_from_slice(samples);
    }

    /// Records that all audio that is held back had arrived by `time`, seconds since 1970.
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
        // If one of the limits is exceeded, the hold ends with the best start found so far.
        let is_long = time - timing.first > MAX_HOLD_SECONDS || seconds > MAX_BUFFERED_SECONDS;
        // A long hold counts as burst, so that the estimate uses the least bound of all arrivals.
        let mut in_burst = is_long || time - timing.first <= SHORT_BURST_SECONDS;
        let (since, before) = timing.window;
        let elapsed = time - since;
        if elapsed >= RATE_WINDOW_SECONDS {
            let is_fast = seconds - before >= BURST_RATE * elapsed;
            // The arrivals of a slow window do not move the start: after the burst, a source that sends slightly too
            // fast would move the start earlier and earlier.
            in_burst |= is_fast;
            timing.settled |= !is_fast;
            timing.window = (time, seconds);
        }
        if in_burst {
            timing.start = timing.min_start;
        }
        timing.settled |= is_long;
    }

    /// Returns true if the burst has ended, or if [`MAX_HOLD_SECONDS`] or [`MAX_BUFFERED_SECONDS`] is exceeded. The
    /// audio that is held back can then be placed.
    pub(super) fn is_settled(&self) -> bool {
        self.timing.as_ref().is_some_and(|timing| timing.settled)
    }

    /// Returns the latest possible time of the first frame, seconds since 1970.
    pub(super) fn start(&self) -> f64 {
        self.timing.as_ref().map_or(self.connected_at - self.seconds, |timing| timing.start)
    }
}

/// Hashes of the last frames that were received, to recognize repeated audio.
#[derive(Debug, Default)]
pub(super) struct RecentFrames {
    hashes: VecDeque<u64>,
    /// Hashes of stored frames that the current connection is expected to repeat next.
    expected: VecDeque<u64>,
}

impl RecentFrames {
    /// Stores the hash of a frame.
    pub(super) fn push(&mut self, data: &[u8]) {
        if self.hashes.len() >= MAX_RECENT_FRAMES {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash(data));
    }

    /// Returns true if `data` is the next expected frame of the repeated frames that [`Self::overlap`] found. Any other
    /// frame ends the repetition.
    pub(super) fn repeats(&mut self, data: &[u8]) -> bool {
        let repeats = self.expected.front().is_some_and(|expected| *expected == hash(data));
        if repeats {
            self.expected.pop_front();
        } else {
            self.expected.clear();
        }
        repeats
    }

    /// Returns the number of frames at the start of a connection that repeat the last frames of the previous
    /// connection, or `None` if there is no repetition. If several overlaps are possible, as with a loop or silence,
    /// the overlap whose duration is nearest to `expected_seconds` is chosen.
    pub(super) fn overlap(&mut self, frames: &[BufferedFrame], expected_seconds: f64) -> Option<usize> {
        let new: Vec<u64> = frames.iter().map(|frame| hash(&frame.data)).collect();
        let old = self.hashes.make_contiguous();
        let known: HashSet<u64> = old.iter().copied().collect();
        // If a connection begins within a frame, its first frame is broken and equals no earlier frame.
        let broken = new.iter().take(MAX_BROKEN_FRAMES).take_while(|hash| !known.contains(hash)).count();
        let (new, frames) = (new.get(broken..)?, frames.get(broken..)?);
        // The new connection must repeat the history up to its end: a match in the middle only would be a repeated
        // jingle.
        let starts = (0..old.len()).filter_map(|start| {
            let tail = old.get(start..)?;
            let length = tail.len().min(new.len());
            // The tail can be longer than the frames that are held back. Its rest is then expected in the next frames.
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
