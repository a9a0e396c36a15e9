//! State and counters of a stream.

use std::time::{SystemTime, UNIX_EPOCH};

use refrain_catalog::{DetectionId, TrackNumber};
use refrain_stream::{ClockAnchor, ClockSource, DecoderReport};

use super::health::StreamHealth;
use super::stage_times::StageTimes;
use super::state::StreamPhase;

/// The kind of a stream's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// HLS.
    Hls,
    /// MPEG-DASH.
    Dash,
    /// Radio over HTTP.
    Radio,
    /// Standard input or a file.
    Pipe,
    /// MPEG-TS over UDP.
    Udp,
}

/// Counters of the source of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceCounters {
    /// Number of segments for HLS and DASH, of connections for radio, and of datagrams for UDP; 0 for a pipe.
    pub pieces: u64,
    /// Number of received bytes; 0 for a pipe whose content is not a transport stream.
    pub bytes: u64,
    /// Number of requests and connections that failed and are repeated; for UDP, the number of receive errors.
    pub retries: u64,
    /// Number of failed requests for an HLS playlist or a DASH manifest; 0 for other sources.
    pub playlist_errors: u64,
    /// Number of times that the HLS master playlist, or the entry URL of DASH, was resolved again; 0 for other sources.
    pub resolutions: u64,
    /// Name or bandwidth of the followed rendition of HLS or representation of DASH; `None` without a master playlist,
    /// and for other sources.
    pub rendition: Option<String>,
    /// Number of changes of the rendition of HLS or DASH; 0 for other sources.
    pub rendition_changes: u64,
    /// Reason of the last change of the rendition; `None` if it never changed.
    pub rendition_reason: Option<String>,
    /// The last error, which remains after a success; `None` if there was none. It contains no tokens.
    pub last_error: Option<String>,
}

/// An open airing in the status of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurrentAiring {
    /// Id of the airing.
    pub id: DetectionId,
    /// Number of the track that is played.
    pub track: TrackNumber,
    /// Start of the airing, seconds since 1970.
    pub epoch: f64,
}

/// State and counters of a stream since its start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StreamStatus {
    /// State of the stream.
    pub state: StreamPhase,
    /// Reason of the state; `None` in the state `starting`, and in the state `live` while no request fails. It contains
    /// no tokens.
    pub reason: Option<String>,
    /// Number of changes of the state.
    pub state_changes: u64,
    /// True if the source has ended. Queued deliveries may still have to be processed.
    pub source_ended: bool,
    /// True if everything has been processed and the last event was sent.
    pub is_over: bool,
    /// Kind of the source; `None` until it is detected.
    pub kind: Option<SourceKind>,
    /// Counters of the source of a stream.
    pub source: SourceCounters,
    /// Counters of the decoder: gaps by reason, decode errors, silence, level.
    pub decoder: DecoderReport,
    /// Seconds of the stream that were processed, gaps included.
    pub position: f64,
    /// Time of day of the last processed audio, seconds since 1970, and the source of this time. `None` before the
    /// first audio.
    pub processed_until: Option<(f64, ClockSource)>,
    /// State that another worker needs to continue the clock of the stream. `None` if the stream has dates or no time
    /// stamps.
    pub clock_anchor: Option<ClockAnchor>,
    /// Seconds of media in the queue that has not been processed yet.
    pub queued_seconds: f64,
    /// Open airings, in the order in which they were found.
    pub airings: Vec<CurrentAiring>,
    /// Health of the audio; `None` if it is not measured.
    pub health: Option<StreamHealth>,
    /// Start of the audio that no airing explains, in seconds from the first sample; `None` in silence and while an
    /// airing is detected.
    pub unknown_since: Option<f64>,
    /// Wall-clock time that each stage of processing took.
    pub times: StageTimes,
    /// Number of searches that failed because the index is damaged.
    pub index_errors: u64,
    /// The last error of the searches in `index_errors`; `None` if no search failed.
    pub last_index_error: Option<String>,
}

impl StreamStatus {
    /// Returns true if audio of the stream was decoded.
    #[must_use]
    pub fn has_audio(&self) -> bool {
        self.decoder.seconds > 0.0
    }

    /// Returns the seconds from the last processed audio to now: the delay of the stream itself plus the delay of
    /// processing. Never negative, even if the stream's clock is ahead of this machine's. Returns `None` before the
    /// first audio.
    #[must_use]
    pub fn lag(&self) -> Option<f64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.processed_until.map(|(epoch, _)| (now - epoch).max(0.0))
    }
}
