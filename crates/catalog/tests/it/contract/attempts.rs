//! Deaths and attempts, which are counted before the work and cleared after it.

use std::time::Duration;

use refrain_catalog::{
    ARCHIVE, Journal, MAX_DEATHS, MAX_WORKER_DEATHS, NewStream, ObjectVersion, SUSPECT_DEATHS, StreamHealth,
    StreamState,
};

use super::leases::{HOUR, claimed};
use super::streams::{new_stream, started};
use super::*;

/// Claims streams for a worker that dies at once: the leases expire immediately.
async fn claim_and_die(journal: &dyn Journal, owner: &str) -> Vec<String> {
    let streams = journal.claim_streams(owner, 9, Duration::ZERO).await.unwrap();
    streams.into_iter().map(|stream| stream.id).collect()
}

pub(crate) async fn a_stream_that_kills_its_process_is_quarantined(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("poison", None, 1000)).await;
    for death in 1..=MAX_WORKER_DEATHS {
        assert_eq!(claim_and_die(journal, &format!("w{death}")).await, ["poison"]);
        assert_eq!(journal.stream("poison").await.unwrap().unwrap().deaths, death);
    }
    assert_eq!(journal.count_waiting_streams().await.unwrap(), 0);
    assert_eq!(claimed(journal, "w", 9, HOUR).await, Vec::<String>::new());
    assert_eq!(journal.quarantine_streams().await.unwrap(), ["poison"]);
    assert_eq!(journal.quarantine_streams().await.unwrap(), Vec::<String>::new());
    let failed = journal.stream("poison").await.unwrap().unwrap();
    assert_eq!(
        (failed.state, failed.deaths, failed.lease_owner.clone()),
        (StreamState::Failed, MAX_WORKER_DEATHS, None)
    );
    assert!(failed.reason.as_deref().is_some_and(|why| why.starts_with("quarantined")), "{failed:?}");
    assert!(failed.is_quarantined() && failed.ended_at.is_some());
    // A user starts the stream again.
    let again = started(journal, &new_stream("poison", None, failed.ended_at.unwrap() + 1)).await;
    assert_eq!((again.deaths, again.is_quarantined()), (0, false));
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["poison"]);
}

pub(crate) async fn confirmation_and_release_clear_the_deaths_of_a_stream(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("a", None, 1000)).await;
    for round in 0..4 {
        for _ in 0..SUSPECT_DEATHS {
            assert_eq!(claim_and_die(journal, "w").await, ["a"], "round {round}");
        }
        assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
        if round % 2 == 0 {
            assert!(journal.confirm_stream("w", ("a", 1000), StreamHealth::Works).await.unwrap());
            assert_eq!(journal.stream("a").await.unwrap().unwrap().deaths, 0);
        }
        assert_eq!(journal.release("w", None).await.unwrap(), 1);
        assert_eq!(journal.stream("a").await.unwrap().unwrap().deaths, 0);
    }
    assert!(!journal.confirm_stream("other", ("a", 1000), StreamHealth::Works).await.unwrap());
}

/// Streams that share a worker with a stream that kills it continue to be claimed, in the end one at a time.
pub(crate) async fn other_streams_of_a_killed_worker_are_not_quarantined(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for id in ["a", "b", "poison"] {
        started(journal, &new_stream(id, None, 1000)).await;
    }
    for worker in 0..SUSPECT_DEATHS {
        assert_eq!(claim_and_die(journal, &format!("w{worker}")).await, ["a", "b", "poison"]);
    }
    // Each is claimed alone now, and is confirmed before the next is claimed.
    for id in ["a", "b"] {
        assert_eq!(claimed(journal, "w", 9, HOUR).await, [id]);
        assert_eq!(claimed(journal, "w", 9, HOUR).await, Vec::<String>::new(), "{id} has to work first");
        assert!(journal.confirm_stream("w", (id, 1000), StreamHealth::Works).await.unwrap());
    }
    for worker in SUSPECT_DEATHS..MAX_WORKER_DEATHS {
        assert_eq!(claim_and_die(journal, &format!("w{worker}")).await, ["poison"]);
    }
    assert_eq!(claimed(journal, "w", 9, HOUR).await, Vec::<String>::new());
    assert_eq!(journal.quarantine_streams().await.unwrap(), ["poison"]);
    for (id, quarantined) in [("a", false), ("b", false), ("poison", true)] {
        assert_eq!(journal.stream(id).await.unwrap().unwrap().is_quarantined(), quarantined, "{id}");
    }
}

pub(crate) async fn deaths_of_decoders_are_counted_until_the_stream_is_healthy(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("a", None, 1000)).await;
    assert_eq!(claimed(journal, "w", 9, HOUR).await, ["a"]);
    let session = ("a", 1000);
    assert_eq!(journal.count_decoder_death("w", session).await.unwrap(), Some(1));
    assert_eq!(journal.count_decoder_death("other", session).await.unwrap(), None);
    assert_eq!(journal.count_decoder_death("w", ("a", 999)).await.unwrap(), None);
    assert!(journal.confirm_stream("w", session, StreamHealth::Works).await.unwrap());
    assert_eq!(journal.count_decoder_death("w", session).await.unwrap(), Some(2));
    assert!(journal.confirm_stream("w", session, StreamHealth::Healthy).await.unwrap());
    assert_eq!(journal.count_decoder_death("w", session).await.unwrap(), Some(1));
}

pub(crate) async fn expired_lease_counts_as_waiting(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    assert_eq!(journal.count_waiting_streams().await.unwrap(), 0);
    for (id, origin) in [("a", "ivs"), ("b", "ivs"), ("c", ARCHIVE)] {
        started(journal, &NewStream { origin: origin.into(), ..new_stream(id, None, 1000) }).await;
    }
    assert_eq!(
        journal.count_waiting_streams().await.unwrap(),
        2,
        "none has a lease; archives are not counted"
    );
    assert_eq!(claimed(journal, "gone", 1, HOUR).await, ["a"]);
    assert_eq!(journal.count_waiting_streams().await.unwrap(), 1);
    // The worker dies: its lease expires, and after five more seconds the stream counts as waiting.
    journal.renew_leases("gone", Duration::ZERO).await.unwrap();
    assert_eq!(journal.count_waiting_streams().await.unwrap(), 1, "expired just now");
    tokio::time::timeout(Duration::from_secs(60), async {
        while journal.count_waiting_streams().await.unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("an expired lease is never counted");
    journal.end_stream("b", None, None, 2000).await.unwrap();
    assert_eq!(journal.count_waiting_streams().await.unwrap(), 1);
}

pub(crate) async fn attempts_are_counted_until_they_end(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    let object =
        |version: &str| ObjectVersion { bucket: "b".into(), key: "k/ö\0".into(), version: version.into() };
    let one = object("1");
    assert_eq!(journal.attempts(&one).await.unwrap(), 0);
    for attempt in 1..=MAX_DEATHS {
        assert_eq!(journal.begin_attempt(&one).await.unwrap(), Some(attempt));
    }
    assert_eq!(journal.begin_attempt(&one).await.unwrap(), None, "it must not be tried again");
    assert_eq!(journal.attempts(&one).await.unwrap(), MAX_DEATHS);
    assert_eq!(
        journal.begin_attempt(&object("2")).await.unwrap(),
        Some(1),
        "another upload is another input"
    );
    journal.end_attempt(&object("2")).await.unwrap();
    let open = journal.open_attempts(1, 9).await.unwrap();
    assert_eq!((open.len(), open[0].attempts, &*open[0].object.version), (1, MAX_DEATHS, "1"));
    journal.end_attempt(&one).await.unwrap();
    assert_eq!(journal.begin_attempt(&one).await.unwrap(), Some(1));
    assert_eq!(journal.prune_state(i64::MAX).await.unwrap(), 1);
    assert_eq!(journal.open_attempts(1, 9).await.unwrap(), []);
    let long = ObjectVersion { key: "long ".repeat(500), ..one };
    assert!(journal.begin_attempt(&long).await.is_err());
}

pub(crate) async fn a_remembered_end_rejects_a_late_start(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("a", Some("s2"), 2000)).await;
    assert!(journal.end_stream("a", Some("s2"), Some("over"), 3000).await.unwrap());
    journal.record_session_end("a", "s1", 9000).await.unwrap();
    journal.record_session_end("a", "s1", 9500).await.unwrap();
    let row = journal.stream("a").await.unwrap().unwrap();
    assert_eq!((row.session.as_deref(), row.ended_at), (Some("s2"), Some(3000)), "the row stays as it is");
    let late = journal.start_stream(&new_stream("a", Some("s1"), 8000)).await.unwrap();
    assert!(matches!(late, refrain_catalog::StartOutcome::Known(_)), "{late:?}");
    assert_eq!(started(journal, &new_stream("a", Some("s3"), 9600)).await.session.as_deref(), Some("s3"));
    assert_eq!(journal.prune_state(9001).await.unwrap(), 1);
}
