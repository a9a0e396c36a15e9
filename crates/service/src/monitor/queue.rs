//! What of a stream waits to be worked on.

use std::collections::VecDeque;

use refrain_stream::{Delivery, Gap, GapReason, LiveAudio};

/// Most media that waits, seconds: some segments more than a live stream begins with.
const MAX_SECONDS: f64 = 60.0;

/// Most bytes that wait, unless they are a single delivery: with these a stream stays within 3 MB.
const MAX_BYTES: usize = 2 << 20;

/// Bytes of a second of a stream that tells no durations, until it is known: 128 kbit/s.
const USUAL_RATE: f64 = 16_000.0;

/// Samples of decoded sound in a second.
const SAMPLES: f64 = 44_100.0;

/// Whether a queue takes another delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The oldest makes room: the source does not wait.
    DropOldest,
    /// The source waits.
    Wait,
}

/// Deliveries in order, and what was dropped before them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Delivery>,
    seconds: f64,
    bytes: usize,
    /// What was dropped before the first that waits.
    dropped: Option<Gap>,
    /// Whether a beginning anew was among it.
    anew: bool,
    /// Bytes and seconds that were worked on, of media that tells no durations.
    known: (f64, f64),
}

impl Queue {
    /// Adds a delivery; gives it back if it has to wait.
    pub(super) fn push(&mut self, delivery: Delivery, full: Full) -> Result<(), Delivery> {
        let (seconds, bytes) = self.measure(&delivery);
        let too_long = self.seconds + seconds > MAX_SECONDS;
        let too_large = self.bytes + bytes > MAX_BYTES;
        // Large segments are no sign that we are late: they are fetched ahead as long as there is room.
        let waits = match full {
            Full::Wait => too_long || too_large,
            Full::DropOldest => too_large && !too_long && matches!(delivery, Delivery::Segment(_)),
        };
        if waits && !self.waiting.is_empty() {
            return Err(delivery);
        }
        self.seconds += seconds;
        self.bytes += bytes;
        self.waiting.push_back(delivery);
        while (self.seconds > MAX_SECONDS || self.bytes > MAX_BYTES)
            && self.waiting.len() > 1
            && full == Full::DropOldest
        {
            self.drop_oldest();
        }
        Ok(())
    }

    /// What is to be worked on next.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        if let Some(gap) = self.dropped.take() {
            return Some(Delivery::Gap(gap));
        }
        if std::mem::take(&mut self.anew) {
            return Some(Delivery::Reconnected);
        }
        self.take_oldest().map(|(delivery, _)| delivery)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped.is_none()
    }

    /// Seconds of media that wait.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Learns that so many bytes without a duration were so many seconds.
    pub(super) fn learn(&mut self, bytes: usize, seconds: f64) {
        self.known.0 += bytes as f64;
        self.known.1 += seconds.max(0.0);
    }

    fn take_oldest(&mut self) -> Option<(Delivery, f64)> {
        let oldest = self.waiting.pop_front()?;
        let (seconds, bytes) = self.measure(&oldest);
        self.bytes -= bytes.min(self.bytes);
        // The rate may have changed since it came.
        self.seconds = if self.waiting.is_empty() { 0.0 } else { (self.seconds - seconds).max(0.0) };
        Some((oldest, seconds))
    }

    fn drop_oldest(&mut self) {
        let Some((oldest, seconds)) = self.take_oldest() else { return };
        let (start, seconds) = match &oldest {
            Delivery::Segment(segment) => (segment.program_date_time, seconds),
            Delivery::Gap(gap) => (gap.program_date_time, gap.seconds),
            _ => (None, seconds),
        };
        self.anew |= match &oldest {
            Delivery::Segment(segment) => segment.discontinuity,
            Delivery::Reconnected => true,
            _ => false,
        };
        if seconds > 0.0 {
            let none = Gap { seconds: 0.0, reason: GapReason::Dropped, program_date_time: start };
            self.dropped.get_or_insert(none).seconds += seconds;
        }
    }

    /// Seconds and bytes of a delivery.
    fn measure(&self, delivery: &Delivery) -> (f64, usize) {
        match delivery {
            Delivery::Segment(segment) => (segment.seconds.max(0.0), segment.bytes.len()),
            Delivery::Bytes(bytes) => (bytes.len() as f64 / self.rate(), bytes.len()),
            Delivery::Live(chunk) => match &chunk.audio {
                LiveAudio::Bytes(bytes) => (bytes.len() as f64 / self.rate(), bytes.len()),
                LiveAudio::Samples(sound) => (sound.len() as f64 / SAMPLES, size_of_val(sound.as_slice())),
            },
            Delivery::Decoded(sound) => (sound.len() as f64 / SAMPLES, size_of_val(sound.as_slice())),
            // It takes no time to let time pass.
            Delivery::Title(text) => (0.0, text.len()),
            Delivery::Gap(_) | Delivery::Reconnected => (0.0, size_of_val(delivery)),
        }
    }

    fn rate(&self) -> f64 {
        let (bytes, seconds) = self.known;
        if seconds > 1.0 { (bytes / seconds).max(1.0) } else { USUAL_RATE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refrain_stream::Segment;

    fn segment(sequence: u64, seconds: f64, bytes: usize) -> Delivery {
        Delivery::Segment(Segment {
            bytes: vec![0; bytes].into(),
            init: None,
            sequence,
            seconds,
            discontinuity: sequence == 1,
            program_date_time: Some(1000.0 + 10.0 * sequence as f64),
            seen: 0.0,
            backlog: Some(0.0),
            ad: false,
            part: false,
        })
    }

    #[test]
    fn the_oldest_is_dropped_and_stands_as_one_gap() {
        let mut queue = Queue::default();
        (0..10).for_each(|k| queue.push(segment(k, 10.0, 1000), Full::DropOldest).unwrap());
        assert_eq!(queue.seconds(), 60.0);
        let Some(Delivery::Gap(gap)) = queue.pop() else { panic!() };
        assert_eq!(gap, Gap { seconds: 40.0, reason: GapReason::Dropped, program_date_time: Some(1000.0) });
        assert!(matches!(queue.pop(), Some(Delivery::Reconnected)), "the second began anew");
        let rest: Vec<u64> = std::iter::from_fn(|| queue.pop())
            .map(|d| if let Delivery::Segment(s) = d { s.sequence } else { panic!("{d:?}") })
            .collect();
        assert_eq!(rest, [4, 5, 6, 7, 8, 9]);
        assert!(queue.is_empty() && queue.seconds() == 0.0);
    }

    #[test]
    fn who_can_wait_loses_nothing_and_large_segments_always_wait() {
        let mut queue = Queue::default();
        for k in 0..6 {
            queue.push(segment(k, 10.0, 1000), Full::Wait).unwrap();
        }
        assert!(queue.push(segment(6, 10.0, 1000), Full::Wait).is_err());
        assert!(matches!(queue.pop(), Some(Delivery::Segment(_))));
        queue.push(segment(6, 10.0, 1000), Full::Wait).unwrap();
        let mut large = Queue::default();
        large.push(segment(0, 5.0, 5 << 20), Full::DropOldest).unwrap();
        assert!(large.push(segment(1, 5.0, 5 << 20), Full::DropOldest).is_err());
        assert!(matches!(large.pop(), Some(Delivery::Segment(_))));
        large.push(segment(1, 5.0, 5 << 20), Full::DropOldest).unwrap();
    }

    #[test]
    fn bytes_without_durations_are_measured_by_those_before() {
        let mut queue = Queue::default();
        queue.learn(80_000, 10.0);
        for _ in 0..70 {
            queue.push(Delivery::Bytes(vec![0; 8_000].into()), Full::DropOldest).unwrap();
        }
        let Some(Delivery::Gap(gap)) = queue.pop() else { panic!() };
        assert!((gap.seconds - 10.0).abs() < 1e-6, "{gap:?}");
    }
}
