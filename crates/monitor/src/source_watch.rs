//! Condition and counters of a source, which can change while the next delivery is awaited.

use std::time::{Duration, Instant};

use refrain_stream::RadioStatus;
use refrain_stream::hls::{SourceState, SourceStatus};
use tokio::sync::watch;

use super::state::SourceCondition;
use super::status::SourceCounters;

/// Time without a delivery after which a stream without a playlist is reported as stalled. It equals the timeout of a
/// silent connection, after which the source reconnects. At half this value, the state changes between live and stalled
/// on a slow network; at twice this value, an outage is shown 10 s later.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// The status of a source.
pub(super) enum SourceWatch {
    Hls(watch::Receiver<SourceStatus>),
    Radio(watch::Receiver<RadioStatus>),
    Pipe,
    Udp,
}

impl SourceWatch {
    /// Returns the condition of the source. `last` is the time of the last delivery with media; `None` before the first
    /// one.
    pub(super) fn condition(&self, last: Option<Instant>) -> SourceCondition {
        match self {
            Self::Hls(status) => hls_condition(&status.borrow()),
            Self::Radio(status) => {
                let status = status.borrow();
                match &status.last_error {
                    Some(error) if !status.live => SourceCondition::Failing(error.to_string()),
                    _ => delivering(last, "the server sends no audio"),
                }
            }
            Self::Pipe => delivering(last, "the input contains no data"),
            Self::Udp => delivering(last, "no datagram with MPEG-TS arrives"),
        }
    }

    /// Updates the counters that can change without a delivery.
    pub(super) fn update(&self, counters: &mut SourceCounters) {
        match self {
            Self::Hls(status) => *counters = counters_of(&status.borrow()),
            // The receiver is not notified of each received byte, so only the failures are current.
            Self::Radio(status) => {
                let RadioStatus { failures, last_error, .. } = &*status.borrow();
                if *failures > counters.retries {
                    counters.retries = *failures;
                    counters.last_error = last_error.as_ref().map(ToString::to_string);
                }
            }
            Self::Pipe | Self::Udp => {}
        }
    }
}

/// Returns the condition of a source whose requests do not fail. `reason` is the reason if it delivers nothing.
fn delivering(last: Option<Instant>, reason: &'static str) -> SourceCondition {
    match last {
        None => SourceCondition::Opening(reason),
        Some(last) if last.elapsed() > STALLED_AFTER => SourceCondition::Stalled(reason),
        Some(_) => SourceCondition::Receiving,
    }
}

fn hls_condition(status: &SourceStatus) -> SourceCondition {
    if let Some(failure) = &status.playlist_failure {
        return SourceCondition::Failing(failure.clone());
    }
    if let Some(failure) = &status.media_failure {
        let reason = failure.reason.clone();
        return match failure.is_undecryptable {
            true => SourceCondition::Undecryptable(reason),
            false => SourceCondition::Failing(reason),
        };
    }
    match status.state {
        SourceState::Starting => SourceCondition::Opening("the playlist lists no segments"),
        SourceState::Stalled => SourceCondition::Stalled("the playlist lists no new segments"),
        SourceState::Live | SourceState::Ended(_) | SourceState::Failed(_) => SourceCondition::Receiving,
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

/// Converts the counters of a radio source.
pub(super) fn radio_counters(status: &RadioStatus) -> SourceCounters {
    SourceCounters {
        pieces: status.connections,
        bytes: status.bytes,
        retries: status.failures,
        last_error: status.last_error.as_ref().map(ToString::to_string),
        ..SourceCounters::default()
    }
}
