//! Periodic work that one of all processes does, and the detections that this work looks for.

use std::time::Duration;

use refrain_catalog::DetectionSource;

use super::detections::{detection, ended};
use super::leases::HOUR;
use super::streams::{new_stream, started};
use super::*;

pub(crate) async fn one_caller_per_period_gets_the_turn(storage: &dyn TestStorage) {
    let catalogs = [storage.open().await, storage.open().await];
    let mut turns = Vec::new();
    for round in 0..6 {
        let catalog = Arc::clone(&catalogs[round % 2]);
        turns.push(tokio::spawn(async move { catalog.journal().claim_turn("sweep", HOUR).await.unwrap() }));
    }
    let mut mine = 0;
    for claim_turn in turns {
        mine += u32::from(claim_turn.await.unwrap());
    }
    assert_eq!(mine, 1);
    let journal = catalogs[0].journal();
    assert!(journal.claim_turn("another", Duration::ZERO).await.unwrap());
    assert!(
        journal.claim_turn("another", Duration::MAX).await.unwrap(),
        "a period of zero has passed at once"
    );
    assert!(!journal.claim_turn("another", Duration::ZERO).await.unwrap());
}

pub(crate) async fn open_detections_without_a_live_stream_are_found(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("arn", Some("st-1"), 1000)).await;
    started(journal, &new_stream("radio", None, 1000)).await;
    started(journal, &new_stream("going on", None, 1000)).await;
    for (n, name) in ["st-1", "radio", "going on", "arn", "nobody knows it"].into_iter().enumerate() {
        let one = detection(n as u128, DetectionSource::Stream(name.into()), 2000 + n as i64, 5000);
        assert!(journal.record(&one, &[], 5000).await.unwrap());
    }
    let remaining = async |before, limit| -> Vec<i64> {
        journal
            .abandoned_detections(before, limit)
            .await
            .unwrap()
            .iter()
            .map(|one| one.detection.start_at())
            .collect()
    };
    // The session of the stream `arn` is `st-1`, and the last name belongs to no stream.
    assert_eq!(remaining(9000, 9).await, [2003, 2004]);
    for id in ["arn", "radio"] {
        assert!(journal.end_stream(id, None, None, 6000).await.unwrap());
    }
    assert_eq!(remaining(9000, 9).await, [2000, 2001, 2003, 2004]);
    assert_eq!(remaining(9000, 1).await, [2000]);
    assert_eq!(remaining(5000, 9).await, [0_i64; 0], "they were seen too recently");
    let last = journal.abandoned_detections(9000, 1).await.unwrap().remove(0);
    let over = ended(&last);
    assert!(journal.record(&over, &[], 9000).await.unwrap());
    assert_eq!(remaining(9000, 9).await, [2001, 2003, 2004]);
}

pub(crate) async fn recently_final_detections_are_found(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    // Streams can have any timestamps, so the start and the time of the last sight are unrelated.
    for (n, (name, last_seen, is_final)) in [
        ("st-1", 5000, true),
        ("st-1", 7000, true),
        ("st-1", 8000, false),
        ("st-2", 9000, true),
        ("st-1", 6000, true),
    ]
    .into_iter()
    .enumerate()
    {
        let one = detection(n as u128, DetectionSource::Stream(name.into()), 2000 + n as i64, last_seen);
        let one = if is_final { ended(&one) } else { one };
        assert!(journal.record(&one, &[], 5000).await.unwrap());
    }
    let lately = async |since, limit| {
        let of = DetectionSource::Stream("st-1".into());
        let mut found: Vec<i64> = journal
            .recently_final_detections(&of, since, limit)
            .await
            .unwrap()
            .iter()
            .map(|one| one.detection.start_at())
            .collect();
        found.sort_unstable();
        found
    };
    assert_eq!(lately(5000, 9).await, [2000, 2001, 2004]);
    assert_eq!(lately(5001, 9).await, [2001, 2004]);
    assert_eq!(lately(5000, 1).await, [2001], "the latest");
    assert_eq!(lately(7001, 9).await, [0_i64; 0]);
}
