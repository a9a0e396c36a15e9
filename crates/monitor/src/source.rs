//! A common interface to the sources of streams: HLS, DASH, radio, UDP and pipes.

use std::io::Read;
use std::time::{Duration, Instant};

use refrain_core::audio::health::HealthThresholds;
use refrain_net::{RequestHeaders, StreamAccess};
use refrain_stream::hls::{
    EntryUrl, HlsSettings, HlsSource, RenditionChoice, RenditionFeedback, SourceState, SourceStatus, Start,
};
use refrain_stream::{
    ClockAnchor, Delivery, GIVE_UP_AFTER, PipeContent, PipeSource, RadioFeedback, RadioSettings, RadioSource,
    TrackChoice, UdpSettings, UdpSource,
};
use tokio::sync::watch;
use url::Url;

use super::health::ReportedAlerts;
use super::queue::OverflowPolicy;
use super::status::{SourceCounters, SourceKind, StreamEnd, StreamPhase};

/// Time without a delivery after which a stream without a playlist is reported as stalled. It equals the timeout of a
/// silent connection, after which the source reconnects. At half this value, the state changes between live and stalled
/// on a slow network; at twice this value, an outage is shown 10 s later.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Input of a stream.
pub enum StreamInput {
    /// A URL. With `http://` and `https://` it is HLS, DASH or radio, which the monitor detects; with `udp://` and `rtp://`
    /// it is MPEG-TS.
    Url(String),
    /// HLS whose entry URL can be different for each request, for example because it contains a token for a single use.
    EntryUrl(EntryUrl),
    /// A reader that is read to its end, no faster than its content is processed.
    Pipe {
        /// The reader.
        read: Box<dyn Read + Send + Sync>,
        /// Format of the content.
        content: PipeContent,
    },
}

/// A stream to follow.
pub struct StreamSpec {
    /// Id of the stream.
    pub id: String,
    /// Input of the stream.
    pub input: StreamInput,
    /// Position in the HLS playlist at which to begin; other inputs ignore it.
    pub start: Start,
    /// State of the clock of an earlier worker; `None` if there was no earlier worker or it had no such state.
    pub clock_anchor: Option<ClockAnchor>,
    /// Headers of the requests to the origin of the stream's URL; inputs other than HLS and radio ignore them.
    pub headers: RequestHeaders,
    /// The audio that is followed if the stream offers a choice.
    pub preferences: AudioPreferences,
    /// Thresholds of the alerts about the audio; `None` for those of [`MonitorSettings`](crate::MonitorSettings).
    pub health: Option<HealthThresholds>,
    /// Alerts that an earlier worker reported.
    pub alerts: ReportedAlerts,
}

/// The audio that is followed if a stream offers a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AudioPreferences {
    /// Rendition of an HLS master playlist; `None` for the one in [`SourceSettings::hls`].
    pub rendition: Option<RenditionChoice>,
    /// Audio stream of MPEG-TS. Its language also selects audio renditions of HLS.
    pub track: TrackChoice,
}

impl AudioPreferences {
    /// Adds the preferences to the settings of a source.
    pub(super) fn apply(&self, settings: &mut SourceSettings) {
        if let Some(rendition) = &self.rendition {
            settings.hls.rendition = rendition.clone();
        }
        if let Some(language) = &self.track.language {
            settings.hls.language = Some(language.clone());
        }
    }
}

impl StreamSpec {
    /// Creates the specification of a stream without an earlier worker. It begins at the live edge.
    #[must_use]
    pub fn new(id: impl Into<String>, input: StreamInput) -> Self {
        Self {
            id: id.into(),
            input,
            start: Start::LiveEdge,
            clock_anchor: None,
            headers: RequestHeaders::default(),
            preferences: AudioPreferences::default(),
            health: None,
            alerts: ReportedAlerts::default(),
        }
    }
}

impl StreamInput {
    /// Returns the access of a stream with this input and these headers. Only HLS and radio use it.
    pub(super) fn access(&self, headers: &RequestHeaders) -> StreamAccess {
        let url = match self {
            Self::Url(text) => Url::parse(text).ok(),
            Self::EntryUrl(entry) => Some(entry.url()),
            Self::Pipe { .. } => None,
        };
        url.map(|url| StreamAccess::new(&url, headers)).unwrap_or_default()
    }
}

/// Settings of the sources of streams.
#[derive(Debug, Clone, Default)]
pub struct SourceSettings {
    /// Settings of HLS. `allow_private` and `private_hosts` apply to radio too.
    pub hls: HlsSettings,
    /// Settings of radio.
    pub radio: RadioSettings,
    /// Settings of UDP.
    pub udp: UdpSettings,
}

/// An open source.
pub(super) enum StreamSource {
    Hls(HlsSource),
    /// DASH, which the source of HLS follows.
    Dash(HlsSource),
    Radio(Box<RadioSource>),
    Pipe(Option<PipeSource>, SourceCounters),
    Udp(Box<UdpSource>),
}

impl StreamSource {
    pub(super) fn kind(&self) -> SourceKind {
        match self {
            Self::Hls(_) => SourceKind::Hls,
            Self::Dash(_) => SourceKind::Dash,
            Self::Radio(_) => SourceKind::Radio,
            Self::Pipe(..) => SourceKind::Pipe,
            Self::Udp(_) => SourceKind::Udp,
        }
    }

    /// Returns the next delivery, or `None` at the end of the stream. Cancel-safe. UDP never returns `None`.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::Hls(source) | Self::Dash(source) => source.next().await,
            Self::Radio(source) => source.next().await,
            Self::Udp(source) => Some(source.next().await),
            Self::Pipe(None, _) => None,
            Self::Pipe(Some(source), counters) => {
                let next = source.next().await;
                // Only a transport stream passes as bytes; other input is decoded on the thread of the source.
                if let Some(Delivery::Bytes(bytes)) = &next {
                    counters.bytes += bytes.len() as u64;
                }
                next
            }
        }
    }

    /// Returns the behavior of the queue when it is full: live sources drop the oldest media, recordings wait.
    pub(super) fn overflow_policy(&self) -> OverflowPolicy {
        match self {
            Self::Pipe(..) => OverflowPolicy::Wait,
            // A recording remains on the server, so nothing needs to be dropped.
            Self::Hls(source) | Self::Dash(source) if source.status().borrow().recorded => {
                OverflowPolicy::Wait
            }
            Self::Radio(source) if source.status().file_bytes.is_some() => OverflowPolicy::Wait,
            Self::Hls(_) | Self::Dash(_) | Self::Radio(_) | Self::Udp(_) => OverflowPolicy::DropOldest,
        }
    }

    /// Returns a receiver of the status of an HLS or DASH source, which can change while [`Self::next`] waits. Returns `None`
    /// for other sources.
    pub(super) fn watch(&self) -> Option<watch::Receiver<SourceStatus>> {
        if let Self::Hls(source) | Self::Dash(source) = self { Some(source.status()) } else { None }
    }

    /// Returns the handle to report segments of an HLS or DASH source that cannot be decoded; `None` for other sources.
    pub(super) fn feedback(&self) -> Option<RenditionFeedback> {
        if let Self::Hls(source) | Self::Dash(source) = self { Some(source.feedback()) } else { None }
    }

    /// Returns the handle to report the decoded audio of a radio source; `None` for other sources.
    pub(super) fn radio_feedback(&mut self) -> Option<RadioFeedback> {
        if let Self::Radio(source) = self { Some(source.feedback()) } else { None }
    }

    /// Returns the URL of the HLS playlist to which the playlist of a radio station leads, after the source has ended
    /// for this reason; otherwise `None`.
    pub(super) fn hls_entry(&self) -> Option<&Url> {
        if let Self::Radio(source) = self { source.hls_entry() } else { None }
    }

    pub(super) fn counters(&self) -> SourceCounters {
        match self {
            Self::Hls(source) | Self::Dash(source) => counters_of(&source.status().borrow()),
            Self::Radio(source) => {
                let status = source.status();
                SourceCounters {
                    pieces: status.connections,
                    bytes: status.bytes,
                    retries: status.failures,
                    last_error: status.last_error.as_ref().map(ToString::to_string),
                    ..SourceCounters::default()
                }
            }
            Self::Pipe(_, counters) => counters.clone(),
            Self::Udp(source) => {
                let status = source.status();
                SourceCounters {
                    pieces: status.datagrams,
                    bytes: status.bytes,
                    retries: status.errors,
                    ..SourceCounters::default()
                }
            }
        }
    }

    /// Returns the final state of the source, after [`Self::next`] has returned `None`.
    pub(super) async fn end(&mut self) -> StreamPhase {
        match self {
            Self::Hls(source) | Self::Dash(source) => {
                // The last delivery can arrive before the source has published its final state.
                let mut status = source.status();
                let over = |s: &SourceState| matches!(s, SourceState::Ended(_) | SourceState::Failed(_));
                match status.wait_for(|status| over(&status.state)).await {
                    Ok(last) => state_of(&last.state),
                    Err(_) => state_of(&source.status().borrow().state),
                }
            }
            Self::Radio(source) => match &source.status().last_error {
                Some(error) => StreamPhase::Failed(error.to_string()),
                None if source.status().file_bytes.is_some() => StreamPhase::Ended(StreamEnd::ReadToEnd),
                None => StreamPhase::Ended(StreamEnd::StationEnded),
            },
            Self::Pipe(source, _) => match source.take() {
                Some(source) => match source.outcome().await {
                    Ok(()) => StreamPhase::Ended(StreamEnd::ReadToEnd),
                    Err(error) => StreamPhase::Failed(error.to_string()),
                },
                None => StreamPhase::Ended(StreamEnd::ReadToEnd),
            },
            Self::Udp(_) => StreamPhase::Ended(StreamEnd::Silent),
        }
    }
}

/// Returns the state of a source without a playlist that was opened at `started_at` and had its last delivery at `last`
/// (`None` before the first delivery).
pub(super) fn state_without_playlist(
    last: Option<Instant>,
    started_at: Instant,
    kind: SourceKind,
) -> StreamPhase {
    let silent = last.unwrap_or(started_at).elapsed();
    match last {
        None if silent > GIVE_UP_AFTER && kind == SourceKind::Udp => {
            StreamPhase::Failed(format!("no datagram arrived within {} s", GIVE_UP_AFTER.as_secs()))
        }
        Some(_) if silent > GIVE_UP_AFTER && kind == SourceKind::Udp => StreamPhase::Ended(StreamEnd::Silent),
        None => StreamPhase::Starting,
        Some(_) if silent > STALLED_AFTER => StreamPhase::Stalled,
        Some(_) => StreamPhase::Live,
    }
}

/// Converts the state of an HLS source.
pub(super) fn state_of(state: &SourceState) -> StreamPhase {
    match state {
        SourceState::Starting => StreamPhase::Starting,
        SourceState::Live => StreamPhase::Live,
        SourceState::Stalled => StreamPhase::Stalled,
        SourceState::Ended(why) => StreamPhase::Ended((*why).into()),
        SourceState::Failed(why) => StreamPhase::Failed(why.to_string()),
    }
}

/// Converts the counters of an HLS source.
pub(super) fn counters_of(status: &SourceStatus) -> SourceCounters {
    SourceCounters {
        pieces: status.segments,
        bytes: status.bytes,
        retries: status.retries,
        playlist_errors: status.playlist_errors,
        resolutions: status.resolutions,
        rendition: status.rendition.clone(),
        rendition_changes: status.rendition_changes,
        rendition_reason: status.rendition_reason.clone(),
        last_error: status.last_error.as_ref().map(ToString::to_string),
    }
}
