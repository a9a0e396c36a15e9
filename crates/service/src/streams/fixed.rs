//! Starts the streams of the settings.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{CatalogError, NewStream, StreamFilter};
use refrain_net::Backoff;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ORIGIN_FIXED;
use super::events::log_start;
use super::shared::StreamsContext;
use crate::sessions::{EndCode, EndReason};

/// Minimum and maximum pause before a write to the database is repeated. The worker claims no streams before the first
/// success. At twice the maximum, it starts up to a minute after the database is available again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Number of rows that are read in one query. A row has below 1 kB, so a page has below 1 MB.
const PAGE_ROWS: u32 = 1_000;

/// Starts the streams that are in the settings, and ends those that were removed from them. Retries until the database
/// has stored the changes or `stop` is cancelled.
pub(super) async fn sync_until_stored(shared: &StreamsContext, stop: &CancellationToken) {
    let mut backoff = Backoff::new(PAUSES);
    while let Err(error) = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        done = sync_fixed_streams(shared) => done,
    } {
        tracing::warn!(%error, "cannot store the streams of the settings, retrying");
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff.next()) => {}
        }
    }
}

async fn sync_fixed_streams(shared: &StreamsContext) -> Result<(), CatalogError> {
    let journal = shared.journal();
    let wanted: BTreeSet<&str> = shared.settings.fixed.iter().map(|(id, _)| id.as_str()).collect();
    let filter = StreamFilter { origin: Some(ORIGIN_FIXED.to_owned()), ..StreamFilter::default() };
    let mut after: Option<String> = None;
    loop {
        let page = journal.streams(&filter, after.as_deref(), PAGE_ROWS).await?;
        for row in page.iter().filter(|row| !wanted.contains(row.id.as_str())) {
            let why = EndReason::of(EndCode::NotInSettings);
            journal.end_stream(&row.id, None, Some(&why.text()), shared.now()).await?;
        }
        match page.last() {
            Some(last) => after = Some(last.id.clone()),
            None => break,
        }
    }
    for (id, url) in &shared.settings.fixed {
        start(shared, id, url).await?;
    }
    Ok(())
}

/// Starts a stream. If the stream is followed with another URL, its old session is ended first.
async fn start(shared: &StreamsContext, id: &str, url: &str) -> Result<(), CatalogError> {
    let journal = shared.journal();
    let known = journal.stream(id).await?;
    if known.as_ref().is_some_and(|row| row.is_quarantined() && row.url == url) {
        // Only a person or another URL may start a quarantined stream again, not a restart of the process.
        tracing::error!(
            stream = id,
            "stream is quarantined and not followed; `refrain streams add` or another URL in the settings starts it again"
        );
        return Ok(());
    }
    let mut started_at = shared.now();
    if let Some(row) = known.filter(|row| row.ended_at.is_none() && row.url != url) {
        if row.origin != ORIGIN_FIXED {
            tracing::warn!(
                stream = id,
                origin = row.origin,
                "another stream with this id is followed already, ignoring the one in the settings"
            );
            return Ok(());
        }
        let ended = started_at.max(row.started_at);
        journal.end_stream(id, None, Some(&EndReason::of(EndCode::NewUrl).text()), ended).await?;
        started_at = ended + 1;
    }
    let new = NewStream {
        id: id.to_owned(),
        url: url.to_owned(),
        origin: ORIGIN_FIXED.to_owned(),
        session: None,
        started_at,
    };
    log_start(&journal.start_stream(&new).await?);
    Ok(())
}
