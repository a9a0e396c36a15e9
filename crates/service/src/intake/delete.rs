//! Deletes what is done, many at once.

use std::sync::Arc;
use std::time::Duration;

use refrain_stream::Backoff;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::outside::Queue;

/// Most messages that are deleted by one call: more of them are more requests anyway.
const BATCH: usize = 100;

/// How often a delete is tried. What stays comes again, and is done again without harm.
const TRIES: u32 = 4;

/// Pauses between tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Deletes until nobody sends any more. While one batch is deleted, the next gathers.
pub(super) async fn delete_all(queue: Arc<dyn Queue>, mut done: mpsc::Receiver<String>) {
    let mut batch = Vec::new();
    while done.recv_many(&mut batch, BATCH).await > 0 {
        delete(&*queue, &batch).await;
        batch.clear();
    }
}

async fn delete(queue: &dyn Queue, receipts: &[String]) {
    let mut backoff = Backoff::new(PAUSES);
    while let Err(error) = queue.delete(receipts).await {
        let count = receipts.len();
        // A receipt that has run out stays so, and whoever waits behind it would run out too.
        if !error.is_transient() || backoff.tries() + 1 >= TRIES {
            tracing::warn!(queue = queue.name(), count, %error, "messages could not be deleted; they come again");
            return;
        }
        tracing::debug!(queue = queue.name(), count, %error, "messages could not be deleted; trying again");
        sleep(backoff.next()).await;
    }
}
