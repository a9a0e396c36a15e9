//! Ends the open airings of streams that ended without a worker, and counts the streams that wait for a worker.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{CatalogError, StoredDetection, Track};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::shared::StreamsContext;
use crate::delivery::DetectionEvent;
use crate::settings::DetectionOrigin;
use refrain_core::matching::live::EventKind;
use refrain_monitor::response;

/// Interval of the checks. One of all processes ends abandoned airings; each process counts the waiting streams. At
/// half this value, the database has twice the queries; at twice this value, a final event comes up to a minute late.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Name of the periodic job that ends abandoned airings; see [`refrain_catalog::StreamLeases::claim_turn`].
const JOB_NAME: &str = "end left detections";

/// Minimum time without an event after which an abandoned airing is ended, in milliseconds; three update intervals if
/// these are longer. It has to be longer than a take-over: lease, claim and reopening take some 15 s. At half this
/// value, a slow take-over cannot continue its airings; at twice this value, the final event of an abandoned airing is
/// a minute later.
const ABANDONED_AFTER_MS: i64 = 60_000;

/// Maximum number of airings that are ended in one check. Each is one transaction. More airings are only abandoned in
/// an outage of the whole service; they are ended in the next checks.
const MAX_AIRINGS: u32 = 1_000;

/// Runs the checks until `stop` is cancelled.
pub(super) async fn run(shared: Arc<StreamsContext>, stop: CancellationToken) {
    let mut tick = interval(CHECK_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            done = check(&shared) => if let Err(error) = done {
                tracing::debug!(%error, "cannot check for open airings without a worker, retrying");
            },
        }
    }
}

async fn check(shared: &StreamsContext) -> Result<(), CatalogError> {
    count_waiting(shared).await?;
    if !shared.journal().claim_turn(JOB_NAME, CHECK_INTERVAL).await? {
        return Ok(());
    }
    let update = shared.monitor.settings().live.update_seconds.unwrap_or_default();
    let abandoned_after_ms = ABANDONED_AFTER_MS.max((update * 3000.0) as i64);
    for detection in
        shared.journal().abandoned_detections(shared.now() - abandoned_after_ms, MAX_AIRINGS).await?
    {
        end(shared, detection).await?;
    }
    Ok(())
}

/// Counts the streams that no process follows, by the same condition and clock as a claim.
async fn count_waiting(shared: &StreamsContext) -> Result<(), CatalogError> {
    let waiting = shared.journal().count_waiting_streams().await?;
    shared.counters.streams_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    Ok(())
}

/// Ends an airing at the end that its last event reported.
async fn end(shared: &StreamsContext, mut stored: StoredDetection) -> Result<(), CatalogError> {
    tracing::info!(detected_in = ?stored.detected_in, airing = %stored.detection.id, "ending an airing that no worker continues");
    stored.detection.kind = EventKind::Final;
    stored.last_seen = shared.now().max(stored.last_seen + 1);
    let track = shared.catalog.by_numbers(&[stored.detection.detected.track]).await?.pop();
    let deliveries = track.map(|track| deliveries(shared, &stored, &track)).unwrap_or_default();
    shared.journal().record(&stored, &deliveries, shared.now()).await?;
    Ok(())
}

fn deliveries(
    shared: &StreamsContext,
    stored: &StoredDetection,
    track: &Track,
) -> Vec<refrain_catalog::NewOutboxMessage> {
    let refrain_catalog::DetectionSource::Stream(name) = &stored.detected_in else { return Vec::new() };
    if !shared.settings.events.contains(&EventKind::Final) {
        return Vec::new();
    }
    let detection = &stored.detection;
    let json = serde_json::to_string(&response(detection, name, track)).unwrap_or_default();
    shared.planner.deliveries(&DetectionEvent {
        from: DetectionOrigin::Live,
        stream_id: name,
        channel: stored.channel.as_deref(),
        detection: Some(detection.id),
        event: detection.kind.as_str(),
        number: 0,
        at: shared.clock.local(),
        response: &json,
        song: None,
    })
}
