//! Waiting for an optional time.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

/// Waits until `time`. Never returns if `time` is `None`.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
