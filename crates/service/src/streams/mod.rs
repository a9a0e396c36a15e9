//! Live streams: which there are, who follows them, and what is written down of them.
//!
//! ```text
//! queue ─► Events ─┐
//! ListStreams ─────┼─► rows of streams ─► Worker: claims, renews ─► Follower, a task a stream ─► Monitor
//! settings ────────┘    (the journal)        leases                    Recorder: detections, outbox ◄─ events
//! ```
//!
//! A row in the journal is a stream; whoever has its lease follows it. A stream's id is the ARN of its channel or what the
//! settings call it; outside it is known by its session, where sessions have names, as those of IVS do.

mod anchor;
mod buffer;
mod event;
mod events;
mod fixed;
mod follow;
mod guards;
mod leases;
mod orders;
mod pace;
mod platform;
mod reconcile;
mod record;
mod reported;
mod shared;
mod song;
mod sweep;
mod takeover;
mod token;
mod told;
mod vitals;
mod worker;

use std::sync::Arc;

use refrain_catalog::Catalog;
use tokio_util::sync::CancellationToken;

use crate::delivery::Planner;
use crate::instance::Instance;
use crate::intake::Handler;
use crate::measure::Measures;
use crate::monitor::{Monitor, StreamStatus};
use crate::outside::Channels;
use crate::settings::StreamsSettings;

pub use event::{EventError, MediaLiveChange, PlatformEvent, StreamChange};
pub use events::Events;
pub use shared::outside_name;
pub(crate) use song::Songs;
pub use token::{KeyError, Signer};

use shared::Shared;

/// Origin of streams that IVS told of.
pub const ORIGIN_IVS: &str = "ivs";
/// Origin of streams that run while a MediaLive channel does.
pub const ORIGIN_MEDIALIVE: &str = "medialive";
/// Origin of streams of the settings, which are always followed.
pub const ORIGIN_FIXED: &str = "fixed";
/// Origin of streams that were added while the service ran.
pub const ORIGIN_API: &str = "api";

/// What streams need.
pub struct Parts {
    /// Catalogue and journal.
    pub catalog: Arc<dyn Catalog>,
    /// What follows streams, set up as [`StreamsSettings::monitor`] says.
    pub monitor: Monitor,
    /// IVS, if there is one.
    pub channels: Option<Arc<dyn Channels>>,
    /// What is delivered.
    pub planner: Planner,
    /// What is counted.
    pub measures: Arc<Measures>,
    /// This process, in leases.
    pub instance: Arc<Instance>,
}

/// All that a process does for live streams. Clones are the same.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

impl Streams {
    /// With these parts and settings.
    ///
    /// # Errors
    /// [`KeyError`] if the private key of the settings is none.
    pub fn new(parts: Parts, settings: StreamsSettings) -> Result<Self, KeyError> {
        Ok(Self { shared: Arc::new(Shared::new(parts, settings)?) })
    }

    /// What handles the messages of both queues of events, of IVS and of MediaLive.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(Events::new(Arc::clone(&self.shared)))
    }

    /// State and counters of every stream that this process follows, by [`refrain_catalog::Stream::id`].
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, StreamStatus)> {
        self.shared.statuses()
    }

    /// Follows streams until `stop` is cancelled. Then leases go back at once, and airings stay open for whoever goes on.
    pub async fn run(self, stop: CancellationToken) {
        fixed::enter(&self.shared, &stop).await;
        let looking = reconcile::run(Arc::clone(&self.shared), stop.clone());
        let sweeping = sweep::run(Arc::clone(&self.shared), stop.clone());
        let working = worker::run(Arc::clone(&self.shared), stop);
        tokio::join!(looking, sweeping, working);
    }
}
