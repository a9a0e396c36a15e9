//! Channels of a live platform (IVS).

use async_trait::async_trait;

use super::OutsideError;

/// A stream that a channel sends now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStream {
    /// ARN of the channel.
    pub channel: String,
    /// Id of the stream, for example `st-1A2b3c4D5e6F78ghij9Klmn`; no length is promised.
    pub stream_id: String,
    /// URL of the master playlist; lists have none.
    pub playback_url: Option<String>,
    /// When it started, milliseconds since 1970.
    pub started_at: Option<i64>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its ARN.
    pub arn: String,
    /// URL of the master playlist.
    pub playback_url: String,
    /// Whether it is private: the playlist wants a token.
    pub authorized: bool,
}

/// Channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// What the channel sends now (GetStream); `None` if it is there and sends nothing.
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, OutsideError>;

    /// All streams that are live (ListStreams, every page).
    async fn live(&self) -> Result<Vec<ChannelStream>, OutsideError>;

    /// The channel itself (GetChannel).
    async fn channel(&self, channel: &str) -> Result<Channel, OutsideError>;
}
