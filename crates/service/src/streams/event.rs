//! Events of live platforms, as EventBridge sends them.

use chrono::DateTime;
use serde::Deserialize;

/// What the `detail-type` of an event of IVS is.
const IVS: &str = "IVS Stream State Change";

/// What the `detail-type` of an event of MediaLive is.
const MEDIALIVE: &str = "MediaLive Channel State Change";

/// An event that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformEvent {
    /// Of IVS.
    Ivs {
        /// ARN of the channel.
        channel: String,
        /// What happened.
        change: StreamChange,
        /// Id of the stream; events of sessions without a stream have none.
        stream_id: Option<String>,
        /// When, milliseconds since 1970.
        at: Option<i64>,
    },
    /// Of MediaLive.
    MediaLive {
        /// ARN of the channel.
        channel: String,
        /// What happened.
        change: MediaLiveChange,
        /// When, milliseconds since 1970.
        at: Option<i64>,
    },
}

/// What happened to a stream of IVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamChange {
    /// It may have started: `Stream Start`, `Stream Takeover`.
    Start,
    /// It is over: `Stream End`, `Session Ended`.
    End,
    /// It failed, for this reason: `Stream Failure`. It may go on.
    Failure(String),
    /// Anything else, by its name. Nothing follows.
    Other(String),
}

/// What happened to a channel of MediaLive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaLiveChange {
    /// It runs.
    Running,
    /// It runs no more.
    Stopped,
    /// Anything else. Nothing follows.
    Other,
}

/// A message that nobody will ever understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is no event.
    #[error("this is no event of EventBridge: {0}")]
    NoEvent(String),
    /// It is an event of something else.
    #[error("this is an event {0:?}; {IVS:?} and {MEDIALIVE:?} are expected")]
    Foreign(String),
    /// It does not say of which channel it is.
    #[error("the event names no channel")]
    NoChannel,
}

/// What SNS puts a message into, unless it is told to deliver it raw.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Option<Detail>,
}

#[derive(Deserialize, Default)]
struct Detail {
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
    /// Reads a message: an event, raw or as SNS passes it on. What an event has beside what is needed is not looked at.
    ///
    /// # Errors
    /// [`EventError`] for everything else.
    pub fn parse(body: &str) -> Result<Self, EventError> {
        let inner = serde_json::from_str::<Envelope>(body).map(|envelope| envelope.message);
        let event: Event = serde_json::from_str(inner.as_deref().unwrap_or(body))
            .map_err(|error| EventError::NoEvent(error.to_string()))?;
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
            other => Err(EventError::Foreign(other.chars().take(100).collect())),
        }
    }
}

fn stream_change(detail: Detail) -> StreamChange {
    let name = detail.event_name.unwrap_or_default();
    match name.as_str() {
        "Stream Start" | "Stream Takeover" => StreamChange::Start,
        "Stream End" | "Session Ended" => StreamChange::End,
        "Stream Failure" => StreamChange::Failure(detail.reason.unwrap_or_default()),
        _ => StreamChange::Other(name),
    }
}

fn channel_change(detail: &Detail) -> MediaLiveChange {
    // A channel of two pipelines runs as long as one of them does.
    let others_run = detail.pipelines_running_count.is_some_and(|count| count > 0);
    match detail.state.as_deref().unwrap_or_default() {
        "RUNNING" => MediaLiveChange::Running,
        "STOPPED" | "IDLE" if !others_run => MediaLiveChange::Stopped,
        "DELETING" | "DELETED" => MediaLiveChange::Stopped,
        _ => MediaLiveChange::Other,
    }
}
