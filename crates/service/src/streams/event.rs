//! Parses the events of live platforms from EventBridge.

use chrono::DateTime;
use serde::Deserialize;

/// The `detail-type` of the events of IVS.
const IVS: &str = "IVS Stream State Change";

/// The `detail-type` of the events of MediaLive.
const MEDIALIVE: &str = "MediaLive Channel State Change";

/// A supported event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformEvent {
    /// Event of an IVS channel.
    Ivs {
        /// ARN of the channel.
        channel: String,
        /// What happened to the stream.
        change: StreamChange,
        /// Id of the stream; `None` if the event is about a session without a stream.
        stream_id: Option<String>,
        /// Time of the event, milliseconds since 1970; `None` if the event has no valid time.
        at: Option<i64>,
    },
    /// Event of a MediaLive channel.
    MediaLive {
        /// ARN of the channel.
        channel: String,
        /// What happened to the channel.
        change: MediaLiveChange,
        /// Time of the event, milliseconds since 1970; `None` if the event has no valid time.
        at: Option<i64>,
    },
}

/// Change of a stream of IVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamChange {
    /// The stream may have started: `Stream Start`, `Stream Takeover`.
    Start,
    /// The stream has ended: `Stream End`, `Session Ended`.
    End,
    /// The stream failed, for this reason: `Stream Failure`. It may continue.
    Failure(String),
    /// Another change, with its name. It has no effect.
    Other(String),
}

/// Change of a MediaLive channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaLiveChange {
    /// The channel runs.
    Running,
    /// The channel has stopped.
    Stopped,
    /// Another change. It has no effect.
    Other,
}

/// Error of a message that is not a supported event. A retry does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The message is not an event, for this reason.
    #[error("the message is not an EventBridge event: {0}")]
    NotAnEvent(String),
    /// The event is of another type.
    #[error("unsupported event type {0:?}, expected {IVS:?} or {MEDIALIVE:?}")]
    Unsupported(String),
    /// The event does not contain a channel.
    #[error("the event contains no ARN of a channel")]
    NoChannel,
}

/// The envelope of SNS around a message. It is missing if the subscription uses raw delivery.
#[derive(Deserialize)]
struct SnsEnvelope {
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
struct EventBridgeEvent {
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Option<PlatformEventDetail>,
}

#[derive(Deserialize, Default)]
struct PlatformEventDetail {
    #[serde(default)]
    event_name: Option<String>,
    #[serde(default)]
    stream_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    channel_arn: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    pipelines_running_count: Option<u64>,
}

impl PlatformEvent {
    /// Parses a message: an event, either raw or in the envelope of SNS. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`EventError`] if the message is not a supported event.
    pub fn parse(body: &str) -> Result<Self, EventError> {
        // A message that is not an envelope is parsed as it is: subscriptions with and without raw delivery use the
        // same queue.
        let inner = serde_json::from_str::<SnsEnvelope>(body).map(|envelope| envelope.message);
        let event: EventBridgeEvent = serde_json::from_str(inner.as_deref().unwrap_or(body))
            .map_err(|error| EventError::NotAnEvent(error.to_string()))?;
        let at = event.time.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        let at = at.map(|time| time.timestamp_millis());
        let detail = event.detail.unwrap_or_default();
        let channel = || event.resources.iter().find(|arn| !arn.is_empty()).cloned();
        match event.detail_type.as_str() {
            IVS => Ok(Self::Ivs {
                channel: channel().ok_or(EventError::NoChannel)?,
                stream_id: detail.stream_id.clone().filter(|id| !id.is_empty()),
                change: stream_change(detail),
                at,
            }),
            MEDIALIVE => Ok(Self::MediaLive {
                change: channel_change(&detail),
                channel: detail
                    .channel_arn
                    .filter(|arn| !arn.is_empty())
                    .or_else(channel)
                    .ok_or(EventError::NoChannel)?,
                at,
            }),
            // The text is cut, because it comes from an untrusted sender and goes to the log and to the dead-letter
            // queue.
            other => Err(EventError::Unsupported(other.chars().take(100).collect())),
        }
    }
}

fn stream_change(detail: PlatformEventDetail) -> StreamChange {
    let name = detail.event_name.unwrap_or_default();
    match name.as_str() {
        "Stream Start" | "Stream Takeover" => StreamChange::Start,
        "Stream End" | "Session Ended" => StreamChange::End,
        "Stream Failure" => StreamChange::Failure(detail.reason.unwrap_or_default()),
        _ => StreamChange::Other(name),
    }
}

fn channel_change(detail: &PlatformEventDetail) -> MediaLiveChange {
    // A channel of two pipelines runs as long as one of them does.
    let others_run = detail.pipelines_running_count.is_some_and(|count| count > 0);
    match detail.state.as_deref().unwrap_or_default() {
        "RUNNING" => MediaLiveChange::Running,
        "STOPPED" | "IDLE" if !others_run => MediaLiveChange::Stopped,
        "DELETING" | "DELETED" => MediaLiveChange::Stopped,
        _ => MediaLiveChange::Other,
    }
}
