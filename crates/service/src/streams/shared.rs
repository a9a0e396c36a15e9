//! State that all parts of the work on streams share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_catalog::{Catalog, Journal, SessionKey, Stream, StreamState};
use tokio::sync::watch;

use super::rate_limit::RateLimitedChannels;
use super::token::{Signer, SigningKeyError};
use super::{ORIGIN_IVS, ORIGIN_MEDIALIVE, StreamsParts};
use crate::clock::Clock;
use crate::cloud::Channels;
use crate::counters::Counters;
use crate::delivery::OutboxPlanner;
use crate::instance::Instance;
use crate::settings::{FixedStream, StreamsSettings};
use refrain_monitor::{Monitor, StreamStatus};

/// Status of each followed session. An earlier session of a stream may still be finishing while the next one runs.
type StatusBySession = BTreeMap<SessionKey, watch::Receiver<StreamStatus>>;

/// State that all parts of the work on streams share.
pub(crate) struct StreamsContext {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) monitor: Monitor,
    pub(super) channels: Option<Arc<dyn Channels>>,
    pub(super) planner: OutboxPlanner,
    pub(super) counters: Arc<Counters>,
    pub(super) instance: Arc<Instance>,
    pub(super) clock: Arc<dyn Clock>,
    /// The streams in them are those at the start; [`Self::fixed`] has the current ones.
    pub(super) settings: StreamsSettings,
    /// Streams of the settings, which can change.
    pub(super) fixed: watch::Sender<Vec<FixedStream>>,
    pub(super) signer: Option<Arc<Signer>>,
    statuses: Mutex<StatusBySession>,
}

impl StreamsContext {
    pub(super) fn new(parts: StreamsParts, settings: StreamsSettings) -> Result<Self, SigningKeyError> {
        let StreamsParts { catalog, monitor, channels, planner, counters, instance, clock } = parts;
        let signer = match &settings.private_key {
            Some(key) => Some(Arc::new(Signer::new(key, settings.token)?)),
            None => None,
        };
        let rate_limited = |channels| {
            Arc::new(RateLimitedChannels::new(channels, settings.calls_per_second)) as Arc<dyn Channels>
        };
        let (channels, statuses) = (channels.map(rate_limited), Mutex::default());
        let fixed = watch::Sender::new(settings.fixed.clone());
        Ok(Self {
            catalog,
            monitor,
            channels,
            planner,
            counters,
            instance,
            clock,
            settings,
            fixed,
            signer,
            statuses,
        })
    }

    /// Returns the owner of this process's leases.
    pub(super) fn owner(&self) -> &str {
        self.instance.owner()
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        self.catalog.journal()
    }

    /// Returns the current time in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Returns true if the settings include the channel. Settings without channels include all.
    pub(super) fn includes_channel(&self, channel: &str) -> bool {
        let wanted = &self.settings.channels;
        wanted.is_empty() || wanted.iter().any(|known| known == channel)
    }

    pub(super) fn statuses(&self) -> Vec<(String, StreamStatus)> {
        self.watched().iter().map(|(session, status)| (session.id.clone(), status.borrow().clone())).collect()
    }

    pub(super) fn watch(&self, session: SessionKey, status: watch::Receiver<StreamStatus>) {
        self.watched().insert(session, status);
    }

    pub(super) fn unwatch(&self, session: &SessionKey) {
        self.watched().remove(session);
    }

    fn watched(&self) -> MutexGuard<'_, StatusBySession> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name of a stream in results: its session if its sessions have names, else its id. This name is the
/// `unknownAssetID` of responses, the `{stream_id}` of keys and the name in
/// [`refrain_catalog::DetectionSource::Stream`].
#[must_use]
pub fn stream_asset_id(stream: &Stream) -> &str {
    stream.session.as_deref().unwrap_or(&stream.id)
}

/// Returns true if a worker has followed the session of a claimed stream before this claim.
pub(super) fn was_followed(stream: &Stream) -> bool {
    stream.attempts > 1 || stream.state != StreamState::Starting
}

/// Returns the ARN of the channel that a stream comes from; `None` if the stream has no channel.
pub(super) fn channel_of(stream: &Stream) -> Option<&str> {
    matches!(stream.origin.as_str(), ORIGIN_IVS | ORIGIN_MEDIALIVE).then_some(stream.id.as_str())
}
