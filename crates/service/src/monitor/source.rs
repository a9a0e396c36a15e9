//! Any source, seen alike.

use std::io::Read;
use std::time::{Duration, Instant};

use refrain_stream::hls::{Entry, HlsSettings, HlsSource, SourceState, SourceStatus, Start};
use refrain_stream::{
    ClockAnchor, Delivery, GIVE_UP_AFTER, PipeContent, PipeSource, RadioSettings, RadioSource, UdpSettings,
    UdpSource,
};
use tokio::sync::watch;

use super::queue::Full;
use super::status::{SourceCounters, SourceKind, StreamEnd, StreamState};

/// A stream without a playlist is stalled after this time without a delivery.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// What is to be followed.
pub enum StreamInput {
    /// `http://` and `https://` (HLS or radio, which is found out) or `udp://` and `rtp://`.
    Url(String),
    /// HLS whose entry is another URL for each look at it.
    Entry(Entry),
    /// What is read until it ends, no faster than it is worked on.
    Pipe {
        /// From where.
        read: Box<dyn Read + Send + Sync>,
        /// What it holds.
        content: PipeContent,
    },
}

/// A stream that is to be followed.
pub struct StreamSpec {
    /// Its id.
    pub id: String,
    /// Where it comes from.
    pub input: StreamInput,
    /// Where to begin in its playlist.
    pub start: Start,
    /// Where the clock of an earlier worker stands, if there was one.
    pub clock_anchor: Option<ClockAnchor>,
}

impl StreamSpec {
    /// A stream that nobody followed before.
    #[must_use]
    pub fn new(id: impl Into<String>, input: StreamInput) -> Self {
        Self { id: id.into(), input, start: Start::LiveEdge, clock_anchor: None }
    }
}

/// How streams are fetched.
#[derive(Debug, Clone, Default)]
pub struct SourceSettings {
    /// HLS; `allow_private` and `private_hosts` are for radio too.
    pub hls: HlsSettings,
    /// Radio.
    pub radio: RadioSettings,
    /// UDP.
    pub udp: UdpSettings,
}

/// An open source.
pub(super) enum Source {
    Hls(HlsSource),
    Radio(Box<RadioSource>),
    Pipe(Option<PipeSource>, SourceCounters),
    Udp(Box<UdpSource>),
}

impl Source {
    pub(super) fn kind(&self) -> SourceKind {
        match self {
            Self::Hls(_) => SourceKind::Hls,
            Self::Radio(_) => SourceKind::Radio,
            Self::Pipe(..) => SourceKind::Pipe,
            Self::Udp(_) => SourceKind::Udp,
        }
    }

    /// What comes next; nothing at the end. Safe to drop while it waits.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::Hls(source) => source.next().await,
            Self::Radio(source) => source.next().await,
            Self::Udp(source) => Some(source.next().await),
            Self::Pipe(None, _) => None,
            Self::Pipe(Some(source), counters) => {
                let next = source.next().await;
                if let Some(Delivery::Bytes(bytes)) = &next {
                    counters.bytes += bytes.len() as u64;
                }
                next
            }
        }
    }

    /// What happens when its queue is full.
    pub(super) fn full(&self) -> Full {
        match self {
            Self::Pipe(..) => Full::Wait,
            Self::Hls(source) if source.status().borrow().recorded => Full::Wait,
            Self::Radio(source) if source.status().file_bytes.is_some() => Full::Wait,
            Self::Hls(_) | Self::Radio(_) | Self::Udp(_) => Full::DropOldest,
        }
    }

    /// What a playlist's side tells, also while the source is waited for.
    pub(super) fn watch(&self) -> Option<watch::Receiver<SourceStatus>> {
        if let Self::Hls(source) = self { Some(source.status()) } else { None }
    }

    pub(super) fn counters(&self) -> SourceCounters {
        match self {
            Self::Hls(source) => counters_of(&source.status().borrow()),
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

    /// How it ended, after it gave nothing more.
    pub(super) async fn end(&mut self) -> StreamState {
        match self {
            Self::Hls(source) => {
                // The last delivery may be taken before the state is told.
                let mut status = source.status();
                let over = |s: &SourceState| matches!(s, SourceState::Ended(_) | SourceState::Failed(_));
                match status.wait_for(|status| over(&status.state)).await {
                    Ok(last) => state_of(&last.state),
                    Err(_) => state_of(&source.status().borrow().state),
                }
            }
            Self::Radio(source) => match &source.status().last_error {
                Some(error) => StreamState::Failed(error.to_string()),
                None if source.status().file_bytes.is_some() => StreamState::Ended(StreamEnd::ReadToEnd),
                None => StreamState::Ended(StreamEnd::StationEnded),
            },
            Self::Pipe(source, _) => match source.take() {
                Some(source) => match source.outcome().await {
                    Ok(()) => StreamState::Ended(StreamEnd::ReadToEnd),
                    Err(error) => StreamState::Failed(error.to_string()),
                },
                None => StreamState::Ended(StreamEnd::ReadToEnd),
            },
            Self::Udp(_) => StreamState::Ended(StreamEnd::Silent),
        }
    }
}

/// How a source without a playlist is doing that was begun at `began` and gave something last at `last`.
pub(super) fn waiting(last: Option<Instant>, began: Instant, kind: SourceKind) -> StreamState {
    let silent = last.unwrap_or(began).elapsed();
    match last {
        None if silent > GIVE_UP_AFTER && kind == SourceKind::Udp => {
            StreamState::Failed(format!("no datagram arrived within {} s", GIVE_UP_AFTER.as_secs()))
        }
        Some(_) if silent > GIVE_UP_AFTER && kind == SourceKind::Udp => StreamState::Ended(StreamEnd::Silent),
        None => StreamState::Starting,
        Some(_) if silent > STALLED_AFTER => StreamState::Stalled,
        Some(_) => StreamState::Live,
    }
}

/// How a playlist is doing.
pub(super) fn state_of(state: &SourceState) -> StreamState {
    match state {
        SourceState::Starting => StreamState::Starting,
        SourceState::Live => StreamState::Live,
        SourceState::Stalled => StreamState::Stalled,
        SourceState::Ended(why) => StreamState::Ended((*why).into()),
        SourceState::Failed(why) => StreamState::Failed(why.to_string()),
    }
}

/// What a playlist's side counts.
pub(super) fn counters_of(status: &SourceStatus) -> SourceCounters {
    SourceCounters {
        pieces: status.segments,
        bytes: status.bytes,
        retries: status.retries,
        playlist_errors: status.playlist_errors,
        resolutions: status.resolutions,
        last_error: status.last_error.as_ref().map(ToString::to_string),
    }
}
