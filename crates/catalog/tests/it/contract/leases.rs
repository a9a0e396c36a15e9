//! Leases of streams.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{ARCHIVE, Journal, NewStream, StreamState};

use super::sessions::{report, reported};
use super::streams::{new_stream, started};
use super::*;

/// A lease longer than any test.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn claimed(journal: &dyn Journal, owner: &str, limit: u32, lease: Duration) -> Vec<String> {
    let streams = journal.claim_streams(owner, limit, lease).await.unwrap();
    assert!(streams.iter().all(|stream| stream.lease_owner.as_deref() == Some(owner)));
    streams.into_iter().map(|stream| stream.id).collect()
}

pub(crate) async fn renewed(journal: &dyn Journal, owner: &str) -> Vec<String> {
    journal.renew_leases(owner, HOUR).await.unwrap()
}

pub(crate) async fn streams_are_claimed_oldest_first_up_to_the_limit(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for (id, at) in [("d", 1000), ("c", 3000), ("b", 2000), ("a", 3000)] {
        started(journal, &new_stream(id, None, at)).await;
    }
    assert_eq!(claimed(journal, "one", 0, HOUR).await, Vec::<String>::new());
    assert_eq!(claimed(journal, "one", 1, HOUR).await, ["d"]);
    assert_eq!(claimed(journal, "other", 2, Duration::MAX).await, ["b", "a"]);
    assert_eq!(claimed(journal, "one", u32::MAX, HOUR).await, ["c"]);
    assert_eq!(claimed(journal, "other", 9, HOUR).await, Vec::<String>::new());
    assert_eq!(renewed(journal, "one").await, ["c", "d"]);
    assert_eq!(renewed(journal, "stranger").await, Vec::<String>::new());
}

pub(crate) async fn archives_are_claimed_separately(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for (id, origin) in [("a", ARCHIVE), ("b", "ivs"), ("c", ARCHIVE)] {
        started(journal, &NewStream { origin: origin.into(), ..new_stream(id, None, 1000) }).await;
    }
    assert_eq!(claimed(journal, "live", 9, HOUR).await, ["b"]);
    let archives = journal.claim_archives("one", 1, HOUR).await.unwrap();
    assert_eq!((archives.len(), &*archives[0].id, archives[0].lease_owner.as_deref()), (1, "a", Some("one")));
    assert_eq!(journal.claim_archives("other", 9, Duration::ZERO).await.unwrap().len(), 1);
    // The lease has expired at once, but only a claim for archives returns the stream.
    assert_eq!(claimed(journal, "live", 9, HOUR).await, Vec::<String>::new());
    let archives = journal.claim_archives("one", 9, HOUR).await.unwrap();
    assert_eq!((archives.len(), &*archives[0].id), (1, "c"));
    assert_eq!(renewed(journal, "one").await, ["a", "c"]);
}

pub(crate) async fn an_expired_lease_is_taken_over(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for id in ["a", "b"] {
        started(journal, &new_stream(id, None, 1000)).await;
    }
    // A lease of zero has expired when the next worker claims.
    assert_eq!(claimed(journal, "dead", 9, Duration::ZERO).await, ["a", "b"]);
    assert_eq!(claimed(journal, "heir", 1, HOUR).await, ["a"]);
    let taken = journal.stream("a").await.unwrap().unwrap();
    assert_eq!(taken.attempts, 2);
    let live = report(StreamState::Live);
    assert!(!reported(journal, "dead", &taken.key(), &live).await);
    assert_eq!(journal.release("dead", Some("a")).await.unwrap(), 0);
    assert_eq!(
        renewed(journal, "dead").await,
        ["b"],
        "an expired lease that was not taken over is still held"
    );
    assert_eq!(claimed(journal, "heir", 9, HOUR).await, Vec::<String>::new());
    assert_eq!(renewed(journal, "heir").await, ["a"]);
}

pub(crate) async fn released_streams_are_claimable_at_once(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    for id in ["a", "b", "c"] {
        started(journal, &new_stream(id, None, 1000)).await;
    }
    assert_eq!(claimed(journal, "one", 9, HOUR).await.len(), 3);
    assert_eq!(journal.release("one", Some("b")).await.unwrap(), 1);
    assert_eq!(journal.release("one", Some("b")).await.unwrap(), 0);
    assert_eq!(claimed(journal, "other", 9, HOUR).await, ["b"]);
    assert_eq!(journal.release("one", None).await.unwrap(), 2);
    assert_eq!(claimed(journal, "other", 9, HOUR).await, ["a", "c"]);
    assert_eq!(renewed(journal, "other").await, ["a", "b", "c"]);
}

pub(crate) async fn concurrent_claims_return_each_stream_once(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for n in 0..60 {
        started(catalog.journal(), &new_stream(&format!("{n:02}"), None, 1000)).await;
    }
    // In the first round the streams have no lease, in the second their leases have expired.
    for round in 0..2 {
        let mut tasks = Vec::new();
        for worker in 0..4 {
            let catalog = storage.open().await;
            let lease = if round == 0 { HOUR } else { Duration::from_secs(7200) };
            tasks.push(tokio::spawn(async move {
                let owner = format!("worker {round} {worker}");
                let mut mine = Vec::new();
                loop {
                    let more = claimed(catalog.journal(), &owner, 7, lease).await;
                    assert!(more.len() <= 7);
                    if more.is_empty() {
                        mine.sort();
                        assert_eq!(renewed(catalog.journal(), &owner).await, mine);
                        return mine;
                    }
                    mine.extend(more);
                }
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (60, 60));
        for worker in 0..4 {
            let owner = format!("worker {round} {worker}");
            catalog.journal().renew_leases(&owner, Duration::ZERO).await.unwrap();
        }
    }
}
