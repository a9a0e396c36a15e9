//! Reconciles the rows of streams with the list of live streams of the platform.
//!
//! Events can be missing. One of all processes reads the list at regular intervals. A listed stream that has no row is started.
//! A stream that is not listed any more is ended, unless it started less than a minute ago or its channel still sends it: the
//! list lags.

use std::collections::BTreeMap;
use std::sync::Arc;

use refrain_catalog::StreamFilter;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::ORIGIN_IVS;
use super::events::{Trouble, end, start};
use super::platform::resolve;
use super::shared::{Shared, now};
use crate::outside::ChannelStream;

/// Name of the periodic job; see [`refrain_catalog::Journal::turn`].
const TURN: &str = "reconcile ivs";

/// Number of times within an interval that each process checks if it has to do the job.
const ASKED: u32 = 4;

/// A stream that started less than this time ago may not be listed yet, in milliseconds.
const YOUNG: i64 = 60_000;

/// Number of rows that are read in one query.
const PAGE: u32 = 1_000;

/// Reconciles at once and then at each interval, if it is this process's turn, until `stop` is cancelled.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let (Some(every), true) = (shared.settings.reconcile, shared.channels.is_some()) else { return };
    let mut tick = interval(every / ASKED);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let look =
            async { if shared.journal().turn(TURN, every).await? { look(&shared).await } else { Ok(()) } };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = look => if let Err(error) = done {
                tracing::warn!(%error, "cannot compare the streams with the list of the platform, retrying");
            },
        }
    }
}

async fn look(shared: &Shared) -> Result<(), Trouble> {
    let Some(channels) = &shared.channels else { return Ok(()) };
    let live = channels.live().await?;
    let live: BTreeMap<&str, &ChannelStream> = live
        .iter()
        .filter(|stream| shared.wants(&stream.channel))
        .map(|stream| (stream.channel.as_str(), stream))
        .collect();
    tracing::debug!(live = live.len(), "comparing streams");
    // Ends come first: a channel that sends another stream now is started below.
    for (channel, session) in gone(shared, &live).await? {
        if let Err(error) = close(shared, &channel, session.as_deref()).await {
            tracing::warn!(channel, %error, "cannot check if the stream has ended");
        }
    }
    for (channel, stream) in live {
        // An error of one channel does not stop the others.
        if let Err(error) = start(shared, channel, Some(&stream.stream_id), now()).await {
            tracing::warn!(channel, %error, "cannot start the stream");
        }
    }
    Ok(())
}

/// Returns the channels and sessions that have a row but are not listed.
async fn gone(
    shared: &Shared,
    live: &BTreeMap<&str, &ChannelStream>,
) -> Result<Vec<(String, Option<String>)>, Trouble> {
    let filter = StreamFilter { origin: Some(ORIGIN_IVS.to_owned()), ..StreamFilter::default() };
    let (mut gone, mut after, old) = (Vec::new(), None::<String>, now() - YOUNG);
    loop {
        let page = shared.journal().streams(&filter, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(gone) };
        after = Some(last.id.clone());
        let is_gone = |session: Option<&str>, channel: &str| {
            live.get(channel).is_none_or(|now| session.is_some_and(|session| now.stream_id != session))
        };
        gone.extend(
            page.into_iter()
                .filter(|row| row.started_at < old && is_gone(row.session.as_deref(), &row.id))
                .map(|row| (row.id, row.session)),
        );
    }
}

/// Ends a session if its channel does not send it any more.
async fn close(shared: &Shared, channel: &str, session: Option<&str>) -> Result<(), Trouble> {
    let sent = resolve(shared, channel).await?;
    if sent.is_some_and(|sent| session.is_none_or(|session| session == sent.stream_id)) {
        return Ok(());
    }
    tracing::info!(channel, session, "ending a stream without an end event");
    end(shared, channel, session, now()).await
}
