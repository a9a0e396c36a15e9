//! Updates of sessions: detections, messages and the state of the session in one transaction.

use refrain_catalog::{
    ARCHIVE, CatalogError, DetectionRecord, Journal, NewOutboxMessage, NewStream, OutboxFilter, SessionKey,
    SessionUpdate, StoredDetection, StreamReport, StreamState,
};
use refrain_core::matching::live::EventKind;

use super::detections::{between, detection, stream};
use super::leases::{HOUR, claimed, renewed};
use super::streams::{new_stream, started};
use super::*;

pub(crate) fn report(state: StreamState) -> StreamReport {
    let reason = Some("a reason".into());
    StreamReport { state, reason, at: 2000, epoch: None, clock_anchor: None, progress: None }
}

/// Records a report without detections.
pub(crate) async fn reported(
    journal: &dyn Journal,
    owner: &str,
    session: &SessionKey,
    report: &StreamReport,
) -> bool {
    let update = SessionUpdate { report: Some(report), ..SessionUpdate::default() };
    journal.record_session(owner, session, &update, 2000).await.unwrap()
}

fn message(key: &str) -> NewOutboxMessage {
    NewOutboxMessage { sink: "hook".into(), key: key.into(), payload: "{}".into() }
}

/// Returns a state of the detection with this number, last seen at `last_seen`, with a message of this key.
fn record(n: u128, last_seen: i64, key: &str) -> DetectionRecord {
    let detection = StoredDetection { last_seen, ..detection(n, stream("a"), 1000, 2000) };
    DetectionRecord { detection, messages: vec![message(key)] }
}

/// Returns the keys of all messages, in the order of their creation.
async fn keys(journal: &dyn Journal) -> Vec<String> {
    let all = journal.deliveries(&OutboxFilter::default(), None, 1000).await.unwrap();
    all.into_iter().map(|message| message.key).collect()
}

/// Starts the stream `a`.
async fn session(journal: &dyn Journal) -> SessionKey {
    started(journal, &new_stream("a", None, 1000)).await.key()
}

pub(crate) async fn a_report_needs_the_lease_and_the_session(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    let clock_anchor = Some("{\"stamp\":1}".to_owned());
    let live = StreamReport { epoch: Some(1234), clock_anchor, ..report(StreamState::Live) };
    assert!(!reported(journal, "w", &session, &live).await, "no lease yet");
    claimed(journal, "w", 9, HOUR).await;
    let earlier = SessionKey { started_at: 999, ..session.clone() };
    assert!(reported(journal, "w", &earlier, &report(StreamState::Ended)).await);
    assert!(reported(journal, "w", &session, &live).await);
    let seen = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((seen.state, seen.epoch, seen.attempts), (StreamState::Live, Some(1234), 0));
    assert_eq!((seen.reason.as_deref(), seen.updated_at, seen.ended_at), (Some("a reason"), 2000, None));
    assert_eq!(renewed(journal, "w").await, ["a"]);

    let stalled = StreamReport { reason: None, at: 3000, ..report(StreamState::Stalled) };
    assert!(reported(journal, "w", &session, &stalled).await);
    let seen = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((seen.state, seen.epoch, seen.reason), (StreamState::Stalled, Some(1234), None));
    assert_eq!(
        seen.clock_anchor.as_deref(),
        Some("{\"stamp\":1}"),
        "a report without an anchor keeps the stored one"
    );
    for state in [StreamState::NoAudio, StreamState::Silent, StreamState::Retrying, StreamState::Live] {
        assert!(reported(journal, "w", &session, &StreamReport { at: 3500, ..report(state) }).await);
        assert_eq!(journal.stream("a").await.unwrap().unwrap().state, state);
    }
    assert!(reported(journal, "w", &session, &report(StreamState::Retrying)).await);
    let failed = StreamReport { reason: Some("one\0two".into()), at: 4000, ..report(StreamState::Failed) };
    assert!(reported(journal, "w", &session, &failed).await);
    let seen = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((seen.state, seen.ended_at, seen.lease_owner), (StreamState::Failed, Some(4000), None));
    assert_eq!(seen.reason.as_deref(), Some("one\u{fffd}two"));
    assert!(reported(journal, "w", &session, &live).await);
    assert_eq!(journal.stream("a").await.unwrap().unwrap().state, StreamState::Failed);
    assert_eq!(claimed(journal, "w", 9, HOUR).await, Vec::<String>::new());
}

pub(crate) async fn open_alerts_are_stored_until_the_next_session(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    claimed(journal, "w", 9, HOUR).await;
    let stored = async |owner, alerts, messages: &[NewOutboxMessage]| {
        let update = SessionUpdate { alerts, messages, ..SessionUpdate::default() };
        journal.record_session(owner, &session, &update, 2000).await.unwrap()
    };
    let alerts = async || journal.stream("a").await.unwrap().unwrap().alerts;
    assert!(!stored("other", Some("[1]"), &[message("other")]).await);
    assert_eq!((alerts().await, keys(journal).await), (None, vec![]), "the worker does not hold the lease");
    assert!(stored("w", Some("[2]"), &[message("alert")]).await);
    assert!(stored("w", None, &[]).await);
    assert_eq!((alerts().await.as_deref(), keys(journal).await), (Some("[2]"), vec!["alert".to_owned()]));
    journal.end_stream("a", None, None, 4000).await.unwrap();
    started(journal, &new_stream("a", None, 5000)).await;
    assert_eq!(alerts().await, None);
}

pub(crate) async fn a_worker_that_lost_its_stream_cannot_record(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    assert_eq!(claimed(journal, "cut off", 9, std::time::Duration::ZERO).await, ["a"]);
    let recorded = async |owner, last_seen| {
        let records = [record(1, last_seen, &format!("{owner} {last_seen}"))];
        let update = SessionUpdate { detections: &records, ..SessionUpdate::default() };
        journal.record_session(owner, &session, &update, 2000).await.unwrap()
    };
    assert!(
        recorded("cut off", 2000).await,
        "its lease has expired, and no other worker has claimed the stream"
    );
    assert_eq!(claimed(journal, "heir", 9, HOUR).await, ["a"]);
    assert!(!recorded("cut off", 3000).await);
    assert!(recorded("heir", 5000).await);
    assert_eq!(journal.release("heir", None).await.unwrap(), 1);
    assert!(!recorded("heir", 6000).await, "it has released the lease");
    assert_eq!(keys(journal).await, ["cut off 2000", "heir 5000"]);
}

pub(crate) async fn an_update_of_a_session_is_stored_completely_or_not_at_all(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    claimed(journal, "w", 9, HOUR).await;
    let mut records = vec![record(1, 2000, "start"), record(2, 2000, "invalid"), record(1, 3000, "update")];
    records[1].detection.detection.detected.speed = f64::NAN;
    let report = StreamReport { progress: Some("7".into()), ..report(StreamState::Live) };
    let silence = [message("silence")];
    let rest = SessionUpdate { messages: &silence, report: Some(&report), ..SessionUpdate::default() };
    let update = SessionUpdate { detections: &records, ..rest };
    let invalid = journal.record_session("w", &session, &update, 2000).await;
    assert!(matches!(invalid, Err(CatalogError::Invalid { .. })), "{invalid:?}");
    records[1] = record(2, 2000, "start of another");
    let update = SessionUpdate { detections: &records, ..rest };
    let stored = journal.record_session("other", &session, &update, 2000).await.unwrap();
    assert!(!stored);
    let row = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((row.state, row.progress), (StreamState::Starting, None));
    assert_eq!((between(journal, &stream("a"), 0, 99_000).await, keys(journal).await), (vec![], vec![]));

    let stored = journal.record_session("w", &session, &update, 2000).await.unwrap();
    assert!(stored);
    let row = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((row.state, row.progress.as_deref()), (StreamState::Live, Some("7")));
    let found = between(journal, &stream("a"), 0, 99_000).await;
    assert_eq!(found, [records[2].detection.clone(), records[1].detection.clone()]);
    assert_eq!(keys(journal).await, ["start", "start of another", "update", "silence"]);
}

pub(crate) async fn a_repeated_update_changes_nothing(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    claimed(journal, "w", 9, HOUR).await;
    let records = [record(1, 2000, "start"), record(1, 3000, "end")];
    let report = StreamReport { progress: Some("7".into()), ..report(StreamState::Live) };
    let update = SessionUpdate { detections: &records, report: Some(&report), ..SessionUpdate::default() };
    for _ in 0..2 {
        assert!(journal.record_session("w", &session, &update, 2000).await.unwrap());
        assert_eq!(between(journal, &stream("a"), 0, 99_000).await, [records[1].detection.clone()]);
        assert_eq!(keys(journal).await, ["start", "end"]);
    }
    let outdated = [record(1, 2500, "outdated")];
    let update = SessionUpdate { detections: &outdated, ..update };
    assert!(journal.record_session("w", &session, &update, 2000).await.unwrap());
    assert_eq!(keys(journal).await.len(), 2);
}

pub(crate) async fn an_update_after_the_end_stores_its_detections(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let session = session(journal).await;
    claimed(journal, "w", 9, HOUR).await;
    assert!(journal.end_stream("a", None, Some("stopped"), 3000).await.unwrap());
    let mut records = [record(1, 2000, "end")];
    records[0].detection.detection.kind = EventKind::Final;
    let live = report(StreamState::Live);
    let update = SessionUpdate { detections: &records, report: Some(&live), ..SessionUpdate::default() };
    assert!(journal.record_session("w", &session, &update, 4000).await.unwrap());
    assert_eq!(keys(journal).await, ["end"]);
    let row = journal.stream("a").await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.reason.as_deref(), row.ended_at),
        (StreamState::Ended, Some("stopped"), Some(3000))
    );
}

/// Workers take a session from each other while they record. Each update stores a detection and its number as the
/// position.
pub(crate) async fn the_position_belongs_to_the_stored_detections(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    // Claims of archives count no deaths.
    let new = NewStream { origin: ARCHIVE.into(), ..new_stream("a", None, 1000) };
    let key = started(catalog.journal(), &new).await.key();
    let mut tasks = Vec::new();
    for worker in 0..3 {
        let (catalog, key) = (storage.open().await, key.clone());
        tasks.push(tokio::spawn(async move {
            let (journal, owner) = (catalog.journal(), format!("w{worker}"));
            for _ in 0..10 {
                let Some(row) =
                    journal.claim_archives(&owner, 1, std::time::Duration::ZERO).await.unwrap().pop()
                else {
                    continue;
                };
                let mut position: u128 = row.progress.map_or(0, |progress| progress.parse().unwrap());
                for _ in 0..3 {
                    position += 1;
                    let records = [record(position, 2000, &position.to_string())];
                    let report =
                        StreamReport { progress: Some(position.to_string()), ..report(StreamState::Live) };
                    let update = SessionUpdate {
                        detections: &records,
                        report: Some(&report),
                        ..SessionUpdate::default()
                    };
                    if !journal.record_session(&owner, &key, &update, 2000).await.unwrap() {
                        break;
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let journal = catalog.journal();
    let position: usize = journal.stream("a").await.unwrap().unwrap().progress.unwrap().parse().unwrap();
    let count = between(journal, &stream("a"), 0, 99_000).await.len();
    assert_eq!((count, keys(journal).await.len()), (position, position));
}
