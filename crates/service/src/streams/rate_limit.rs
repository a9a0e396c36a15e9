//! Limits the rate of calls to a platform.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::cloud::{Channel, ChannelStream, Channels, CloudError};

/// Limits the rate of calls to `channels`. Calls that exceed the rate wait in line.
pub(super) struct RateLimitedChannels {
    channels: Arc<dyn Channels>,
    interval: Duration,
    next: Mutex<Instant>,
}

impl RateLimitedChannels {
    /// Limits the calls to `channels` to `calls_per_second`.
    pub(super) fn new(channels: Arc<dyn Channels>, calls_per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / calls_per_second).unwrap_or(Duration::from_secs(1));
        Self { channels, interval, next: Mutex::new(Instant::now()) }
    }

    async fn wait_for_slot(&self) {
        let at = {
            // The lock is held only to reserve a time, not while waiting. So callers queue in order without blocking
            // each other.
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            *next = at + self.interval;
            at
        };
        sleep_until(at).await;
    }
}

#[async_trait]
impl Channels for RateLimitedChannels {
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, CloudError> {
        self.wait_for_slot().await;
        self.channels.stream(channel).await
    }

    async fn live(&self) -> Result<Vec<ChannelStream>, CloudError> {
        self.wait_for_slot().await;
        self.channels.live().await
    }

    async fn channel(&self, channel: &str) -> Result<Channel, CloudError> {
        self.wait_for_slot().await;
        self.channels.channel(channel).await
    }
}
