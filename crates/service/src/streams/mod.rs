//! Live streams: their registry in the database, the leases of the workers that follow them, and the recording of their
//! detections.
//!
//! ```text
//! queue ─► Events ─┐
//! ListStreams ─────┼─► rows of streams ─► LeaseKeeper: claims ───► LiveSource, a task each ─────► Monitor
//! settings ────────┘    (the journal)        leases                    Recorder: detections, outbox ◄─ events
//! ```
//!
//! The journal has one row per stream. The worker that holds the lease of the row follows the stream. The id of a
//! stream is the ARN of its channel, or the id in the settings or in the request that added the stream. In results, a
//! stream has the name of its session if the session has one, as in IVS; otherwise its id.

mod anchor;
mod buffer;
mod event;
mod events;
mod fixed;
mod headers;
mod health;
mod host;
mod live_source;
mod opened;
mod orders;
mod platform;
mod rate_limit;
mod reconcile;
mod record;
mod row_report;
mod shared;
mod sweep;
mod takeover;
mod token;

use std::sync::Arc;

use refrain_catalog::Catalog;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::cloud::Channels;
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::instance::Instance;
use crate::queue_consumer::Handler;
use crate::settings::{FixedStream, StreamsSettings};
use refrain_monitor::{Monitor, StreamStatus};

pub use event::{EventError, MediaLiveChange, PlatformEvent, StreamChange};
pub use events::PlatformEventHandler;
pub use headers::{header_names, stored_headers};
pub use shared::stream_asset_id;
pub use token::{Signer, SigningKeyError};

use fixed::FixedStreams;
use shared::StreamsContext;

/// Origin of streams that were reported by IVS.
pub const ORIGIN_IVS: &str = "ivs";
/// Origin of streams that are followed while a MediaLive channel runs.
pub const ORIGIN_MEDIALIVE: &str = "medialive";
/// Origin of streams of the settings, which are always followed.
pub const ORIGIN_FIXED: &str = "fixed";
/// Origin of streams that were added with the HTTP API or the command `refrain streams add`.
pub const ORIGIN_API: &str = "api";

/// Everything that [`Streams`] is created from.
pub struct StreamsParts {
    /// The catalog with its journal.
    pub catalog: Arc<dyn Catalog>,
    /// The monitor that follows the streams, created with [`StreamsSettings::monitor`].
    pub monitor: Monitor,
    /// Access to IVS; `None` if it is not configured.
    pub channels: Option<Arc<dyn Channels>>,
    /// Creates the outbox messages for events.
    pub planner: OutboxPlanner,
    /// Counters of the process.
    pub counters: Arc<Counters>,
    /// Identity of this process as an owner of leases.
    pub instance: Arc<Instance>,
    /// Clock of the process.
    pub clock: Arc<dyn Clock>,
}

/// Follows the live streams of a process. Clones share their state.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<StreamsContext>,
}

impl Streams {
    /// Creates the component that follows the live streams. It follows no stream before [`Self::run`] is called.
    ///
    /// # Errors
    /// [`SigningKeyError`] if the private key in the settings is invalid.
    pub fn new(parts: StreamsParts, settings: StreamsSettings) -> Result<Self, SigningKeyError> {
        Ok(Self { shared: Arc::new(StreamsContext::new(parts, settings)?) })
    }

    /// Returns the handler for the messages of both event queues, those of IVS and MediaLive.
    #[must_use]
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(PlatformEventHandler::new(Arc::clone(&self.shared)))
    }

    /// Returns the state and the counters of every stream that this process follows, with the id of the stream
    /// ([`refrain_catalog::Stream::id`]).
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, StreamStatus)> {
        self.shared.statuses()
    }

    /// Replaces the streams of the settings. Streams with unchanged settings continue without an interruption.
    pub fn set_fixed(&self, streams: Vec<FixedStream>) {
        self.shared.fixed.send_replace(streams);
    }

    /// Follows streams until `stop` is cancelled. Then releases the leases at once, and leaves the airings open for the
    /// workers that continue the streams.
    pub async fn run(self, stop: CancellationToken) {
        let mut fixed = FixedStreams::new(&self.shared);
        fixed.sync_until_stored(&stop).await;
        let fixing = fixed.run(stop.clone());
        let looking = reconcile::run(Arc::clone(&self.shared), stop.clone());
        let sweeping = sweep::run(Arc::clone(&self.shared), stop.clone());
        let working = host::run(Arc::clone(&self.shared), stop);
        tokio::join!(fixing, looking, sweeping, working);
    }
}
