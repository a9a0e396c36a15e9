//! The fetcher: fetches planned segments and parts concurrently and delivers them in order.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::cache::{InitSectionCache, ResourceCache};
use super::fetch_error::FetchError;
use super::follow_state::{FollowState, PlaylistLocation};
use super::order::{DeliveryOrder, Fetched, FetcherAction};
use super::plan::{PlanItem, PlannedSegment};
use super::rendition_failures::FAILING_AFTER_ATTEMPTS;
use crate::delivery::{Delivery, Gap, GapReason, HlsSegment, InitSection};
use crate::hls::key::KEY_BYTES;
use crate::hls::playlist::{Encryption, Map, MediaSegment};
use crate::hls::settings::HlsSettings;
use crate::hls::status::MediaFailure;
use refrain_net::{AddressPolicy, Backoff, HttpClient, ShownUrl};

/// Timeout of a part, whose whole segment is available a few seconds later. At half this value, segments of slow
/// servers are fetched whole, and later; at twice this value, a lost part delays the segments after it for 8 s.
const PART_TIMEOUT: Duration = Duration::from_secs(4);

pub(super) struct Fetcher {
    pub(super) client: HttpClient,
    pub(super) policy: AddressPolicy,
    pub(super) settings: Arc<HlsSettings>,
    pub(super) shared: Arc<FollowState>,
    pub(super) keys: ResourceCache<Url, [u8; KEY_BYTES], FetchError>,
    /// Sections by their address, and whether the media after them has encrypted samples.
    pub(super) sections: InitSectionCache<(Arc<Map>, bool), FetchError>,
}

impl Fetcher {
    pub(super) fn new(
        client: HttpClient,
        policy: AddressPolicy,
        settings: Arc<HlsSettings>,
        shared: Arc<FollowState>,
    ) -> Self {
        Self {
            client,
            policy,
            settings,
            shared,
            keys: ResourceCache::default(),
            sections: InitSectionCache::default(),
        }
    }

    /// Runs until every planned item is delivered, or until the receiver of `out` is dropped.
    pub(super) async fn run(&self, mut plan: mpsc::Receiver<PlanItem>, out: mpsc::Sender<Delivery>) {
        let capacity = self.settings.prefetch.max(1);
        let mut fetching = FuturesOrdered::new();
        let mut waiting: VecDeque<Delivery> = VecDeque::new();
        let mut order = DeliveryOrder::default();
        let mut planned_all = false;
        while !(planned_all && fetching.is_empty() && waiting.is_empty()) {
            tokio::select! {
                // Fetched items that the consumer has not received count too, so that a slow consumer stops the
                // fetcher.
                planned = plan.recv(), if !planned_all && fetching.len() + waiting.len() < capacity => {
                    planned_all = matches!(planned, Some(PlanItem::End) | None);
                    fetching.push_back(self.fetch(planned.unwrap_or(PlanItem::End)));
                }
                Some(fetched) = fetching.next(), if !fetching.is_empty() => match order.take(fetched) {
                    FetcherAction::Deliver(delivery) => waiting.extend(delivery),
                    // The segment is added at the front, so that its rest is delivered before the items that are being
                    // fetched.
                    FetcherAction::Fetch(due) => fetching.push_front(self.fetch(PlanItem::HlsSegment(due))),
                    FetcherAction::Done { ad } => self.shared.count(|status| status.count_segment(ad)),
                },
                // Capacity is only reserved: a delivery that was taken out of the queue would be lost if another branch
                // completed first.
                permit = out.reserve(), if !waiting.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(delivery) = waiting.pop_front() {
                        self.shared.count(|status| status.count(&delivery));
                        permit.send(delivery);
                    }
                }
            }
        }
    }

    /// Fetches a planned item.
    async fn fetch(&self, planned: PlanItem) -> Fetched {
        match planned {
            PlanItem::HlsSegment(due) => Fetched::Whole(self.deliver(&due).await, due.segment.discontinuity),
            PlanItem::Gap(gap) => Fetched::Whole(Delivery::Gap(gap), false),
            PlanItem::Part(due) => {
                let part = self.part(&due).await;
                Fetched::Part(due, part)
            }
            PlanItem::Complete { due, all } => Fetched::Complete { due, all },
            PlanItem::Abandoned | PlanItem::End => Fetched::Abandoned,
        }
    }

    /// Fetches a segment. Returns a gap if that fails.
    async fn deliver(&self, due: &PlannedSegment) -> Delivery {
        match self.segment(due).await {
            Ok(segment) => Delivery::HlsSegment(segment),
            Err(reason) => {
                tracing::debug!(
                    sequence = due.segment.sequence,
                    url = %ShownUrl::from(&due.segment.url),
                    ?reason,
                    "segment missing, delivering a gap in its place"
                );
                let PlannedSegment { segment, .. } = due;
                let date = segment.program_date_time;
                Delivery::Gap(Gap { seconds: segment.seconds, reason, program_date_time: date })
            }
        }
    }

    /// Fetches a part with a single attempt, because the whole segment will soon be available as a replacement.
    async fn part(&self, due: &PlannedSegment) -> Result<HlsSegment, GapReason> {
        let part = &due.segment;
        due.check()?;
        match timeout(PART_TIMEOUT, self.attempt(part, &part.url)).await {
            Ok(Ok((bytes, init))) => {
                self.note_fetched(due);
                Ok(HlsSegment { part: true, ..delivered(due, bytes, init) })
            }
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => format!("not complete within {} s", PART_TIMEOUT.as_secs()),
                };
                tracing::debug!(
                    sequence = part.sequence,
                    url = %ShownUrl::from(&part.url),
                    error,
                    "cannot fetch part, waiting for the whole segment"
                );
                self.shared.count(|status| status.retries += 1);
                Err(GapReason::NotFetched)
            }
        }
    }

    async fn segment(&self, due: &PlannedSegment) -> Result<HlsSegment, GapReason> {
        let segment = &due.segment;
        due.check()?;
        if let Some(Encryption::Unsupported(method)) = segment.encryption.as_deref() {
            tracing::debug!(
                sequence = segment.sequence,
                url = %ShownUrl::from(&segment.url),
                method,
                "encryption method not supported, skipping the segment"
            );
            let reason = format!("encryption method {method} not supported");
            self.note_failure(due, (1, true), &reason);
            self.shared.set_media_failure(Some(MediaFailure { reason, is_undecryptable: true }));
            return Err(GapReason::Unreadable);
        }
        let deadline = Instant::now() + self.settings.segment_timeout;
        let mut backoff = Backoff::new(self.settings.retry);
        let mut listed: Option<Box<MediaSegment>> = None;
        loop {
            let segment = listed.as_deref().unwrap_or(segment);
            let fetch_error = match self.attempt(segment, &segment.url).await {
                Ok((bytes, init)) => {
                    self.note_fetched(due);
                    return Ok(delivered(due, bytes, init));
                }
                Err(fetch_error) => fetch_error,
            };
            // Fails at once if the next pause would end after the deadline, because the later segments wait for this
            // one.
            let pause = backoff.next();
            let reason = fetch_error.reason();
            let is_final = !fetch_error.is_retryable() || Instant::now() + pause > deadline;
            self.note_failure(due, (backoff.tries(), is_final), &fetch_error);
            if is_final || backoff.tries() >= FAILING_AFTER_ATTEMPTS {
                self.shared.set_media_failure(Some(fetch_error.media_failure(&segment.url)));
            }
            if is_final {
                self.record_failure(&segment.url, fetch_error);
                return Err(reason);
            }
            tracing::debug!(
                sequence = due.segment.sequence,
                url = %ShownUrl::from(&segment.url),
                error = %fetch_error,
                retry_seconds = pause.as_secs_f64(),
                "cannot fetch segment, retrying"
            );
            self.shared.count(|status| status.retries += 1);
            sleep(pause).await;
            // The URL can have a new token, the segment can be that of another rendition, or it can have left the
            // playlist, where a retry cannot succeed.
            match self.shared.find(due) {
                PlaylistLocation::At(now) => listed = Some(now),
                PlaylistLocation::Removed => {
                    self.record_failure(&segment.url, fetch_error);
                    return Err(reason);
                }
                PlaylistLocation::Unknown => {}
            }
        }
    }

    /// Records that a segment or part was fetched.
    fn note_fetched(&self, due: &PlannedSegment) {
        self.shared.failures.fetched(due.rendition);
        self.shared.set_media_failure(None);
    }

    /// Counts a failed attempt for the rendition of the segment.
    fn note_failure(&self, due: &PlannedSegment, attempts: (u32, bool), error: &impl Display) {
        self.shared.failures.segment_failed(due.rendition, due.segment.sequence, attempts, error);
    }

    fn record_failure(&self, url: &Url, fetch_error: FetchError) {
        tracing::debug!(
            url = %ShownUrl::from(url),
            error = %fetch_error,
            "cannot fetch segment, delivering a gap in its place"
        );
        if let FetchError::Http(error) | FetchError::KeyServer(error) = fetch_error {
            self.shared.count(|status| status.last_error = Some(error.into()));
        }
    }

    async fn attempt(
        &self,
        segment: &MediaSegment,
        url: &Url,
    ) -> Result<(Bytes, Option<Arc<InitSection>>), FetchError> {
        let is_sample_encrypted = matches!(segment.encryption.as_deref(), Some(Encryption::SampleAes { .. }));
        let init = match &segment.map {
            Some(map) => Some(self.section(map, is_sample_encrypted).await?),
            None => None,
        };
        // The key is fetched first: without it, each attempt would transfer the segment in vain.
        let key = self.key_of(segment.encryption.as_deref()).await?;
        let bytes = self.resource(url, segment.range).await?;
        let bytes = self.clear(bytes, key, segment.number, init.as_deref()).await?;
        Ok((bytes, init))
    }
}

fn delivered(due: &PlannedSegment, bytes: Bytes, init: Option<Arc<InitSection>>) -> HlsSegment {
    let segment = &due.segment;
    HlsSegment {
        bytes,
        init,
        sequence: segment.sequence,
        seconds: segment.seconds,
        rendition: due.rendition,
        discontinuity: segment.discontinuity,
        program_date_time: segment.program_date_time,
        first_listed: due.first_listed,
        backlog: due.backlog,
        ad: segment.ad,
        part: false,
    }
}
