//! A common interface to the sources of streams: HLS, DASH, radio, UDP and pipes.

use std::io::Read;

use refrain_core::audio::health::HealthThresholds;
use refrain_net::{RequestHeaders, StreamAccess};
use refrain_stream::hls::{
    EntryUrl, HlsSettings, HlsSource, RenditionChoice, RenditionFeedback, SourceState, Start,
};
use refrain_stream::{
    ClockAnchor, Delivery, PipeContent, PipeSource, RadioFeedback, RadioSettings, RadioSource, TrackChoice,
    UdpSettings, UdpSource,
};
use url::Url;

use super::health::ReportedAlerts;
use super::queue::OverflowPolicy;
use super::source_watch::{SourceWatch, counters_of, radio_counters};
use super::state::{GiveUpBudget, StreamEnd, StreamPhase};
use super::status::{SourceCounters, SourceKind};

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
    /// Time after which a stream is given up. It replaces `give_up_after` of `hls` and `radio`.
    pub give_up: GiveUpBudget,
}

impl SourceSettings {
    /// Sets the budget of the sources, so that they do not end before the stream is given up.
    pub(super) fn apply_budget(&mut self) {
        self.hls.give_up_after = self.give_up.after_audio;
        self.radio.give_up_after = self.give_up.after_audio;
    }
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

    /// Returns the status of the source, which can change while [`Self::next`] waits.
    pub(super) fn watch(&self) -> SourceWatch {
        match self {
            Self::Hls(source) | Self::Dash(source) => SourceWatch::Hls(source.status()),
            Self::Radio(source) => SourceWatch::Radio(source.watch()),
            Self::Pipe(..) => SourceWatch::Pipe,
            Self::Udp(_) => SourceWatch::Udp,
        }
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
            Self::Radio(source) => radio_counters(source.status()),
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
                    Ok(last) => end_of(&last.state),
                    Err(_) => end_of(&source.status().borrow().state),
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

/// Converts the final state of an HLS source.
fn end_of(state: &SourceState) -> StreamPhase {
    match state {
        SourceState::Ended(why) => StreamPhase::Ended((*why).into()),
        SourceState::Failed(why) => StreamPhase::Failed(why.to_string()),
        // The source was dropped before its end.
        _ => StreamPhase::Ended(StreamEnd::Stopped),
    }
}
