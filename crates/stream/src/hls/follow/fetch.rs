//! The fetcher: fetches planned segments and parts concurrently and delivers them in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use reqwest::header;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::cache::{Cache, Sections};
use super::order::{Fetched, Next, Order};
use super::plan::{Due, Planned};
use super::range::{begin, part};
use super::trouble::{MAX_BAD_TRIES, Trouble};
use super::window::{Shared, Whereabouts};
use crate::delivery::{Delivery, Gap, GapReason, InitSection, Segment};
use crate::hls::key::{KEY_BYTES, decrypt};
use crate::hls::playlist::{ByteRange, Encryption, Map, MediaSegment};
use crate::hls::settings::HlsSettings;
use refrain_net::Backoff;
use refrain_net::{AddressPolicy, HttpClient, HttpError, HttpFailure, Limits, Question};

/// Largest response to a key request, bytes. It is larger than a key, so that another short response is recognized as such.
const MAX_KEY_BYTES: u64 = 4096;

/// Timeout of a part. A part is listed once it is available, and its whole segment is available a few seconds later.
const PART_PATIENCE: Duration = Duration::from_secs(4);

pub(super) struct Fetcher {
    pub(super) client: HttpClient,
    pub(super) policy: AddressPolicy,
    pub(super) settings: Arc<HlsSettings>,
    pub(super) shared: Arc<Shared>,
    keys: Cache<Url, [u8; KEY_BYTES], Trouble>,
    sections: Sections<Map, Trouble>,
}

impl Fetcher {
    pub(super) fn new(
        client: HttpClient,
        policy: AddressPolicy,
        settings: Arc<HlsSettings>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { client, policy, settings, shared, keys: Cache::default(), sections: Sections::default() }
    }

    /// Runs until every planned item is delivered, or until the receiver of `out` is dropped.
    pub(super) async fn run(&self, mut plan: mpsc::Receiver<Planned>, out: mpsc::Sender<Delivery>) {
        let room = self.settings.prefetch.max(1);
        let mut fetching = FuturesOrdered::new();
        let mut waiting: VecDeque<Delivery> = VecDeque::new();
        let mut order = Order::default();
        let mut planned_all = false;
        while !(planned_all && fetching.is_empty() && waiting.is_empty()) {
            tokio::select! {
                planned = plan.recv(), if !planned_all && fetching.len() + waiting.len() < room => {
                    planned_all = matches!(planned, Some(Planned::End) | None);
                    fetching.push_back(self.fetch(planned.unwrap_or(Planned::End)));
                }
                Some(fetched) = fetching.next(), if !fetching.is_empty() => match order.take(fetched) {
                    Next::Deliver(delivery) => waiting.extend(delivery),
                    Next::Fetch(due) => fetching.push_front(self.fetch(Planned::Segment(due))),
                    Next::Done { ad } => self.shared.count(|status| status.count_segment(ad)),
                },
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
    async fn fetch(&self, planned: Planned) -> Fetched {
        match planned {
            Planned::Segment(due) => Fetched::Whole(self.deliver(&due).await, due.segment.discontinuity),
            Planned::Gap(gap) => Fetched::Whole(Delivery::Gap(gap), false),
            Planned::Part(due) => {
                let part = self.part(&due).await;
                Fetched::Part(due, part)
            }
            Planned::Complete { due, all } => Fetched::Complete { due, all },
            Planned::Abandoned | Planned::End => Fetched::Abandoned,
        }
    }

    /// Fetches a segment. Returns a gap if that fails.
    async fn deliver(&self, due: &Due) -> Delivery {
        match self.segment(due).await {
            Ok(segment) => Delivery::Segment(segment),
            Err(reason) => {
                tracing::debug!(sequence = due.segment.sequence, ?reason, "segment missing");
                let Due { segment, .. } = due;
                let date = segment.program_date_time;
                Delivery::Gap(Gap { seconds: segment.seconds, reason, program_date_time: date })
            }
        }
    }

    /// Fetches a part with a single attempt. It is not retried because the whole segment will soon be available instead.
    async fn part(&self, due: &Due) -> Result<Segment, GapReason> {
        let part = &due.segment;
        due.check()?;
        match timeout(PART_PATIENCE, self.attempt(part, &part.url)).await {
            Ok(Ok((bytes, init))) => Ok(Segment { part: true, ..delivered(due, bytes, init) }),
            failed => {
                tracing::debug!(
                    sequence = part.sequence,
                    ?failed,
                    "part not fetched, waiting for the whole segment"
                );
                self.shared.count(|status| status.retries += 1);
                Err(GapReason::NotFetched)
            }
        }
    }

    async fn segment(&self, due: &Due) -> Result<Segment, GapReason> {
        let segment = &due.segment;
        due.check()?;
        if let Some(Encryption::Unsupported(method)) = segment.encryption.as_deref() {
            tracing::debug!(method, "encryption not supported");
            return Err(GapReason::Unreadable);
        }
        let give_up = Instant::now() + self.settings.segment_patience;
        let mut backoff = Backoff::new(self.settings.retry);
        let mut url = segment.url.clone();
        loop {
            let trouble = match self.attempt(segment, &url).await {
                Ok((bytes, init)) => return Ok(delivered(due, bytes, init)),
                Err(trouble) => trouble,
            };
            let pause = backoff.next();
            let reason = trouble.reason();
            if !trouble.may_pass(backoff.tries()) || Instant::now() + pause > give_up {
                self.blame(trouble);
                return Err(reason);
            }
            self.shared.count(|status| status.retries += 1);
            sleep(pause).await;
            match self.shared.find(segment.sequence) {
                Whereabouts::At(now) => url = now,
                Whereabouts::Gone => {
                    self.blame(trouble);
                    return Err(reason);
                }
                Whereabouts::Unknown => {}
            }
        }
    }

    fn blame(&self, trouble: Trouble) {
        if let Trouble::Http(error) = trouble {
            self.shared.count(|status| status.last_error = Some(error.into()));
        }
    }

    async fn attempt(
        &self,
        segment: &MediaSegment,
        url: &Url,
    ) -> Result<(Bytes, Option<Arc<InitSection>>), Trouble> {
        let init = match &segment.map {
            Some(map) => Some(self.section(map).await?),
            None => None,
        };
        let bytes = self.resource(url, segment.range).await?;
        let bytes = self.clear(bytes, segment.encryption.as_deref(), segment.number).await?;
        Ok((bytes, init))
    }

    async fn section(&self, map: &Arc<Map>) -> Result<Arc<InitSection>, Trouble> {
        let fetch = async {
            let bytes = self.resource(&map.url, map.range).await?;
            let bytes = self.clear(bytes, map.encryption.as_deref(), 0).await?;
            Ok(Arc::new(InitSection { bytes }))
        };
        self.sections.get(map, async { fetch.await.map_err(|trouble| (trouble, None)) }).await
    }

    async fn clear(
        &self,
        bytes: Bytes,
        encryption: Option<&Encryption>,
        number: u64,
    ) -> Result<Bytes, Trouble> {
        match encryption {
            None => Ok(bytes),
            Some(Encryption::Unsupported(method)) => Err(Trouble::Locked(method.clone())),
            Some(Encryption::Aes128 { key, iv }) => {
                let known = self.keys.get(key, self.key(key)).await?;
                let clear = decrypt(&bytes, known, *iv, number)
                    .ok_or_else(|| Trouble::Locked("wrong key or damaged segment".to_owned()))?;
                drop(bytes);
                self.client.hold(clear).await.map_err(|_| Trouble::NoMedia("no memory for the segment"))
            }
        }
    }

    /// Fetches a key. A failure is returned with the end of its validity in the cache (`key_pause`); without that, each segment
    /// would wait for the same missing key.
    async fn key(&self, url: &Url) -> Result<[u8; KEY_BYTES], (Trouble, Option<Instant>)> {
        let limits = Limits { bytes: MAX_KEY_BYTES, ..self.settings.segment };
        let until = || Some(Instant::now() + self.settings.key_pause);
        let mut backoff = Backoff::new(self.settings.retry);
        loop {
            let missing = match self.client.fetch(Question::new(url, &self.policy).identity(), limits).await {
                Ok((_, body)) => match <[u8; KEY_BYTES]>::try_from(&body[..]) {
                    Ok(key) => return Ok(key),
                    Err(_) => "the response is not a 16-byte key".to_owned(),
                },
                Err(error) => {
                    self.note_expiry(&error);
                    error.to_string()
                }
            };
            let pause = backoff.next();
            if backoff.tries() >= MAX_BAD_TRIES {
                return Err((Trouble::Locked(missing), until()));
            }
            self.shared.count(|status| status.retries += 1);
            sleep(pause).await;
        }
    }

    /// Fetches a resource or a byte range of it.
    async fn resource(&self, url: &Url, range: Option<ByteRange>) -> Result<Bytes, Trouble> {
        let mut question = Question::new(url, &self.policy).identity();
        if let Some(ByteRange { offset, length }) = range {
            let last = offset.saturating_add(length).saturating_sub(1);
            question = question.header(header::RANGE, &format!("bytes={offset}-{last}"));
        }
        let (answer, body) = self.client.fetch(question, self.settings.segment).await.map_err(|error| {
            self.note_expiry(&error);
            Trouble::Http(error)
        })?;
        let body = match range {
            None => body,
            Some(range) => part(&body, range, begin(&answer)).ok_or_else(|| {
                Trouble::Http(HttpError::new(
                    url,
                    HttpFailure::Broken("the response does not contain the requested byte range".to_owned()),
                ))
            })?,
        };
        match body.trim_ascii_start() {
            [] => Err(Trouble::NoMedia("an empty segment")),
            [b'<', b'!' | b'h' | b'H' | b'?', ..] => Err(Trouble::NoMedia("HTML in place of a segment")),
            _ => Ok(body),
        }
    }

    /// Notifies the poller of expired URLs (status 403 or 410), so that it resolves the master playlist again.
    fn note_expiry(&self, error: &HttpError) {
        if matches!(error.status(), Some(403 | 410)) {
            self.shared.expired.notify_one();
        }
    }
}

fn delivered(due: &Due, bytes: Bytes, init: Option<Arc<InitSection>>) -> Segment {
    let segment = &due.segment;
    Segment {
        bytes,
        init,
        sequence: segment.sequence,
        seconds: segment.seconds,
        discontinuity: segment.discontinuity,
        program_date_time: segment.program_date_time,
        seen: due.seen,
        backlog: due.backlog,
        ad: segment.ad,
        part: false,
    }
}
