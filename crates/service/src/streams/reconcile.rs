//! Reconciles the rows of streams with the list of live streams of the platform.
//!
//! Events can be lost, so one of all processes reads the list at regular intervals. A listed stream that has no row is
//! started. A stream that is not listed any more is ended. The list lags, so a stream is not ended if it started less
//! than a minute ago or if its channel still sends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use refrain_catalog::StreamFilter;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::ORIGIN_IVS;
use super::events::{PlatformEventError, end, start};
use super::platform::resolve;
use super::shared::StreamsContext;
use crate::cloud::ChannelStream;

/// Name of the periodic job; see [`refrain_catalog::StreamLeases::claim_turn`].
const JOB_NAME: &str = "reconcile ivs";

/// Number of times within an interval that each process checks if the job is due and if it has to do the job. With 2,
/// the job can be late by half an interval if the process that did it last has died; with 8, these checks cost twice
/// the queries.
const CHECKS_PER_INTERVAL: u32 = 4;

/// Age of a stream in milliseconds below which the list of the platform may not contain the stream yet. At half this
/// value, a list that lags by more than 30 s costs a needless GetStream per new stream. At twice this value, a stream
/// whose end event was lost is ended a minute later.
const MIN_AGE_MS: i64 = 60_000;

/// Number of rows that are read in one query. A row has below 1 kB, so a page has below 1 MB.
const PAGE_ROWS: u32 = 1_000;

/// Reconciles at the start and then at each interval, until `stop` is cancelled. At each time, one of all processes
/// does the job.
pub(super) async fn run(shared: Arc<StreamsContext>, stop: CancellationToken) {
    let (Some(every), true) = (shared.settings.reconcile, shared.channels.is_some()) else { return };
    // Each process checks more often than the job is due. So the job continues in time when the process that did it
    // last has died.
    let mut tick = interval(every / CHECKS_PER_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let reconcile = async {
            if shared.journal().claim_turn(JOB_NAME, every).await? {
                reconcile(&shared).await
            } else {
                Ok(())
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = reconcile => if let Err(error) = done {
                tracing::warn!(%error, "cannot compare the live channels of IVS with the stored streams, retrying");
            },
        }
    }
}

async fn reconcile(shared: &StreamsContext) -> Result<(), PlatformEventError> {
    let Some(channels) = &shared.channels else { return Ok(()) };
    let live = channels.live().await?;
    let live: BTreeMap<&str, &ChannelStream> = live
        .iter()
        .filter(|stream| shared.includes_channel(&stream.channel))
        .map(|stream| (stream.channel.as_str(), stream))
        .collect();
    tracing::debug!(live = live.len(), "comparing the live channels with the stored streams");
    // Ends come first: a channel that sends another stream now is started below.
    for (channel, session) in missing(shared, &live).await? {
        if let Err(error) = close(shared, &channel, session.as_deref()).await {
            tracing::warn!(channel, %error, "cannot check if the stream has ended, retrying at the next comparison");
        }
    }
    for (channel, stream) in live {
        // An error of one channel does not stop the others.
        if let Err(error) = start(shared, channel, Some(&stream.stream_id), shared.now()).await {
            tracing::warn!(channel, %error, "cannot start the stream, retrying at the next comparison");
        }
    }
    Ok(())
}

/// Returns the channels and sessions that have a row but are not in the list `live`.
async fn missing(
    shared: &StreamsContext,
    live: &BTreeMap<&str, &ChannelStream>,
) -> Result<Vec<(String, Option<String>)>, PlatformEventError> {
    let filter = StreamFilter { origin: Some(ORIGIN_IVS.to_owned()), ..StreamFilter::default() };
    let (mut missing, mut after, newest_start) = (Vec::new(), None::<String>, shared.now() - MIN_AGE_MS);
    loop {
        let page = shared.journal().streams(&filter, after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = page.last() else { return Ok(missing) };
        after = Some(last.id.clone());
        let is_gone = |session: Option<&str>, channel: &str| {
            // A channel that sends another session counts as well: the row of its earlier session has to end.
            live.get(channel).is_none_or(|now| session.is_some_and(|session| now.stream_id != session))
        };
        missing.extend(
            page.into_iter()
                .filter(|row| row.started_at < newest_start && is_gone(row.session.as_deref(), &row.id))
                .map(|row| (row.id, row.session)),
        );
    }
}

/// Ends a session, unless its channel still sends it.
async fn close(
    shared: &StreamsContext,
    channel: &str,
    session: Option<&str>,
) -> Result<(), PlatformEventError> {
    let sent = resolve(shared, channel).await?;
    // The list can lag behind the platform in both directions, so the result of GetStream decides.
    if sent.is_some_and(|sent| session.is_none_or(|session| session == sent.stream_id)) {
        return Ok(());
    }
    tracing::info!(channel, session, "stream is no longer live, ending it although no end event arrived");
    end(shared, channel, session, shared.now()).await
}
