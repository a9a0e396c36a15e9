//! Deletes handled messages, many at once.

use std::sync::Arc;
use std::time::Duration;

use refrain_net::Backoff;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::cloud::Queue;

/// Maximum number of messages that one call deletes. SQS deletes 10 per request, so this is up to 10 requests. A larger
/// value saves no requests; with a smaller one, a burst is deleted in more calls one after the other.
const MAX_DELETED_MESSAGES: usize = 100;

/// Maximum number of attempts to delete. A message that is not deleted is received and handled again, without harm.
/// With 2, more messages are handled twice after a short outage; with 8, receipts of later messages can expire during
/// the attempts.
const MAX_ATTEMPTS: u32 = 4;

/// Minimum and maximum pause between two attempts. All attempts together take about a second and a half, far below the
/// visibility timeout of the messages that are collected during this time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Deletes messages until all senders are dropped. While one batch is deleted, the next one is collected.
pub(super) async fn delete_all(queue: Arc<dyn Queue>, mut done: mpsc::Receiver<String>) {
    let mut batch = Vec::new();
    // Takes the receipts that are available, without waiting for a full batch: a single receipt is deleted at once, and
    // a burst is deleted together.
    while done.recv_many(&mut batch, MAX_DELETED_MESSAGES).await > 0 {
        delete(&*queue, &batch).await;
        batch.clear();
    }
}

async fn delete(queue: &dyn Queue, receipts: &[String]) {
    let mut backoff = Backoff::new(PAUSES);
    while let Err(error) = queue.delete(receipts).await {
        let count = receipts.len();
        // An expired receipt stays expired, and the receipts behind it would expire during further attempts.
        if !error.is_transient() || backoff.tries() + 1 >= MAX_ATTEMPTS {
            tracing::warn!(
                queue = queue.name(),
                count,
                %error,
                "cannot delete handled messages, they are received and handled again after their visibility timeout"
            );
            return;
        }
        tracing::debug!(
            queue = queue.name(),
            count,
            attempt = backoff.tries() + 1,
            max_attempts = MAX_ATTEMPTS,
            %error,
            "cannot delete handled messages, retrying"
        );
        sleep(backoff.next()).await;
    }
}
