//! The network side of a stream: moves deliveries from its source into its queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_net::{AddressPolicy, HttpClient, HttpRequest};
use refrain_stream::hls::{HlsSource, RenditionFeedback, SourceStatus};
use refrain_stream::{DecoderReport, PipeSource, RadioSettings, RadioSource, UdpSource};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use url::Url;

use super::failures::FailureLog;
use super::kind::kind_of;
use super::pool::WorkerPool;
use super::source::{
    SourceSettings, StreamInput, StreamSource, counters_of, state_of, state_without_playlist,
};
use super::status::{SourceCounters, SourceKind, StreamEnd, StreamPhase};
use super::stream::{MonitoredStream, Stop};

/// Interval of status updates while no delivery arrives. At half this value, the task of each idle stream wakes twice
/// as often; at twice this value, `stalled` is shown up to 2 s late.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Number of consecutive unreadable segments after which the rendition is rejected: about 18 s. At half this value, one
/// damaged segment changes the rendition; at twice this value, 36 s of audio are lost before the change.
const MAX_UNREADABLE_SEGMENTS: u64 = 3;

/// Follows a stream until it ends, fails or is stopped.
pub(super) async fn follow(
    pool: Arc<WorkerPool>,
    stream: Arc<MonitoredStream>,
    input: StreamInput,
    client: HttpClient,
    settings: SourceSettings,
    stop: Arc<Stop>,
) {
    // Created before the source is opened, so that a stop during a slow connection is not missed.
    let stopped = stop.wanted.notified();
    let url = if let StreamInput::Url(text) = &input { Url::parse(text).ok() } else { None };
    let run = async {
        match open(&stream, input, &client, &settings).await {
            Ok(mut source) => {
                let end = take(&pool, &stream, &mut source).await;
                // The playlist of a station can lead to an HLS playlist.
                match source.hls_entry().map(|entry| open_entry(entry, url.as_ref(), &client, &settings)) {
                    Some(Ok(mut source)) => take(&pool, &stream, &mut source).await,
                    Some(Err(why)) => StreamPhase::Failed(why),
                    None => end,
                }
            }
            Err(why) => StreamPhase::Failed(why),
        }
    };
    let end = tokio::select! {
        // The stop is polled first: a source that is always ready must not delay it.
        biased;
        () = stopped => StreamPhase::Ended(StreamEnd::Stopped),
        end = run => end,
    };
    tracing::debug!(stream = %stream.id, state = %end, "stream source ended");
    // This is published before the final state, which the worker publishes only after the queue is empty.
    stream.status.send_modify(|status| status.source_ended = true);
    if stop.is_handover() { pool.leave(&stream, end) } else { pool.end(&stream, end) }
}

/// Moves deliveries from the source to the queue until the source ends. Returns the final state of the source.
async fn take(
    pool: &Arc<WorkerPool>,
    stream: &Arc<MonitoredStream>,
    source: &mut StreamSource,
) -> StreamPhase {
    let kind = source.kind();
    stream.status.send_modify(|status| status.kind = Some(kind));
    let (started_at, mut last, playlist) = (Instant::now(), None, source.watch());
    let (feedback, radio_feedback) = (source.feedback(), source.radio_feedback());
    let mut failures = FailureLog::default();
    let mut tick = interval(STATUS_INTERVAL);
    // After a long processing pause, missed ticks must not be made up in a burst.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = {
            // The same future is polled until a delivery arrives. A new future in each tick would cancel a connection
            // attempt that takes longer than a tick.
            let mut next = pin!(source.next());
            loop {
                tokio::select! {
                    biased;
                    next = &mut next => break next,
                    _ = tick.tick() => {}
                }
                reject_unreadable(feedback.as_ref(), &stream.status.borrow().decoder);
                if let Some(feedback) = &radio_feedback {
                    let status = stream.status.borrow();
                    feedback.report_decoded(status.decoder.seconds + status.decoder.repeated_seconds);
                }
                let state = state(playlist.as_ref(), last, started_at, kind);
                // UDP has no connection that could close, so a long silence is the only end of a UDP stream.
                if let (StreamPhase::Ended(_) | StreamPhase::Failed(_), SourceKind::Udp) = (&state, kind) {
                    return state;
                }
                let counters = playlist.as_ref().map(|status| counters_of(&status.borrow()));
                if let Some(counters) = &counters {
                    failures.observe(&stream.id, Some(kind), counters);
                }
                publish_status(stream, counters, state);
            }
        };
        let Some(delivery) = next else {
            let end = source.end().await;
            publish_status(stream, Some(source.counters()), end.clone());
            return end;
        };
        last = Some(Instant::now());
        publish_status(stream, Some(source.counters()), state(playlist.as_ref(), last, started_at, kind));
        pool.push(stream, delivery, source.overflow_policy()).await;
    }
}

/// Rejects the followed HLS rendition if its last segments could not be decoded.
fn reject_unreadable(feedback: Option<&RenditionFeedback>, report: &DecoderReport) {
    let run = report.unreadable_run;
    if let Some(feedback) = feedback
        && run.segments >= MAX_UNREADABLE_SEGMENTS
    {
        let codec = report.unsupported.as_ref().map_or_else(String::new, |codec| format!(" ({codec})"));
        let reason = format!("{MAX_UNREADABLE_SEGMENTS} consecutive segments cannot be decoded{codec}");
        feedback.reject(run.rendition, reason);
    }
}

/// Returns the current state of a source. `playlist` is `None` for sources other than HLS, and `last` is `None` before
/// the first delivery.
fn state(
    playlist: Option<&watch::Receiver<SourceStatus>>,
    last: Option<Instant>,
    started_at: Instant,
    kind: SourceKind,
) -> StreamPhase {
    match playlist {
        Some(status) => state_of(&status.borrow().state),
        None => state_without_playlist(last, started_at, kind),
    }
}

/// Publishes the counters, if there are any, and the state of a source. A final state is not published by this
/// function: the worker publishes it after all queued deliveries have been processed.
fn publish_status(stream: &MonitoredStream, counters: Option<SourceCounters>, state: StreamPhase) {
    stream.status.send_if_modified(|status| {
        let mut changed = false;
        if let Some(counters) = counters.filter(|counters| *counters != status.source) {
            status.source = counters;
            changed = true;
        }
        let over = state.is_end();
        if !over && status.state != state {
            tracing::info!(stream = %stream.id, from = %status.state, to = %state, "stream state changed");
            status.state = state;
            changed = true;
        }
        changed
    });
}

async fn open(
    stream: &Arc<MonitoredStream>,
    input: StreamInput,
    client: &HttpClient,
    settings: &SourceSettings,
) -> Result<StreamSource, String> {
    let text = match input {
        StreamInput::Pipe { read, content } => {
            let source = PipeSource::open(read, content).map_err(|error| error.to_string())?;
            return Ok(StreamSource::Pipe(Some(source), SourceCounters::default()));
        }
        StreamInput::EntryUrl(entry) => {
            return Ok(StreamSource::Hls(HlsSource::enter(entry, client, settings.hls.clone())));
        }
        StreamInput::Url(url) => url,
    };
    if ["udp://", "rtp://"].iter().any(|scheme| text.starts_with(scheme)) {
        let source = UdpSource::open(&text, &settings.udp).map_err(|error| error.to_string())?;
        return Ok(StreamSource::Udp(Box::new(source)));
    }
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("unsupported stream URL: the scheme must be http, https, udp or rtp")?;
    let policy = AddressPolicy::of_operator(&url, settings.hls.allow_private, &settings.hls.private_hosts);
    // The kind is detected before a source is created, because HLS and radio differ only in the content of the
    // response.
    let request = HttpRequest::new(&url, &policy).access(&settings.hls.access);
    let kind = detect_kind(stream, &request, client, settings).await?;
    if let SourceKind::Hls | SourceKind::Dash = kind {
        let source = HlsSource::open(&text, client, settings.hls.clone());
        let wrap = if kind == SourceKind::Dash { StreamSource::Dash } else { StreamSource::Hls };
        return source.map(wrap).map_err(|error| error.to_string());
    }
    let streaming_client = client.streaming_client(&policy).map_err(|error| error.to_string())?;
    let access = settings.hls.access.clone();
    let radio = RadioSettings { policy, access, ..settings.radio.clone() };
    let source = RadioSource::open(&text, streaming_client, radio);
    source.map(|source| StreamSource::Radio(Box::new(source))).map_err(|error| error.to_string())
}

/// Opens the HLS playlist at `entry`, to which the playlist of the station at `url` leads.
fn open_entry(
    entry: &Url,
    url: Option<&Url>,
    client: &HttpClient,
    settings: &SourceSettings,
) -> Result<StreamSource, String> {
    let mut hls = settings.hls.clone();
    // Only the host that the operator wrote may resolve to a private address.
    hls.allow_private &= url.is_some_and(|url| url.host() == entry.host());
    let source = HlsSource::open(entry.as_str(), client, hls);
    source.map(StreamSource::Hls).map_err(|error| error.to_string())
}

/// Detects the kind of stream that the URL of `request` has. Failed requests are repeated for
/// `settings.hls.give_up_after`; the first failure and each change of the reason are logged as warnings.
async fn detect_kind(
    stream: &Arc<MonitoredStream>,
    request: &HttpRequest<'_>,
    client: &HttpClient,
    settings: &SourceSettings,
) -> Result<SourceKind, String> {
    let (started_at, mut failures) = (Instant::now(), FailureLog::default());
    let (mut pause, max_pause) = settings.hls.retry;
    loop {
        let error = match kind_of(request.clone(), client).await {
            Ok(kind) => return Ok(kind),
            Err(error) => error,
        };
        stream.status.send_modify(|status| {
            status.source.retries += 1;
            status.source.last_error = Some(error.to_string());
        });
        failures.observe(&stream.id, None, &stream.status.borrow().source);
        if !error.is_transient() || started_at.elapsed() > settings.hls.give_up_after {
            return Err(error.to_string());
        }
        sleep(pause).await;
        // The pause is doubled without jitter, because a stream makes these requests only at its start.
        pause = (pause * 2).min(max_pause);
    }
}
