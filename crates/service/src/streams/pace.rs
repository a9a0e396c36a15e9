//! Limits the rate of calls to a platform.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::outside::{Channel, ChannelStream, Channels, OutsideError};

/// Limits the rate of calls to `channels`. Calls that exceed the rate wait in line.
pub(super) struct Paced {
    channels: Arc<dyn Channels>,
    every: Duration,
    next: Mutex<Instant>,
}

impl Paced {
    /// Creates a limit of `calls_per_second`.
    pub(super) fn new(channels: Arc<dyn Channels>, calls_per_second: f64) -> Self {
        let every = Duration::try_from_secs_f64(1.0 / calls_per_second).unwrap_or(Duration::from_secs(1));
        Self { channels, every, next: Mutex::new(Instant::now()) }
    }

    async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            *next = at + self.every;
            at
        };
        sleep_until(at).await;
    }
}

#[async_trait]
impl Channels for Paced {
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, OutsideError> {
        self.turn().await;
        self.channels.stream(channel).await
    }

    async fn live(&self) -> Result<Vec<ChannelStream>, OutsideError> {
        self.turn().await;
        self.channels.live().await
    }

    async fn channel(&self, channel: &str) -> Result<Channel, OutsideError> {
        self.turn().await;
        self.channels.channel(channel).await
    }
}
