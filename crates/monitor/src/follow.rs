//! The network side of a stream: moves deliveries from its source into its queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_net::{AddressPolicy, HttpClient, HttpRequest};
use refrain_stream::hls::{HlsSource, RenditionFeedback};
use refrain_stream::{DecoderReport, PipeSource, RadioSettings, RadioSource, UdpSource};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use url::Url;

use super::kind::kind_of;
use super::pool::WorkerPool;
use super::source::{SourceSettings, StreamInput, StreamSource};
use super::state::{GiveUpBudget, MediaKind, Observation, SourceCondition, StreamEnd, StreamPhase};
use super::status::{SourceCounters, SourceKind};
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
        let has_budget = !matches!(input, StreamInput::Pipe { .. });
        let budget = has_budget.then_some(settings.give_up);
        match open_within(budget, &stream, input, &client, &settings).await {
            Ok(mut source) => {
                let end = take(&pool, &stream, &mut source, budget).await;
                // The playlist of a station can lead to an HLS playlist.
                match source.hls_entry().map(|entry| open_entry(entry, url.as_ref(), &client, &settings)) {
                    Some(Ok(mut source)) => take(&pool, &stream, &mut source, budget).await,
                    Some(Err(why)) => StreamPhase::Failed(why),
                    None => end,
                }
            }
            Err(end) => end,
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

/// Moves deliveries from the source to the queue until the source ends or `budget` is exhausted (`None` for no budget).
/// Returns the final state of the source.
async fn take(
    pool: &Arc<WorkerPool>,
    stream: &Arc<MonitoredStream>,
    source: &mut StreamSource,
    budget: Option<GiveUpBudget>,
) -> StreamPhase {
    let kind = source.kind();
    stream.status.send_modify(|status| status.kind = Some(kind));
    let (mut last, watched) = (None, source.watch());
    let (feedback, radio_feedback) = (source.feedback(), source.radio_feedback());
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
                update_counters(stream, |counters| watched.update(counters));
                stream.observe(Observation::Source(watched.condition(last)));
                if let Some(end) = budget.and_then(|budget| stream.give_up(&budget)) {
                    return end;
                }
            }
        };
        let Some(delivery) = next else {
            let end = source.end().await;
            update_counters(stream, |counters| *counters = source.counters());
            // That a station leads to an HLS playlist, which is followed next, is no failure.
            if source.hls_entry().is_none() {
                stream.observe(Observation::Source(watched.condition(last)));
            }
            return end;
        };
        if MediaKind::of(&delivery).is_some_and(|kind| kind != MediaKind::Missing) {
            last = Some(Instant::now());
            stream.observe(Observation::Media);
        }
        update_counters(stream, |counters| *counters = source.counters());
        stream.observe(Observation::Source(watched.condition(last)));
        pool.push(stream, delivery, source.overflow_policy()).await;
        // A source that always has a delivery leaves no time for ticks.
        if let Some(end) = budget.and_then(|budget| stream.give_up(&budget)) {
            return end;
        }
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

/// Changes the counters of the source in the status. The watchers are notified if they differ.
fn update_counters(stream: &MonitoredStream, update: impl FnOnce(&mut SourceCounters)) {
    stream.status.send_if_modified(|status| {
        let before = status.source.clone();
        update(&mut status.source);
        status.source != before
    });
}

/// Opens the source of a stream. Returns the final state of the stream if that fails, or takes longer than `budget`
/// (`None` for no budget).
async fn open_within(
    budget: Option<GiveUpBudget>,
    stream: &Arc<MonitoredStream>,
    input: StreamInput,
    client: &HttpClient,
    settings: &SourceSettings,
) -> Result<StreamSource, StreamPhase> {
    let opening = open(stream, input, client, settings);
    let opened = match budget {
        None => opening.await,
        Some(budget) => match timeout(stream.remaining(&budget), opening).await {
            Ok(opened) => opened,
            Err(_) => return Err(stream.exhausted(&budget)),
        },
    };
    opened.map_err(StreamPhase::Failed)
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

/// Detects the kind of stream that the URL of `request` has. Failed requests are repeated without a limit: the caller
/// limits the time.
async fn detect_kind(
    stream: &Arc<MonitoredStream>,
    request: &HttpRequest<'_>,
    client: &HttpClient,
    settings: &SourceSettings,
) -> Result<SourceKind, String> {
    let (mut pause, max_pause) = settings.hls.retry;
    loop {
        let error = match kind_of(request.clone(), client).await {
            Ok(kind) => return Ok(kind),
            Err(error) => error,
        };
        let reason = error.to_string();
        stream.status.send_modify(|status| {
            status.source.retries += 1;
            status.source.last_error = Some(reason.clone());
        });
        if !error.is_transient() {
            return Err(reason);
        }
        stream.observe(Observation::Source(SourceCondition::Failing(reason)));
        sleep(pause).await;
        // The pause is doubled without jitter, because a stream makes these requests only at its start.
        pause = (pause * 2).min(max_pause);
    }
}
