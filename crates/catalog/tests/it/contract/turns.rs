//! Work that one process of all does now and then, and what nobody is left to do.

use std::time::Duration;

use refrain_catalog::{Detection, HeardIn};

use super::detections::detection;
use super::leases::HOUR;
use super::streams::{new_stream, started};
use super::*;

pub(crate) async fn a_turn_is_for_one(place: &dyn Place) {
    let catalogs = [place.open().await, place.open().await];
    let mut turns = Vec::new();
    for round in 0..6 {
        let catalog = Arc::clone(&catalogs[round % 2]);
        turns.push(tokio::spawn(async move { catalog.journal().turn("sweep", HOUR).await.unwrap() }));
    }
    let mut mine = 0;
    for turn in turns {
        mine += u32::from(turn.await.unwrap());
    }
    assert_eq!(mine, 1);
    let journal = catalogs[0].journal();
    assert!(journal.turn("another", Duration::ZERO).await.unwrap());
    assert!(journal.turn("another", Duration::MAX).await.unwrap(), "no time at all is over at once");
    assert!(!journal.turn("another", Duration::ZERO).await.unwrap());
}

pub(crate) async fn what_nobody_would_end_is_found(place: &dyn Place) {
    let catalog = place.open().await;
    let journal = catalog.journal();
    started(journal, &new_stream("arn", Some("st-1"), 1000)).await;
    started(journal, &new_stream("radio", None, 1000)).await;
    started(journal, &new_stream("going on", None, 1000)).await;
    for (n, name) in ["st-1", "radio", "going on", "arn", "nobody knows it"].into_iter().enumerate() {
        let one = detection(n as u128, HeardIn::Stream(name.into()), 2000 + n as i64, 5000);
        assert!(journal.record(&one, &[], 5000).await.unwrap());
    }
    let left = async |before, limit| -> Vec<i64> {
        journal.left_open(before, limit).await.unwrap().iter().map(|one| one.start_at).collect()
    };
    // Its channel sends another session by now, or its row is gone.
    assert_eq!(left(9000, 9).await, [2003, 2004]);
    for id in ["arn", "radio"] {
        assert!(journal.end_stream(id, None, None, 6000).await.unwrap());
    }
    assert_eq!(left(9000, 9).await, [2000, 2001, 2003, 2004]);
    assert_eq!(left(9000, 1).await, [2000]);
    assert_eq!(left(5000, 9).await, [0_i64; 0], "they may still be told of");
    let last = journal.left_open(9000, 1).await.unwrap().remove(0);
    let over = Detection { is_final: true, ..last };
    assert!(journal.record(&over, &[], 9000).await.unwrap());
    assert_eq!(left(9000, 9).await, [2001, 2003, 2004]);
}

pub(crate) async fn what_ended_lately_is_found(place: &dyn Place) {
    let catalog = place.open().await;
    let journal = catalog.journal();
    // Streams tell any time of day: start and last sight have nothing to do with each other.
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
        let one = detection(n as u128, HeardIn::Stream(name.into()), 2000 + n as i64, last_seen);
        assert!(journal.record(&Detection { is_final, ..one }, &[], 5000).await.unwrap());
    }
    let lately = async |since, limit| {
        let of = HeardIn::Stream("st-1".into());
        let mut found: Vec<i64> =
            journal.lately_final(&of, since, limit).await.unwrap().iter().map(|one| one.start_at).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(lately(5000, 9).await, [2000, 2001, 2004]);
    assert_eq!(lately(5001, 9).await, [2001, 2004]);
    assert_eq!(lately(5000, 1).await, [2001], "the latest");
    assert_eq!(lately(7001, 9).await, [0_i64; 0]);
}
