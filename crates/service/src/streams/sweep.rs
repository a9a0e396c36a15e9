//! Ends the open airings of streams that ended without a worker, and counts the streams that wait for a worker.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{CatalogError, Detection, Track};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::shared::{Shared, now};
use super::takeover::heard;
use crate::delivery::News;
use crate::settings::From;
use refrain_monitor::{EventKind, StreamEvent, response};

/// Interval of the checks.
const EVERY: Duration = Duration::from_secs(30);

/// Name of the periodic job that ends these airings; see [`refrain_catalog::Journal::turn`].
const TURN: &str = "end left detections";

/// An airing is ended if it had no event during three update intervals, and at least during this time, in milliseconds.
const LEFT_AFTER: i64 = 60_000;

/// Maximum number of airings that are ended in one check.
const PAGE: u32 = 1_000;

/// Runs the checks until `stop` is cancelled.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut tick = interval(EVERY);
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
            done = look(&shared) => if let Err(error) = done {
                tracing::debug!(%error, "cannot check for open airings without a worker, retrying");
            },
        }
    }
}

async fn look(shared: &Shared) -> Result<(), CatalogError> {
    count_waiting(shared).await?;
    if !shared.journal().turn(TURN, EVERY).await? {
        return Ok(());
    }
    let update = shared.monitor.settings().live.update_seconds.unwrap_or_default();
    let left_after = LEFT_AFTER.max((update * 3000.0) as i64);
    for detection in shared.journal().left_open(now() - left_after, PAGE).await? {
        end(shared, detection).await?;
    }
    Ok(())
}

/// Counts the streams that no worker follows. The condition and the clock are those of claims.
async fn count_waiting(shared: &Shared) -> Result<(), CatalogError> {
    let waiting = shared.journal().waiting_streams().await?;
    shared.measures.streams_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    Ok(())
}

/// Ends an airing at the end of its last event.
async fn end(shared: &Shared, mut detection: Detection) -> Result<(), CatalogError> {
    tracing::info!(airing = %detection.id, "ending an airing that no worker continues");
    detection.is_final = true;
    detection.last_seen = now().max(detection.last_seen + 1);
    let track = shared.catalog.by_numbers(&[detection.track]).await?.pop();
    let deliveries = track.map(|track| deliveries(shared, &detection, &track)).unwrap_or_default();
    shared.journal().record(&detection, &deliveries, now()).await?;
    Ok(())
}

fn deliveries(shared: &Shared, detection: &Detection, track: &Track) -> Vec<refrain_catalog::NewDelivery> {
    let refrain_catalog::HeardIn::Stream(name) = &detection.heard_in else { return Vec::new() };
    if !shared.settings.events.contains(&EventKind::Final) {
        return Vec::new();
    }
    let mut known = heard(detection);
    (known.query_start, known.query_end) = (detection.query_start, detection.query_end);
    let event = StreamEvent {
        stream: name.as_str().into(),
        kind: EventKind::Final,
        airing: detection.id,
        epoch: detection.start_at as f64 / 1000.0,
        known_at: detection.query_end,
        clock: None,
        clock_offset: None,
        heard: known,
    };
    let json = serde_json::to_string(&response(&event, name, track)).unwrap_or_default();
    shared.planner.deliveries(&News {
        from: From::Live,
        stream_id: name,
        channel: detection.channel.as_deref(),
        detection: Some(detection.id),
        event: event.kind.as_str(),
        number: 0,
        at: chrono::Local::now(),
        response: &json,
        song: None,
    })
}
