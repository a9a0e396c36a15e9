//! A stream that the monitor follows, from its opening to the end of its source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Detection, SessionKey};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::buffer::{EventBuffer, TimedDetection};
use super::orders::forward;
use super::shared::StreamsContext;
use crate::sessions::TaskOrder;
use refrain_monitor::{AlertQueue, HealthAlert, StreamSpec, StreamStatus};

/// Capacity of the channel from the monitor to the buffer. The buffer receives events without delay, so the value has
/// no measurable effect.
const EVENT_CHANNEL_CAPACITY: usize = 64;

/// Interval at which the state of a stream is checked and written to its row if it has changed. At half this value,
/// hundreds of streams wake twice as often; at twice this value, the row is 2 s late.
const STATUS_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A stream that the monitor follows. Dropping this value makes the monitor leave the stream.
pub(super) struct OpenedStream {
    events: EventBuffer,
    status: watch::Receiver<StreamStatus>,
    check: Interval,
    since: Instant,
    alerts: AlertQueue,
    _orders: AbortOnDropHandle<()>,
}

/// The next signal of a stream.
pub(super) enum StreamSignal {
    /// An event, with the time at which it was decided.
    Event(TimedDetection),
    /// The state has to be checked.
    Check,
    /// The status has changed.
    Changed,
    /// The source has ended, and all events were returned.
    Closed,
}

impl OpenedStream {
    /// Opens a stream. `airings` are its open airings. The monitor receives the orders.
    pub(super) fn new(
        shared: &StreamsContext,
        session: SessionKey,
        spec: StreamSpec,
        airings: Vec<Detection>,
        orders: watch::Receiver<TaskOrder>,
    ) -> Self {
        let (event_sender, events) = mpsc::channel(EVENT_CHANNEL_CAPACITY);
        let events = EventBuffer::new(events, Arc::clone(&shared.clock));
        let handle = shared.monitor.resume(spec, airings, event_sender);
        let (status, alerts) = (handle.status(), handle.alerts());
        shared.watch(session, status.clone());
        let mut check = interval(STATUS_CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let orders = AbortOnDropHandle::new(tokio::spawn(forward(handle, orders)));
        Self { events, status, check, since: Instant::now(), alerts, _orders: orders }
    }

    /// Returns the current status.
    pub(super) fn status(&self) -> StreamStatus {
        self.status.borrow().clone()
    }

    /// Returns the alerts about the audio since the last call.
    pub(super) fn take_alerts(&self) -> Vec<HealthAlert> {
        self.alerts.take()
    }

    /// Returns the time since the stream was opened.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Waits for the next signal. Changes of the status are signals only if `with_changes` is true.
    pub(super) async fn next(&mut self, with_changes: bool) -> StreamSignal {
        tokio::select! {
            biased;
            event = self.events.next() => event.map_or(StreamSignal::Closed, StreamSignal::Event),
            _ = self.check.tick() => StreamSignal::Check,
            // The pattern excludes a stream that was dropped; its events end too.
            Ok(()) = self.status.changed(), if with_changes => StreamSignal::Changed,
        }
    }
}
