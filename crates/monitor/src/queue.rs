//! The queue of deliveries of a stream that have not been processed yet.

use std::collections::VecDeque;

use refrain_stream::{Delivery, Gap, GapReason, LiveAudio};

/// Maximum length of queued media, in seconds. The segments that a live stream fetches at its start are shorter in
/// total. The value equals the default age at which the source drops segments (`max_behind`). At half this value, the
/// start of a stream with 10-s segments drops audio; at twice this value, events of an overloaded process are two
/// minutes late.
const MAX_SECONDS: f64 = 60.0;

/// Maximum size of queued media in bytes; a single larger delivery is accepted too. With this limit a stream needs less
/// than 3 MB of memory. At half this value, a video stream loads each segment only after the previous one was
/// processed; at twice this value, a thousand streams need 2 GB more in an overload.
const MAX_BYTES: usize = 2 << 20;

/// Assumed bytes per second of media whose duration is unknown before it is decoded, until the rate is measured:
/// 128 kbit/s. The value has an effect only in the first second of a station's audio: at half this value, the queue
/// accepts half as many bytes; at twice this value, it accepts twice as many.
const DEFAULT_BYTES_PER_SECOND: f64 = 16_000.0;

/// Samples per second of decoded audio.
const SAMPLES_PER_SECOND: f64 = 44_100.0;

/// Behavior of a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OverflowPolicy {
    /// The oldest deliveries are dropped. The source waits only if the next delivery is an HLS segment with which the
    /// queue exceeds [`MAX_BYTES`] but not [`MAX_SECONDS`].
    DropOldest,
    /// The source waits until other deliveries have been processed.
    Wait,
}

/// The deliveries of a stream that wait to be processed, in order. If the oldest deliveries were dropped, a gap
/// replaces them.
#[derive(Debug, Default)]
pub(super) struct DeliveryQueue {
    waiting: VecDeque<Delivery>,
    seconds: f64,
    bytes: usize,
    /// Gap that replaces the deliveries dropped before the first queued one; `None` if nothing was dropped.
    dropped: Option<Gap>,
    /// True if a discontinuity or a new connection was among the dropped deliveries.
    restarted: bool,
    /// Total bytes of the processed media whose duration was unknown before it was decoded, and total seconds of the
    /// audio decoded from these bytes. Bytes divided by seconds is the rate that converts the size of queued media of
    /// this kind to seconds.
    measured: (f64, f64),
}

impl DeliveryQueue {
    /// Adds a delivery. Returns the delivery as the error if the queue is full and the source has to wait.
    pub(super) fn push(
        &mut self,
        delivery: Delivery,
        overflow_policy: OverflowPolicy,
    ) -> Result<(), Delivery> {
        let (seconds, bytes) = self.measure(&delivery);
        let too_long = self.seconds + seconds > MAX_SECONDS;
        let too_large = self.bytes + bytes > MAX_BYTES;
        // A queue that is full of large segments does not mean that processing is late, so nothing is dropped: segments
        // are fetched ahead until the queue is full.
        let waits = match overflow_policy {
            OverflowPolicy::Wait => too_long || too_large,
            OverflowPolicy::DropOldest => {
                too_large && !too_long && matches!(delivery, Delivery::HlsSegment(_))
            }
        };
        if waits && !self.waiting.is_empty() {
            return Err(delivery);
        }
        self.seconds += seconds;
        self.bytes += bytes;
        self.waiting.push_back(delivery);
        // One delivery always stays, otherwise a single large one could never be processed.
        while (self.seconds > MAX_SECONDS || self.bytes > MAX_BYTES)
            && self.waiting.len() > 1
            && overflow_policy == OverflowPolicy::DropOldest
        {
            self.drop_oldest();
        }
        Ok(())
    }

    /// Removes and returns the next delivery to process; `None` if the queue is empty. The gap of dropped deliveries
    /// comes first.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        if let Some(gap) = self.dropped.take() {
            return Some(Delivery::Gap(gap));
        }
        if std::mem::take(&mut self.restarted) {
            return Some(Delivery::Reconnected);
        }
        self.take_oldest().map(|(delivery, _)| delivery)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped.is_none()
    }

    /// Returns the length of queued media, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Records that `bytes` bytes of media, whose duration was unknown before, were decoded to `seconds` seconds of
    /// audio.
    pub(super) fn record_rate(&mut self, bytes: usize, seconds: f64) {
        self.measured.0 += bytes as f64;
        self.measured.1 += seconds.max(0.0);
    }

    fn take_oldest(&mut self) -> Option<(Delivery, f64)> {
        let oldest = self.waiting.pop_front()?;
        let (seconds, bytes) = self.measure(&oldest);
        // The sizes are exact, so this cannot underflow. If that ever changes, `min` gives a wrong number instead of a
        // panic.
        self.bytes -= bytes.min(self.bytes);
        // The rate may have changed since the delivery was added.
        self.seconds = if self.waiting.is_empty() { 0.0 } else { (self.seconds - seconds).max(0.0) };
        Some((oldest, seconds))
    }

    fn drop_oldest(&mut self) {
        let Some((oldest, seconds)) = self.take_oldest() else { return };
        let (start, seconds) = match &oldest {
            Delivery::HlsSegment(segment) => (segment.program_date_time, seconds),
            Delivery::Gap(gap) => (gap.program_date_time, gap.seconds),
            _ => (None, seconds),
        };
        // The decoder must not continue frames across dropped media whose time stamps restarted.
        self.restarted |= match &oldest {
            Delivery::HlsSegment(segment) => segment.discontinuity,
            Delivery::Reconnected => true,
            _ => false,
        };
        if seconds > 0.0 {
            let none = Gap { seconds: 0.0, reason: GapReason::Dropped, program_date_time: start };
            self.dropped.get_or_insert(none).seconds += seconds;
        }
    }

    /// Returns the seconds and bytes of a delivery that count toward the limits of the queue.
    fn measure(&self, delivery: &Delivery) -> (f64, usize) {
        match delivery {
            Delivery::HlsSegment(segment) => (segment.seconds.max(0.0), segment.bytes.len()),
            Delivery::Bytes(bytes) => (bytes.len() as f64 / self.rate(), bytes.len()),
            Delivery::Live(chunk) => match &chunk.audio {
                LiveAudio::Bytes(bytes) => (bytes.len() as f64 / self.rate(), bytes.len()),
                LiveAudio::Samples(sound) => {
                    (sound.len() as f64 / SAMPLES_PER_SECOND, size_of_val(sound.as_slice()))
                }
            },
            Delivery::Decoded(sound) => {
                (sound.len() as f64 / SAMPLES_PER_SECOND, size_of_val(sound.as_slice()))
            }
            // A gap takes no processing time, however long it is.
            Delivery::Title(text) => (0.0, text.len()),
            Delivery::Gap(_) | Delivery::Reconnected => (0.0, size_of_val(delivery)),
        }
    }

    fn rate(&self) -> f64 {
        let (bytes, seconds) = self.measured;
        // A rate from less audio would be dominated by the frames that a decoder holds back.
        if seconds > 1.0 { (bytes / seconds).max(1.0) } else { DEFAULT_BYTES_PER_SECOND }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain_stream::HlsSegment;

    fn segment(sequence: u64, seconds: f64, bytes: usize) -> Delivery {
        Delivery::HlsSegment(HlsSegment {
            bytes: vec![0; bytes].into(),
            init: None,
            sequence,
            seconds,
            rendition: 0,
            discontinuity: sequence == 1,
            program_date_time: Some(1000.0 + 10.0 * sequence as f64),
            first_listed: 0.0,
            backlog: Some(0.0),
            ad: false,
            part: false,
        })
    }

    #[test]
    fn dropped_deliveries_become_one_gap() {
        let mut queue = DeliveryQueue::default();
        (0..10).for_each(|k| queue.push(segment(k, 10.0, 1000), OverflowPolicy::DropOldest).unwrap());
        assert_eq!(queue.seconds(), 60.0);
        let Some(Delivery::Gap(gap)) = queue.pop() else { panic!() };
        assert_eq!(gap, Gap { seconds: 40.0, reason: GapReason::Dropped, program_date_time: Some(1000.0) });
        assert!(matches!(queue.pop(), Some(Delivery::Reconnected)), "the second segment was a discontinuity");
        let rest: Vec<u64> = std::iter::from_fn(|| queue.pop())
            .map(|d| if let Delivery::HlsSegment(s) = d { s.sequence } else { panic!("{d:?}") })
            .collect();
        assert_eq!(rest, [4, 5, 6, 7, 8, 9]);
        assert!(queue.is_empty() && queue.seconds() == 0.0);
    }

    #[test]
    fn waiting_source_loses_nothing_and_large_segments_always_wait() {
        let mut queue = DeliveryQueue::default();
        for k in 0..6 {
            queue.push(segment(k, 10.0, 1000), OverflowPolicy::Wait).unwrap();
        }
        assert!(queue.push(segment(6, 10.0, 1000), OverflowPolicy::Wait).is_err());
        assert!(matches!(queue.pop(), Some(Delivery::HlsSegment(_))));
        queue.push(segment(6, 10.0, 1000), OverflowPolicy::Wait).unwrap();
        let mut large = DeliveryQueue::default();
        large.push(segment(0, 5.0, 5 << 20), OverflowPolicy::DropOldest).unwrap();
        assert!(large.push(segment(1, 5.0, 5 << 20), OverflowPolicy::DropOldest).is_err());
        assert!(matches!(large.pop(), Some(Delivery::HlsSegment(_))));
        large.push(segment(1, 5.0, 5 << 20), OverflowPolicy::DropOldest).unwrap();
    }

    #[test]
    fn bytes_without_durations_are_measured_by_the_known_rate() {
        let mut queue = DeliveryQueue::default();
        queue.record_rate(80_000, 10.0);
        for _ in 0..70 {
            queue.push(Delivery::Bytes(vec![0; 8_000].into()), OverflowPolicy::DropOldest).unwrap();
        }
        let Some(Delivery::Gap(gap)) = queue.pop() else { panic!() };
        assert!((gap.seconds - 10.0).abs() < 1e-6, "{gap:?}");
    }
}
