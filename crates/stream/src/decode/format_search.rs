//! Search for another format in a stream without segments, after its format ended.
//!
//! A station can change its encoder or its codec within a connection. The bytes since the last frame are kept, so that
//! no audio is lost if another format is recognized in them.

/// Number of bytes without a frame in which another format is searched. A frame has at most 1.5 kB at usual rates, and
/// three frames must cover most of the bytes. At half this value, frames of high bit rates are not recognized; at twice
/// this value, a change of the format interrupts the audio of slow stations (16 kbit/s) for 8 s.
const SEARCH_BYTES: usize = 8 << 10;

/// Number of bytes that are demuxed at once while frames are awaited. The bytes in which the last frame was found are
/// kept, since other audio may follow that frame in them. At half this value, demuxers are called twice as often; at
/// twice this value, up to 2 KiB of old frames are searched together with the new ones, so that fewer new ones fit.
pub(super) const PIECE_BYTES: usize = 1 << 10;

/// Shortest time, in seconds, for which bytes without audio arrived and that counts as a gap: the jitter of arrivals. At
/// half this value, jitter lengthens the stream after damage; at twice this value, up to 0.2 s are missing.
const MIN_GAP_SECONDS: f64 = 0.1;

/// The bytes of a stream without segments since its last frame.
#[derive(Debug, Default)]
pub(super) struct FormatSearch {
    /// The bytes since the last frame, or only the last ones.
    bytes: Vec<u8>,
    /// Arrival time of the last frame, seconds since 1970; `None` without a frame or without arrival times.
    last_frame: Option<f64>,
    /// Arrival time of the last bytes that were discarded since then, seconds since 1970; `None` if all were kept.
    discarded: Option<f64>,
}

impl FormatSearch {
    /// Records that a frame was found in `piece`, which arrived at `arrived`. `arrived` is `None` for a stream without
    /// arrival times.
    pub(super) fn found(&mut self, piece: &[u8], arrived: Option<f64>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(piece);
        (self.last_frame, self.discarded) = (arrived, None);
    }

    /// Adds bytes without a frame. Returns the bytes since the last frame if there are
    /// enough to search another format in them. The caller must then call [`Self::take`] or [`Self::keep_end`].
    pub(super) fn add(&mut self, piece: &[u8]) -> Option<&[u8]> {
        self.bytes.extend_from_slice(piece);
        (self.bytes.len() >= SEARCH_BYTES).then_some(&self.bytes)
    }

    /// Returns the bytes since the last frame, because another format was recognized in them.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Discards the first half of the bytes at the time `arrived`, because no other format was recognized.
    pub(super) fn keep_end(&mut self, arrived: Option<f64>) {
        self.bytes.drain(..self.bytes.len() / 2);
        self.discarded = arrived;
    }

    /// Returns the seconds for which bytes without audio arrived before the next frame; 0 if no bytes were discarded.
    /// Later calls return 0 until bytes are discarded again.
    pub(super) fn take_lost_seconds(&mut self) -> f64 {
        // The times of arrival give the length: a picture between two songs arrives at once, other audio in real time.
        let lost = self.discarded.take().zip(self.last_frame).map_or(0.0, |(until, from)| until - from);
        if lost >= MIN_GAP_SECONDS { lost } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_since_the_last_frame_are_kept_and_their_loss_is_measured() {
        let mut search = FormatSearch::default();
        search.found(&[1; 10], Some(100.0));
        assert!(search.add(&[2; SEARCH_BYTES - 11]).is_none());
        assert_eq!(search.add(&[3]).map(<[u8]>::len), Some(SEARCH_BYTES));
        assert_eq!(search.take_lost_seconds(), 0.0, "nothing was discarded");
        search.keep_end(Some(104.0));
        assert!(search.add(&[4; SEARCH_BYTES / 2]).is_some());
        search.keep_end(Some(107.5));
        assert_eq!((search.take_lost_seconds(), search.take_lost_seconds()), (7.5, 0.0));
        assert_eq!(search.take().len(), SEARCH_BYTES / 2);
        search.found(&[1], None);
        search.keep_end(None);
        assert_eq!(search.take_lost_seconds(), 0.0, "a stream without arrival times");
    }
}
