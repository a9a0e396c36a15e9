//! A playlist being followed: one task a stream, with two sides.
//!
//! ```text
//! Poller: load ─► Planner: what is new ──plan──► Fetcher: several at once ─► Order ──queue──► consumer
//! ```
//!
//! What is new is a segment that is complete ([`timeline`]), or parts of the one that is being made ([`open`]). The parts
//! are delivered as they come; when the segment is complete and one of them is lacking, [`order`] has it fetched whole and
//! cuts off what was delivered.
//!
//! Both queues are short. A consumer that is slow stops the fetcher, then the poller; what leaves the playlist
//! meanwhile, or waits too long, becomes a gap.

mod cache;
mod fetch;
mod open;
mod order;
mod pace;
mod plan;
mod poll;
mod range;
mod resolve;
mod route;
#[cfg(test)]
mod tests;
mod timeline;
mod trouble;
mod window;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use super::entry::Entry;
use super::settings::HlsSettings;
use super::status::{HlsError, SourceState, SourceStatus};
use crate::delivery::Delivery;
use crate::http::{AddressPolicy, HttpClient};
use fetch::Fetcher;
use poll::Poller;
use resolve::Loader;
use window::Shared;

/// How many segments may be known that are not yet being fetched.
const PLANNED: usize = 64;

/// A stream of HLS that is being followed. Dropping it ends that.
#[derive(Debug)]
pub struct HlsSource {
    deliveries: mpsc::Receiver<Delivery>,
    status: watch::Receiver<SourceStatus>,
    task: JoinHandle<()>,
}

impl HlsSource {
    /// Begins to follow the playlist at `url`, master or media, on the current tokio runtime. Whether that works shows
    /// in the [`status`](Self::status): a playlist that is not there yet is waited for.
    ///
    /// # Errors
    /// [`HlsError::NoUrl`] if `url` is none.
    pub fn open(url: &str, client: &HttpClient, settings: HlsSettings) -> Result<Self, HlsError> {
        let url = Url::parse(url).map_err(|_| HlsError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HlsError::NoUrl);
        }
        Ok(Self::enter(Entry::Fixed(url), client, settings))
    }

    /// As [`open`](Self::open), by an entry that may be another URL for each look at it.
    pub fn enter(entry: Entry, client: &HttpClient, settings: HlsSettings) -> Self {
        let (out, deliveries) = mpsc::channel(settings.queue.max(1));
        let (sender, status) = watch::channel(SourceStatus::default());
        let shared = Arc::new(Shared::new(sender));
        let task = tokio::spawn(follow(entry, client.clone(), Arc::new(settings), shared, out));
        Self { deliveries, status, task }
    }

    /// The next segment or gap; `None` when the stream is over: then the status says why. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// State and counters, now and whenever they change.
    pub fn status(&self) -> watch::Receiver<SourceStatus> {
        self.status.clone()
    }
}

impl Drop for HlsSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    entry: Entry,
    client: HttpClient,
    settings: Arc<HlsSettings>,
    shared: Arc<Shared>,
    out: mpsc::Sender<Delivery>,
) {
    let policy = AddressPolicy::of_operator(&entry.url(), settings.allow_private, &settings.private_hosts);
    let (plan, planned) = mpsc::channel(PLANNED);
    let loader = Loader { client: client.clone(), policy: policy.clone(), settings: settings.clone() };
    let poller = Poller::new(loader, entry, shared.clone(), plan);
    let fetcher = Fetcher::new(client, policy, settings, shared.clone());
    let (end, ()) = futures_util::future::join(poller.run(), fetcher.run(planned, out)).await;
    shared.enter(match end {
        Ok(reason) => SourceState::Ended(reason),
        Err(error) => SourceState::Failed(error),
    });
}
