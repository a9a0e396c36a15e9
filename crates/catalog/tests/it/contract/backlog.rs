//! Undelivered messages whose sink is in no settings.

use std::time::Duration;

use refrain_catalog::{AfterFailure, Backlog, DeliveryStatus, SinkBacklog};

use super::TestStorage;
use super::leases::HOUR;
use super::outbox::{claim, keys, listed, message};

pub(crate) async fn messages_that_no_process_claims_expire(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    journal
        .enqueue(&[message("hook", "a"), message("hook", "b"), message("removed", "c")], 1000)
        .await
        .unwrap();
    assert_eq!(journal.expire_unclaimed(HOUR, 9).await.unwrap(), 0, "due for a moment only");
    assert_eq!(claim(journal, HOUR).await.len(), 2);
    assert_eq!(journal.expire_unclaimed(Duration::ZERO, 9).await.unwrap(), 1, "the others are claimed");
    let dead = listed(journal, DeliveryStatus::Dead).await;
    assert_eq!(keys(&dead), ["c"]);
    assert!(dead[0].last_error.as_deref().is_some_and(|error| error.contains("its sink")), "{dead:?}");
    assert_eq!(journal.retry(&[dead[0].id]).await.unwrap(), 1, "it can be revived");
}

pub(crate) async fn messages_of_a_sink_are_counted_and_dropped(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let journal = catalog.journal();
    assert_eq!(journal.sink_backlogs().await.unwrap(), []);
    journal
        .enqueue(&[message("removed", "a"), message("removed", "b"), message("hook", "a")], 1000)
        .await
        .unwrap();
    journal.enqueue(&[message("removed", "c"), message("removed", "d")], 2000).await.unwrap();
    let claimed = journal.claim_deliveries("removed", 2, HOUR).await.unwrap();
    journal.mark_delivered(&[claimed[0].id], 3000).await.unwrap();
    assert!(journal.mark_delivery_failed(claimed[1].id, 1, "no", AfterFailure::Dead).await.unwrap());
    let of = |sink: &str, waiting, oldest_at, dead| SinkBacklog {
        sink: sink.into(),
        backlog: Backlog { waiting, oldest_at: Some(oldest_at), dead },
    };
    assert_eq!(journal.sink_backlogs().await.unwrap(), [of("hook", 1, 1000, 0), of("removed", 2, 2000, 1)]);
    assert_eq!(journal.drop_deliveries("removed", 2).await.unwrap(), 2);
    assert_eq!(journal.drop_deliveries("removed", 2).await.unwrap(), 1);
    assert_eq!(journal.drop_deliveries("removed", 2).await.unwrap(), 0);
    assert_eq!(journal.sink_backlogs().await.unwrap(), [of("hook", 1, 1000, 0)]);
    assert_eq!(keys(&listed(journal, DeliveryStatus::Delivered).await), ["a"], "the history is kept");
}
