//! Converts the events of platforms to rows of streams.
//!
//! Events arrive twice, late and out of order. A start event is therefore only a reason to query the channel for its
//! current stream (GetStream). An end event that arrives before the start event of its session creates a row of an
//! ended session. When the start event arrives, its session is known and nothing changes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::{CatalogError, NewStream, StartOutcome, Stream};

use super::event::{MediaLiveChange, PlatformEvent, StreamChange};
use super::platform::resolve;
use super::shared::StreamsContext;
use super::{ORIGIN_IVS, ORIGIN_MEDIALIVE};
use crate::cloud::CloudError;
use crate::queue_consumer::{Disposition, Handler};
use crate::sessions::{EndCode, EndReason};

/// Pause before a message is received again if the platform or the database was unavailable. At half this value,
/// throttling by the platform gets worse and the maximum number of receives is reached sooner; at twice this value, a
/// stream starts up to 20 s late.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Handles the events of IVS and MediaLive.
pub struct PlatformEventHandler {
    shared: Arc<StreamsContext>,
}

/// The reason why an event cannot be handled now.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlatformEventError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Database(#[from] CatalogError),
}

impl PlatformEventError {
    /// Returns what to do with the message whose event could not be handled. A person can correct missing permissions
    /// and wrong settings, so a message that failed because of them is retried; the queue itself moves a message to its
    /// dead-letter queue after its maximum number of receives.
    fn disposition(&self) -> Disposition {
        match self {
            Self::Database(CatalogError::Invalid { .. }) => Disposition::DeadLetter(self.to_string()),
            _ => Disposition::Retry(RETRY_PAUSE),
        }
    }
}

impl PlatformEventHandler {
    pub(super) fn new(shared: Arc<StreamsContext>) -> Self {
        Self { shared }
    }

    async fn ivs(
        &self,
        channel: &str,
        change: &StreamChange,
        session: Option<&str>,
        at: i64,
    ) -> Result<(), PlatformEventError> {
        if !self.shared.includes_channel(channel) {
            tracing::debug!(channel, "ignoring an event of a channel that is not in ivs.channels");
            return Ok(());
        }
        match change {
            StreamChange::Start => start(&self.shared, channel, session, at).await,
            StreamChange::End => end(&self.shared, channel, session, at).await,
            StreamChange::Failure(why) => {
                tracing::info!(channel, session, why, "IVS reported that the stream failed");
                failed(&self.shared, channel, session, at).await
            }
            StreamChange::Other(name) => {
                tracing::debug!(channel, event = name, "ignoring an event of IVS without effect on streams");
                Ok(())
            }
        }
    }

    async fn medialive(
        &self,
        channel: &str,
        change: MediaLiveChange,
        at: i64,
    ) -> Result<(), PlatformEventError> {
        let Some(url) = self.shared.settings.medialive.get(channel) else {
            tracing::debug!(
                channel,
                "ignoring an event of a MediaLive channel without a URL in the settings"
            );
            return Ok(());
        };
        let new = |started_at| NewStream {
            id: channel.to_owned(),
            url: url.clone(),
            headers: None,
            origin: ORIGIN_MEDIALIVE.to_owned(),
            session: None,
            started_at,
        };
        match change {
            MediaLiveChange::Running => {
                log_start(&self.shared.journal().start_stream(&new(at)).await?);
            }
            MediaLiveChange::Stopped => {
                let journal = self.shared.journal();
                let is_running = journal.stream(channel).await?.is_some_and(|row| row.ended_at.is_none());
                if !is_running {
                    // With this row, a late start event of the broadcast that has ended has no effect.
                    journal.start_stream(&new(at)).await?;
                }
                let why = EndReason::of(EndCode::ChannelStopped);
                journal.end_stream(channel, None, Some(&why.text()), at).await?;
            }
            MediaLiveChange::Other => {
                tracing::debug!(channel, "ignoring an event of MediaLive without effect on streams");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Handler for PlatformEventHandler {
    async fn handle(&self, body: &str) -> Disposition {
        let event = match PlatformEvent::parse(body) {
            Ok(event) => event,
            Err(error) => return Disposition::DeadLetter(error.to_string()),
        };
        let done = match &event {
            PlatformEvent::Ivs { channel, change, stream_id, at } => {
                self.ivs(channel, change, stream_id.as_deref(), at.unwrap_or_else(|| self.shared.now())).await
            }
            PlatformEvent::MediaLive { channel, change, at } => {
                self.medialive(channel, *change, at.unwrap_or_else(|| self.shared.now())).await
            }
        };
        done.map_or_else(
            |error| {
                let (PlatformEvent::Ivs { channel, .. } | PlatformEvent::MediaLive { channel, .. }) = &event;
                let disposition = error.disposition();
                let retry = matches!(disposition, Disposition::Retry(_));
                tracing::warn!(channel, %error, retry, "cannot handle an event of the channel");
                disposition
            },
            |()| Disposition::Ack,
        )
    }
}

/// Starts the stream that a channel sends now. Its session can differ from `session`, which the event reported.
/// Does nothing if `session` is known already, or if the channel sends no stream. If the platform reports no start
/// time, the stream started at `at` (milliseconds since 1970).
pub(super) async fn start(
    shared: &StreamsContext,
    channel: &str,
    session: Option<&str>,
    at: i64,
) -> Result<(), PlatformEventError> {
    let known = shared.journal().stream(channel).await?;
    // Known sessions are not queried: each start arrives several times, and GetStream is limited to few calls per
    // second.
    if session.is_some() && known.is_some_and(|known| known.session.as_deref() == session) {
        tracing::debug!(channel, session, "ignoring the start of a session that is stored already");
        return Ok(());
    }
    // The platform decides which session runs. The event may be late, and its session may have ended.
    let Some(now) = resolve(shared, channel).await? else {
        tracing::info!(channel, session, "ignoring a start event, the channel has no running stream");
        return Ok(());
    };
    let new = NewStream {
        id: channel.to_owned(),
        url: now.playback_url.unwrap_or_default(),
        headers: None,
        origin: ORIGIN_IVS.to_owned(),
        session: Some(now.stream_id),
        started_at: now.started_at.unwrap_or(at),
    };
    log_start(&shared.journal().start_stream(&new).await?);
    Ok(())
}

/// Ends the session `session` of a channel at the time `at`, in milliseconds since 1970; `None`: the current session.
/// Does not end another session of the same channel.
pub(super) async fn end(
    shared: &StreamsContext,
    channel: &str,
    session: Option<&str>,
    at: i64,
) -> Result<(), PlatformEventError> {
    let journal = shared.journal();
    let known = journal.stream(channel).await?;
    let of_session = |row: &Stream| session.is_none() || row.session.as_deref() == session;
    let at = match known {
        // Events have times in whole seconds, so the end can appear to be before the start.
        Some(row) if of_session(&row) => at.max(row.started_at),
        // An event ends only its own session, even if it arrives during a later session.
        Some(_) => {
            tracing::debug!(channel, session, "storing the end of a session that is not the current one");
            if let Some(session) = session {
                journal.record_session_end(channel, session, at).await?;
            }
            return Ok(());
        }
        None => {
            let Some(session) = session else { return Ok(()) };
            let ended_session = NewStream {
                id: channel.to_owned(),
                url: String::new(),
                headers: None,
                origin: ORIGIN_IVS.to_owned(),
                session: Some(session.to_owned()),
                started_at: at,
            };
            journal.start_stream(&ended_session).await?;
            at
        }
    };
    let why = EndReason::of(EndCode::PlatformEnded);
    if journal.end_stream(channel, session, Some(&why.text()), at).await? {
        tracing::info!(channel, session, "stream ended");
    }
    Ok(())
}

/// Ends a session that failed, unless the channel still sends it.
async fn failed(
    shared: &StreamsContext,
    channel: &str,
    session: Option<&str>,
    at: i64,
) -> Result<(), PlatformEventError> {
    let now = resolve(shared, channel).await?;
    // A failure event is also sent for an interruption after which the same session continues.
    if now.is_some_and(|now| session.is_none_or(|session| session == now.stream_id)) {
        return Ok(());
    }
    end(shared, channel, session, at).await
}

pub(super) fn log_start(outcome: &StartOutcome) {
    match outcome {
        StartOutcome::Started(row) => {
            tracing::info!(stream = row.id, session = row.session, origin = row.origin, "stream started");
        }
        StartOutcome::Known(row) => {
            tracing::debug!(stream = row.id, "ignoring the start of a session that is stored already");
        }
    }
}
