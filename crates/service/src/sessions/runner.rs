//! Runs the task of a session: passes the changes from its source to its recorder.

use std::time::Duration;

use refrain_net::Backoff;
use tokio::sync::watch;
use tokio::time::sleep;

use super::order::{TaskOrder, end_ordered};
use super::recorder::Recorder;
use super::source::{SessionBatch, SessionSource};

/// Minimum and maximum pause before a write to the database is repeated. Changes are stored at most the maximum pause
/// after the end of an outage. At half of it, an outage causes twice the log lines per session; at twice this value,
/// detections are delivered up to 10 s late.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Stores the changes of a session until its source ends. If another worker holds the lease, nothing is stored any more,
/// because that worker reports the same airings; then waits until the keeper of the leases aborts the task or sends an
/// order.
pub(crate) async fn run(
    mut source: impl SessionSource,
    mut recorder: Recorder,
    mut orders: watch::Receiver<TaskOrder>,
) {
    while let Some(batch) = source.next().await {
        if !store(&mut recorder, &batch).await {
            tracing::warn!(
                stream = recorder.name(),
                "stream lease lost, another process continues the stream; storing no more events"
            );
            return end_ordered(&mut orders).await;
        }
    }
}

/// Stores a batch, with retries until the database answers. Returns false if another worker holds the lease.
async fn store(recorder: &mut Recorder, batch: &SessionBatch) -> bool {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        match recorder.record(batch).await {
            Ok(is_stored) => return is_stored,
            Err(error) => {
                tracing::warn!(stream = recorder.name(), %error, "cannot store the events of a stream, retrying");
                sleep(backoff.next()).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use async_trait::async_trait;
    use refrain_catalog::{StreamReport, StreamState};

    use super::*;
    use crate::sessions::SessionKind;
    use crate::sessions::recorder::tests::{RecorderTest, events, live_report};

    /// A source that returns these batches.
    struct Batches(VecDeque<SessionBatch>);

    #[async_trait]
    impl SessionSource for Batches {
        async fn next(&mut self) -> Option<SessionBatch> {
            self.0.pop_front()
        }
    }

    /// Returns a batch for each event of an airing. The last one ends the session.
    fn batches(test: &RecorderTest) -> Batches {
        let mut all: VecDeque<_> =
            events(&[(1, 20.0, 1)]).iter().map(|event| test.batch(std::slice::from_ref(event))).collect();
        let ended =
            StreamReport { state: StreamState::Failed, reason: Some("damaged".into()), ..live_report() };
        all.push_back(SessionBatch { report: Some(ended), ..SessionBatch::default() });
        Batches(all)
    }

    #[tokio::test]
    async fn all_batches_are_stored_until_the_source_ends() {
        for kind in [SessionKind::Live, SessionKind::Segments] {
            let test = RecorderTest::new().await;
            let (_order, orders) = watch::channel(TaskOrder::Follow);
            run(batches(&test), test.recorder(kind), orders).await;
            let (rows, row) = (test.rows().await, test.row().await);
            assert!(rows.len() == 1 && rows[0].detection.is_final(), "{rows:?}");
            assert_eq!((row.state, row.reason.as_deref()), (StreamState::Failed, Some("damaged")));
            assert_eq!((row.progress.as_deref(), test.counters.streams_failed.get()), (Some("7"), 1));
        }
    }

    #[tokio::test]
    async fn task_that_lost_its_lease_stores_nothing_and_waits_for_an_order() {
        for kind in [SessionKind::Live, SessionKind::Segments] {
            let test = RecorderTest::new().await;
            test.claim_by_another().await;
            let (order, orders) = watch::channel(TaskOrder::Follow);
            let task = tokio::spawn(run(batches(&test), test.recorder(kind), orders));
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!task.is_finished(), "the keeper ends the task");
            order.send_replace(TaskOrder::Finish);
            task.await.unwrap();
            assert_eq!((test.rows().await, test.messages().await), (Vec::new(), Vec::new()));
            assert_eq!(test.row().await.state, StreamState::Starting);
        }
    }
}
