//! Follows a playlist: each stream has one task, which runs a poller and a fetcher.
//!
//! ```text
//! Poller: load ─► SegmentPlanner ──plan──► Fetcher: concurrent ─► DeliveryOrder ──queue──► consumer
//! ```
//!
//! The planner finds complete segments that are new ([`timeline`]), and new parts of the segment that is still being
//! produced ([`open`]). Parts are delivered as soon as they are fetched. If a part is missing when its segment is
//! complete, [`order`] requests the whole segment and removes the bytes that were already delivered.
//!
//! The renditions of the master playlist are followed in order of preference. If the playlist or the segments of one
//! fail repeatedly, or the consumer rejects it, the next one replaces it ([`route`]). The preferred one is tested with
//! growing pauses, and followed again as soon as it works ([`health`]).
//!
//! Both queues are short. A slow consumer blocks the fetcher, and then the poller. A segment becomes a gap if it leaves
//! the playlist in this time, or if its fetch has not begun [`HlsSettings::max_behind`] after its listing.

mod cache;
mod fetch;
mod fetch_error;
mod fetch_media;
mod follow_state;
mod health;
mod identity;
mod manifest;
mod open;
mod order;
mod pace;
mod parse;
mod plan;
mod poll;
mod range;
mod rendition_failures;
mod resolve;
mod route;
mod taken;
#[cfg(test)]
mod tests;
mod timeline;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use super::entry::EntryUrl;
use super::settings::HlsSettings;
use super::status::{HlsError, SourceState, SourceStatus};
use crate::delivery::Delivery;
use fetch::Fetcher;
use follow_state::FollowState;
use poll::Poller;
use refrain_net::{AddressPolicy, HttpClient, ShownUrl};
use rendition_failures::RenditionFailures;
use resolve::Loader;

/// Capacity of the queue of planned items that are not yet being fetched. A playlist lists tens of segments, so the
/// poller can load the next playlist while these wait. At half this value, a long playlist blocks the poller until half
/// of its segments are fetched; at twice this value, more items wait until they are too old and are dropped.
const PLAN_CAPACITY: usize = 64;

/// An HLS stream that is being followed. Dropping this value stops the task that follows the stream.
#[derive(Debug)]
pub struct HlsSource {
    deliveries: mpsc::Receiver<Delivery>,
    status: watch::Receiver<SourceStatus>,
    failures: Arc<RenditionFailures>,
    task: JoinHandle<()>,
}

impl HlsSource {
    /// Begins to follow the master or media playlist at `url` on the current tokio runtime. Errors of loading the
    /// playlist are reported in the [`status`](Self::status); a playlist that does not exist yet is requested again.
    ///
    /// # Errors
    /// [`HlsError::NoUrl`] if `url` is not a valid HTTP or HTTPS URL.
    pub fn open(url: &str, client: &HttpClient, settings: HlsSettings) -> Result<Self, HlsError> {
        let url = Url::parse(url).map_err(|_| HlsError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HlsError::NoUrl);
        }
        Ok(Self::enter(EntryUrl::Fixed(url), client, settings))
    }

    /// Does the same as [`open`](Self::open) for an [`EntryUrl`], which can have another URL for each request.
    pub fn enter(entry: EntryUrl, client: &HttpClient, settings: HlsSettings) -> Self {
        let (out, deliveries) = mpsc::channel(settings.queue.max(1));
        let (sender, status) = watch::channel(SourceStatus::default());
        let url = entry.url();
        let policy = AddressPolicy::of_operator(&url, settings.allow_private, &settings.private_hosts);
        let shared = Arc::new(FollowState::new(ShownUrl::from(&url), sender));
        let failures = shared.failures.clone();
        let task = tokio::spawn(follow(entry, policy, client.clone(), Arc::new(settings), shared, out));
        Self { deliveries, status, failures, task }
    }

    /// Returns the next segment or gap, or `None` after the end of the stream; the status then contains the reason. The
    /// returned future can be dropped without losing a delivery.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Returns a handle to report that segments cannot be decoded.
    pub fn feedback(&self) -> RenditionFeedback {
        RenditionFeedback(self.failures.clone())
    }

    /// Returns a receiver of the state and counters, which is notified of each change.
    pub fn status(&self) -> watch::Receiver<SourceStatus> {
        self.status.clone()
    }
}

/// Handle by which the consumer of an [`HlsSource`] reports that segments cannot be decoded.
#[derive(Debug, Clone)]
pub struct RenditionFeedback(Arc<RenditionFailures>);

impl RenditionFeedback {
    /// Reports that the segments of a rendition cannot be decoded, for the reason `reason`. The source then follows
    /// another rendition, if there is one. `rendition` is that of the segments
    /// ([`HlsSegment::rendition`](crate::HlsSegment::rendition)); the report has no effect if the source has changed
    /// the rendition since.
    pub fn reject(&self, rendition: u64, reason: String) {
        self.0.reject(rendition, reason);
    }
}

impl Drop for HlsSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    entry: EntryUrl,
    policy: AddressPolicy,
    client: HttpClient,
    settings: Arc<HlsSettings>,
    shared: Arc<FollowState>,
    out: mpsc::Sender<Delivery>,
) {
    let (plan, planned) = mpsc::channel(PLAN_CAPACITY);
    let loader = Loader { client: client.clone(), policy: policy.clone(), settings: settings.clone() };
    let poller = Poller::new(loader, entry, shared.clone(), plan);
    let fetcher = Fetcher::new(client, policy, settings, shared.clone());
    // Joined and not spawned, so that dropping the task of the source ends both.
    let (end, ()) = futures_util::future::join(poller.run(), fetcher.run(planned, out)).await;
    shared.enter(match end {
        Ok(reason) => SourceState::Ended(reason),
        Err(error) => SourceState::Failed(error),
    });
}
