//! Events to rows of streams.
//!
//! Events are doubled, late and out of order. What a channel sends is therefore asked of the channel (GetStream) and not
//! believed of a start. An end that comes before its start leaves a row of that session that is over: the late start then
//! is one that is known, and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::{CatalogError, NewStream, StartOutcome, Stream};

use super::event::{MediaLiveChange, PlatformEvent, StreamChange};
use super::platform::resolve;
use super::shared::{Shared, now};
use super::{ORIGIN_IVS, ORIGIN_MEDIALIVE};
use crate::intake::{Handled, Handler};
use crate::outside::OutsideError;

/// A message that found the platform or the database away comes again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Handles the events of IVS and MediaLive.
pub struct Events {
    shared: Arc<Shared>,
}

/// What keeps an event from being handled now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Outside(#[from] OutsideError),
    #[error(transparent)]
    Database(#[from] CatalogError),
}

impl Trouble {
    /// What becomes of the message. Rights and settings may be mended, so nothing is buried for want of them: the queue
    /// itself gives up after its number of receipts.
    fn handled(&self) -> Handled {
        match self {
            Self::Database(CatalogError::Invalid { .. }) => Handled::Bury(self.to_string()),
            _ => Handled::Again(AGAIN),
        }
    }
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn ivs(
        &self,
        channel: &str,
        change: &StreamChange,
        session: Option<&str>,
        at: i64,
    ) -> Result<(), Trouble> {
        if !self.shared.wants(channel) {
            tracing::debug!(channel, "not one of the channels to follow");
            return Ok(());
        }
        match change {
            StreamChange::Start => start(&self.shared, channel, session, at).await,
            StreamChange::End => end(&self.shared, channel, session, at).await,
            StreamChange::Failure(why) => {
                tracing::info!(channel, session, why, "the platform says that the stream failed");
                failed(&self.shared, channel, session, at).await
            }
            StreamChange::Other(name) => {
                tracing::debug!(channel, event = name, "nothing follows from this event");
                Ok(())
            }
        }
    }

    async fn medialive(&self, channel: &str, change: MediaLiveChange, at: i64) -> Result<(), Trouble> {
        let Some(url) = self.shared.settings.medialive.get(channel) else {
            tracing::debug!(channel, "no URL is configured for this channel of MediaLive");
            return Ok(());
        };
        let new = |started_at| NewStream {
            id: channel.to_owned(),
            url: url.clone(),
            origin: ORIGIN_MEDIALIVE.to_owned(),
            session: None,
            started_at,
        };
        match change {
            MediaLiveChange::Running => {
                told(&self.shared.journal().start_stream(&new(at)).await?);
            }
            MediaLiveChange::Stopped => {
                let journal = self.shared.journal();
                let is_running = journal.stream(channel).await?.is_some_and(|row| row.ended_at.is_none());
                if !is_running {
                    // So that a start that comes late is known to be over.
                    journal.start_stream(&new(at)).await?;
                }
                journal.end_stream(channel, None, Some("the channel was stopped"), at).await?;
            }
            MediaLiveChange::Other => tracing::debug!(channel, "nothing follows from this event"),
        }
        Ok(())
    }
}

#[async_trait]
impl Handler for Events {
    async fn handle(&self, body: &str) -> Handled {
        let event = match PlatformEvent::parse(body) {
            Ok(event) => event,
            Err(error) => return Handled::Bury(error.to_string()),
        };
        let done = match &event {
            PlatformEvent::Ivs { channel, change, stream_id, at } => {
                self.ivs(channel, change, stream_id.as_deref(), at.unwrap_or_else(now)).await
            }
            PlatformEvent::MediaLive { channel, change, at } => {
                self.medialive(channel, *change, at.unwrap_or_else(now)).await
            }
        };
        done.map_or_else(
            |trouble| {
                tracing::warn!(error = %trouble, "an event cannot be handled now; it comes again");
                trouble.handled()
            },
            |()| Handled::Done,
        )
    }
}

/// A channel may send a stream: takes in what it sends now, whatever the session is that was told of. Nothing is done if
/// that is known.
pub(super) async fn start(
    shared: &Shared,
    channel: &str,
    session: Option<&str>,
    at: i64,
) -> Result<(), Trouble> {
    let known = shared.journal().stream(channel).await?;
    if session.is_some() && known.is_some_and(|known| known.session.as_deref() == session) {
        tracing::debug!(channel, session, "this session is known");
        return Ok(());
    }
    let Some(now) = resolve(shared, channel).await? else {
        tracing::info!(channel, session, "the channel sends nothing any more");
        return Ok(());
    };
    let new = NewStream {
        id: channel.to_owned(),
        url: now.playback_url.unwrap_or_default(),
        origin: ORIGIN_IVS.to_owned(),
        session: Some(now.stream_id),
        started_at: now.started_at.unwrap_or(at),
    };
    told(&shared.journal().start_stream(&new).await?);
    Ok(())
}

/// A session is over. Another one of the same channel goes on.
pub(super) async fn end(
    shared: &Shared,
    channel: &str,
    session: Option<&str>,
    at: i64,
) -> Result<(), Trouble> {
    let journal = shared.journal();
    let known = journal.stream(channel).await?;
    let of_session = |row: &Stream| session.is_none() || row.session.as_deref() == session;
    let at = match known {
        // Events are told in whole seconds: one may seem to be before the start.
        Some(row) if of_session(&row) => at.max(row.started_at),
        // It ends only its own session, also where it is reported after the end of a later one.
        Some(_) => {
            tracing::debug!(channel, session, "another session is over than the one of the row");
            if let Some(session) = session {
                journal.remember_end(channel, session, at).await?;
            }
            return Ok(());
        }
        None => {
            let Some(session) = session else { return Ok(()) };
            let over = NewStream {
                id: channel.to_owned(),
                url: String::new(),
                origin: ORIGIN_IVS.to_owned(),
                session: Some(session.to_owned()),
                started_at: at,
            };
            journal.start_stream(&over).await?;
            at
        }
    };
    if journal.end_stream(channel, session, Some("the platform says so"), at).await? {
        tracing::info!(channel, session, "the stream is over");
    }
    Ok(())
}

/// A session failed: it is over if the channel sends it no more.
async fn failed(shared: &Shared, channel: &str, session: Option<&str>, at: i64) -> Result<(), Trouble> {
    let now = resolve(shared, channel).await?;
    if now.is_some_and(|now| session.is_none_or(|session| session == now.stream_id)) {
        return Ok(());
    }
    end(shared, channel, session, at).await
}

pub(super) fn told(outcome: &StartOutcome) {
    match outcome {
        StartOutcome::Started(row) => {
            tracing::info!(
                stream = row.id,
                session = row.session,
                origin = row.origin,
                "a stream has started"
            );
        }
        StartOutcome::Known(row) => tracing::debug!(stream = row.id, "this start is known"),
    }
}
