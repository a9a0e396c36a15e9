//! Buffers events between the monitor and the database. While the database is unavailable, decoding continues and the
//! buffer keeps the events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Local};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::clock::Clock;
use refrain_catalog::Detection;
use refrain_core::matching::live::EventKind;

/// Maximum number of buffered events of one stream. At 1 kB each they need 4 MB. At most a start, one update and a
/// final event are kept of each airing, so the buffer has space for days of songs. When it is full, decoding of the
/// stream waits. At half this value, that happens in outages of the database of half the length; at twice this value, a
/// stream can need 8 MB.
const MAX_BUFFERED_EVENTS: usize = 4_096;

/// A detection with the local time at which its event was decided.
pub(super) type TimedDetection = (Detection, DateTime<Local>);

#[derive(Default)]
struct BufferState {
    events: VecDeque<TimedDetection>,
    is_closed: bool,
}

#[derive(Default)]
struct EventQueue {
    state: Mutex<BufferState>,
    /// Notified when an event was added or the channel was closed.
    added: Notify,
    /// Notified when an event was taken.
    taken: Notify,
}

/// Receives events from a channel without delay and keeps them until [`EventBuffer::next`] returns them. Dropping the
/// buffer drops these events.
pub(super) struct EventBuffer {
    shared: Arc<EventQueue>,
    pump: AbortHandle,
}

impl EventBuffer {
    /// Starts to receive the events of a channel. `clock` gives the time at which an event was decided.
    pub(super) fn new(events: mpsc::Receiver<Detection>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::<EventQueue>::default();
        let pump = tokio::spawn(pump(Arc::clone(&shared), events, clock)).abort_handle();
        Self { shared, pump }
    }

    /// Returns the oldest event, or `None` after the channel was closed and all events were taken. Cancel-safe.
    pub(super) async fn next(&self) -> Option<TimedDetection> {
        loop {
            let added = self.shared.added.notified();
            {
                let mut state = self.shared.lock();
                if let Some(event) = state.events.pop_front() {
                    self.shared.taken.notify_one();
                    return Some(event);
                }
                if state.is_closed {
                    return None;
                }
            }
            added.await;
        }
    }
}

impl Drop for EventBuffer {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, BufferState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BufferState {
    /// Adds an event. A later update or final event replaces an update of the same airing that was not written yet. The
    /// database then has the same result, and sinks do not get an update that is outdated when it is sent.
    fn add(&mut self, event: Detection, at: DateTime<Local>) {
        let is_outdated = |(older, _): &TimedDetection| {
            older.id == event.id && older.kind == EventKind::Update && event.kind != EventKind::Start
        };
        // If events are written without delay, the buffer contains no older event of the airing, and nothing is
        // removed.
        self.events.retain(|older| !is_outdated(older));
        self.events.push_back((event, at));
    }
}

async fn pump(shared: Arc<EventQueue>, mut events: mpsc::Receiver<Detection>, clock: Arc<dyn Clock>) {
    while let Some(event) = events.recv().await {
        loop {
            let taken = shared.taken.notified();
            if shared.lock().events.len() < MAX_BUFFERED_EVENTS {
                break;
            }
            taken.await;
        }
        shared.lock().add(event, clock.local());
        shared.added.notify_one();
    }
    shared.lock().is_closed = true;
    shared.added.notify_one();
}

#[cfg(test)]
mod tests {
    use refrain_catalog::{DetectionId, TrackNumber};
    use refrain_core::matching::Match;

    use super::*;
    use crate::clock::ManualClock;

    fn event(kind: EventKind, id: DetectionId, known_at: f64) -> Detection {
        Detection {
            id,
            kind,
            detected: Match {
                track: TrackNumber(1),
                query_start: 0.0,
                query_end: known_at,
                reference_start: 0.0,
                speed: 1.0,
                pitch_cents: 0.0,
                false_positive_probability: 0.0,
                aligned_landmarks: 9,
                expected_peaks: 10,
                matched_peaks: 9,
                segments: Vec::new(),
            },
            reference_end: known_at,
            current_speed: 1.0,
            origin: 0.0,
            known_at,
            clock: None,
            clock_offset: None,
            missing_seconds: 0.0,
        }
    }

    #[tokio::test]
    async fn unwritten_updates_are_replaced_and_starts_and_finals_are_kept_in_order() {
        let (send, receive) = mpsc::channel(1);
        let buffer = EventBuffer::new(receive, Arc::new(ManualClock::default()));
        let (a, b) = (DetectionId::generate(), DetectionId::generate());
        send.send(event(EventKind::Start, a, 1.0)).await.unwrap();
        for n in 0..1_000 {
            send.send(event(EventKind::Update, a, f64::from(n))).await.unwrap();
        }
        send.send(event(EventKind::Final, a, 1_001.0)).await.unwrap();
        send.send(event(EventKind::Start, b, 1_002.0)).await.unwrap();
        send.send(event(EventKind::Update, b, 1_003.0)).await.unwrap();
        drop(send);
        // All events are in the buffer before the first one is taken.
        while !buffer.shared.lock().is_closed {
            tokio::task::yield_now().await;
        }
        let mut all = Vec::new();
        while let Some((event, _)) = buffer.next().await {
            all.push((event.kind, event.id, event.known_at));
        }
        let expected = [
            (EventKind::Start, a, 1.0),
            (EventKind::Final, a, 1_001.0),
            (EventKind::Start, b, 1_002.0),
            (EventKind::Update, b, 1_003.0),
        ];
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn event_keeps_the_time_of_its_decision() {
        let (send, receive) = mpsc::channel(1);
        let clock = Arc::new(ManualClock::default());
        clock.set(1_000);
        let buffer = EventBuffer::new(receive, Arc::<ManualClock>::clone(&clock));
        send.send(event(EventKind::Start, DetectionId::generate(), 1.0)).await.unwrap();
        while buffer.shared.lock().events.is_empty() {
            tokio::task::yield_now().await;
        }
        clock.set(9_000);
        assert_eq!(buffer.next().await.unwrap().1.timestamp_millis(), 1_000);
    }

    #[tokio::test]
    async fn full_buffer_makes_the_sender_wait() {
        let (send, receive) = mpsc::channel(1);
        let buffer = EventBuffer::new(receive, Arc::new(ManualClock::default()));
        let sent = tokio::spawn(async move {
            for n in 0..MAX_BUFFERED_EVENTS + 10 {
                send.send(event(EventKind::Start, DetectionId::generate(), n as f64)).await.unwrap();
            }
        });
        while buffer.shared.lock().events.len() < MAX_BUFFERED_EVENTS {
            tokio::task::yield_now().await;
        }
        assert!(!sent.is_finished());
        let mut count = 0;
        while buffer.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, MAX_BUFFERED_EVENTS + 10);
        sent.await.unwrap();
    }
}
