//! What the platform says is live, against the rows.
//!
//! Events can be missing. One process of all asks for the list now and then: a stream that nobody told of is taken in, and
//! one that is no longer listed is over, if the channel itself says so too (the list lags) and it did not start just now.

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

/// Name of the turn.
const TURN: &str = "reconcile ivs";

/// Each process asks so many times in the time between two looks whether it is its turn.
const ASKED: u32 = 4;

/// A stream that started so lately may not be listed yet, milliseconds.
const YOUNG: i64 = 60_000;

/// Rows of one page.
const PAGE: u32 = 1_000;

/// Looks at once and then every so often, if it is this process's turn, until the end.
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
                tracing::warn!(%error, "cannot compare the streams with the platform's list; trying again");
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
    // Ends first: a channel that sends another stream now is started below.
    for (channel, session) in gone(shared, &live).await? {
        if let Err(error) = close(shared, &channel, session.as_deref()).await {
            tracing::warn!(channel, %error, "cannot see whether the stream is over");
        }
    }
    for (channel, stream) in live {
        // One channel's trouble stops no other.
        if let Err(error) = start(shared, channel, Some(&stream.stream_id), now()).await {
            tracing::warn!(channel, %error, "cannot take the stream in");
        }
    }
    Ok(())
}

/// Channels and sessions that are followed and not listed.
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
    tracing::info!(channel, session, "nobody told of the end of a stream");
    end(shared, channel, session, now()).await
}
