//! Starts the streams of the settings.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{CatalogError, NewStream, Stream, StreamFilter};
use refrain_net::Backoff;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ORIGIN_FIXED;
use super::events::log_start;
use super::headers::stored_headers;
use super::shared::StreamsContext;
use crate::sessions::{EndCode, EndReason};
use crate::settings::FixedStream;

/// Minimum and maximum pause before a write to the database is repeated. The worker claims no streams before the first
/// success. At twice the maximum, it starts up to a minute after the database is available again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Number of rows that are read in one query. A row has below 1 kB, so a page has below 1 MB.
const PAGE_ROWS: u32 = 1_000;

/// Keeps the rows of streams in step with the streams of the settings.
pub(super) struct FixedStreams<'a> {
    shared: &'a StreamsContext,
    wanted: watch::Receiver<Vec<FixedStream>>,
    /// The streams that were stored last; `None` before the first time.
    stored: Option<Vec<FixedStream>>,
}

impl<'a> FixedStreams<'a> {
    pub(super) fn new(shared: &'a StreamsContext) -> Self {
        Self { shared, wanted: shared.fixed.subscribe(), stored: None }
    }

    /// Stores each change of the settings until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = self.wanted.changed() => if changed.is_err() { return },
            }
            self.sync_until_stored(&stop).await;
        }
    }

    /// Starts the streams that are in the settings, and ends those that were removed from them. Retries until the
    /// database has stored the changes or `stop` is cancelled.
    pub(super) async fn sync_until_stored(&mut self, stop: &CancellationToken) {
        let mut backoff = Backoff::new(PAUSES);
        while let Err(error) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = self.sync() => done,
        } {
            tracing::warn!(%error, "cannot store the streams of the settings, retrying");
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    async fn sync(&mut self) -> Result<(), CatalogError> {
        let streams = self.wanted.borrow_and_update().clone();
        self.end_removed(&streams).await?;
        for stream in &streams {
            self.start(stream).await?;
        }
        self.stored = Some(streams);
        Ok(())
    }

    /// Ends the streams of earlier settings that are not in `streams`.
    async fn end_removed(&self, streams: &[FixedStream]) -> Result<(), CatalogError> {
        let journal = self.shared.journal();
        let wanted: BTreeSet<&str> = streams.iter().map(|stream| stream.id.as_str()).collect();
        let filter = StreamFilter { origin: Some(ORIGIN_FIXED.to_owned()), ..StreamFilter::default() };
        let mut after: Option<String> = None;
        loop {
            let page = journal.streams(&filter, after.as_deref(), PAGE_ROWS).await?;
            for row in page.iter().filter(|row| !wanted.contains(row.id.as_str())) {
                let why = EndReason::of(EndCode::NotInSettings);
                journal.end_stream(&row.id, None, Some(&why.text()), self.shared.now()).await?;
            }
            match page.last() {
                Some(last) => after = Some(last.id.clone()),
                None => return Ok(()),
            }
        }
    }

    /// Starts a stream. If the stream is followed with other settings, its old session is ended first.
    async fn start(&self, stream: &FixedStream) -> Result<(), CatalogError> {
        let FixedStream { id, url, headers, .. } = stream;
        let (journal, headers) = (self.shared.journal(), stored_headers(headers));
        let known = journal.stream(id).await?;
        if known.as_ref().is_some_and(|row| row.is_quarantined() && row.url == *url) {
            // Only a person or another URL may start a quarantined stream again, not a restart of the process.
            tracing::error!(
                stream = id,
                "stream is quarantined and not followed; `refrain streams add` or another URL in the settings starts it again"
            );
            return Ok(());
        }
        let mut started_at = self.shared.now();
        let is_changed =
            |row: &Stream| row.url != *url || row.headers != headers || self.has_other_preferences(stream);
        if let Some(row) = known.filter(|row| row.ended_at.is_none() && is_changed(row)) {
            if row.origin != ORIGIN_FIXED {
                tracing::warn!(
                    stream = id,
                    origin = row.origin,
                    "another stream with this id is followed already, ignoring the one in the settings"
                );
                return Ok(());
            }
            let ended = started_at.max(row.started_at);
            journal.end_stream(id, None, Some(&EndReason::of(EndCode::NewSettings).text()), ended).await?;
            started_at = ended + 1;
        }
        let new = NewStream {
            id: id.to_owned(),
            url: url.to_owned(),
            headers,
            origin: ORIGIN_FIXED.to_owned(),
            session: None,
            started_at,
        };
        log_start(&journal.start_stream(&new).await?);
        Ok(())
    }

    /// Returns true if this process has stored the stream before, with other settings that are not in its row.
    fn has_other_preferences(&self, stream: &FixedStream) -> bool {
        let mut stored = self.stored.iter().flatten();
        stored.any(|stored| {
            let is_same = stored.preferences == stream.preferences && stored.health == stream.health;
            stored.id == stream.id && !is_same
        })
    }
}
