//! Waiting.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

/// Waits for that time; without one, for ever.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
