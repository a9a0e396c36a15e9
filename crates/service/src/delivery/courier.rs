//! The courier: what is in the outbox goes to its sinks.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::Catalog;
use refrain_stream::http::ClientError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::lane::{Lane, Terms};
use super::sinks::{Lines, Makings};
use crate::measure::Measures;
use crate::outside::Outside;
use crate::settings::OutboxSettings;

/// A sink cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CourierError {
    /// What it delivers to is not there in this process.
    #[error(
        "sink {sink} needs {what} of AWS, which this process does not have; build with AWS, or remove the sink"
    )]
    NoOutside {
        /// Name of the sink.
        sink: String,
        /// What it needs.
        what: &'static str,
    },
    /// Its URL is none.
    #[error("the URL of sink {sink} is none: {source}")]
    Url {
        /// Name of the sink.
        sink: String,
        /// What is wrong.
        source: url::ParseError,
    },
    /// No HTTP client.
    #[error("sink {sink}: {source}")]
    Client {
        /// Name of the sink.
        sink: String,
        /// Why.
        source: ClientError,
    },
}

/// Delivers what is in the outbox, each sink for itself: one that is down is in nobody's way.
///
/// Any number of couriers may work on one outbox; each message is claimed by one. What a courier does not tell of, because
/// it was killed, is claimed by another a little later. So a sink may get a message twice, and knows it by its name.
/// Messages to sinks that are not configured wait.
pub struct Courier {
    lanes: Vec<Lane>,
    waker: Waker,
}

/// Tells a [`Courier`] of the same process that there is something new in the outbox, so that it need not wait for its next
/// look. Clones tell the same one.
#[derive(Debug, Clone)]
pub struct Waker(Arc<watch::Sender<()>>);

impl Waker {
    /// To be called after something was recorded. It costs nothing where nobody listens.
    pub fn wake(&self) {
        self.0.send_replace(());
    }
}

impl Courier {
    /// A courier for these sinks. After a stop it has the time `drain` to finish.
    ///
    /// # Errors
    /// [`CourierError`] if a sink can never be delivered to.
    pub fn new(
        catalog: &Arc<dyn Catalog>,
        settings: &OutboxSettings,
        outside: &Outside,
        drain: Duration,
        measures: &Arc<Measures>,
    ) -> Result<Self, CourierError> {
        Self::printing(catalog, settings, outside, drain, measures, Lines::default())
    }

    /// As [`Courier::new`], with another standard output.
    ///
    /// # Errors
    /// As [`Courier::new`].
    pub fn printing(
        catalog: &Arc<dyn Catalog>,
        settings: &OutboxSettings,
        outside: &Outside,
        drain: Duration,
        measures: &Arc<Measures>,
        lines: Lines,
    ) -> Result<Self, CourierError> {
        let waker = Waker(Arc::new(watch::Sender::new(())));
        let makings = Makings { outside, lines };
        let terms = Terms {
            parallel: settings.parallel.max(1),
            longest_pause: settings.longest_pause,
            give_up: settings.give_up,
            drain,
        };
        let lane = |settings| {
            let sink = makings.sink(settings)?;
            Ok(Lane::new(settings.name.clone(), sink, catalog.clone(), terms, measures.clone()))
        };
        let lanes = settings.sinks.iter().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { lanes, waker })
    }

    /// What wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Delivers until `stop`. Then what is due is still delivered as far as the time for it goes; what is left is given back.
    pub async fn run(self, stop: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in self.lanes {
            lanes.spawn(lane.run(self.waker.0.subscribe(), stop.clone()));
        }
        while let Some(ended) = lanes.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the deliveries to a sink broke down; they wait for the next start");
            }
        }
    }
}
