//! Interface to the channels of a live platform (IVS).

use async_trait::async_trait;

use super::CloudError;

/// The live stream of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStream {
    /// ARN of the channel.
    pub channel: String,
    /// Id of the stream, for example `st-1A2b3c4D5e6F78ghij9Klmn`; its length is not specified.
    pub stream_id: String,
    /// URL of the master playlist; `None` in the results of [`Channels::live`].
    pub playback_url: Option<String>,
    /// Time when the stream started, in milliseconds since 1970; `None` if the platform did not report it.
    pub started_at: Option<i64>,
}

/// A channel of the live platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// ARN of the channel.
    pub arn: String,
    /// URL of the master playlist.
    pub playback_url: String,
    /// True if the channel is private: its playlist requires a token.
    pub authorized: bool,
}

/// Access to channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Returns the live stream of a channel (GetStream), or `None` if the channel exists but sends no stream. A channel
    /// that does not exist is an error of the kind `NotFound`.
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, CloudError>;

    /// Returns the live streams of all channels (ListStreams, all pages).
    async fn live(&self) -> Result<Vec<ChannelStream>, CloudError>;

    /// Returns the configuration of a channel (GetChannel).
    async fn channel(&self, channel: &str) -> Result<Channel, CloudError>;
}
