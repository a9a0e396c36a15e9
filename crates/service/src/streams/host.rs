//! The live streams whose leases this process holds.

use std::sync::Arc;

use async_trait::async_trait;
use refrain_catalog::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::live_source::LiveSource;
use super::record::{first_sample, new_recorder};
use super::shared::{StreamsContext, channel_of, stream_asset_id, was_followed};
use super::takeover::open_airings;
use crate::sessions::{self, KeeperContext, LeaseKeeper, SessionHost, SessionKind, TaskOrder, end_ordered};

/// Follows live streams until `stop` is cancelled. Then leaves every stream and releases its lease.
pub(super) async fn run(shared: Arc<StreamsContext>, stop: CancellationToken) {
    let context = KeeperContext {
        kind: SessionKind::Live,
        catalog: Arc::clone(&shared.catalog),
        counters: Arc::clone(&shared.counters),
        instance: Arc::clone(&shared.instance),
        lease: shared.settings.lease,
        capacity: shared.settings.capacity,
    };
    LeaseKeeper::new(context, shared).run(stop).await;
}

#[async_trait]
impl SessionHost for StreamsContext {
    async fn follow(self: Arc<Self>, stream: Stream, mut orders: watch::Receiver<TaskOrder>) {
        let taken_over = was_followed(&stream);
        tracing::info!(
            stream = stream.id,
            name = stream_asset_id(&stream),
            origin = stream.origin,
            taken_over,
            "following a stream"
        );
        self.counters.streams_taken_over.add(u64::from(taken_over));
        let earlier = tokio::select! {
            biased;
            () = end_ordered(&mut orders) => return,
            earlier = open_airings(&self, &stream) => earlier,
        };
        let recorder = new_recorder(&self, &stream, &earlier);
        let epoch = first_sample(&stream, &earlier);
        let airings = earlier.detections.into_iter().map(|open| open.detection).collect();
        let source = LiveSource::new(self, stream, epoch, airings, orders.clone());
        sessions::run(source, recorder, orders).await;
    }

    fn order_after_end(&self, row: &Stream) -> TaskOrder {
        // The last media of a channel arrives after the event about the end of its stream.
        if channel_of(row).is_some() { TaskOrder::Drain } else { TaskOrder::Finish }
    }
}
