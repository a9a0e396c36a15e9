//! Reasons why a session ends. All their texts are made in this file.

use std::borrow::Cow;

use refrain_catalog::{MAX_DEATHS, StreamState};
use refrain_monitor::{StreamEnd, StreamPhase};

/// The kind of a reason. The kinds do not include the death of workers: the catalog itself ends streams that killed
/// their workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCode {
    /// The playlist has an end tag.
    EndList,
    /// No media arrived for the time in the settings.
    Silent,
    /// The file or pipe was read to its end.
    ReadToEnd,
    /// The radio station closed the connection.
    StationEnded,
    /// This program stopped the session by its stream handle.
    Stopped,
    /// The source was closed without a reason.
    SourceClosed,
    /// The source failed permanently.
    SourceFailed,
    /// The decoder died [`MAX_DEATHS`] times.
    DecoderDied,
    /// The platform reported the end of the stream.
    PlatformEnded,
    /// The MediaLive channel was stopped.
    ChannelStopped,
    /// The IVS channel is private and no signing key is in the settings.
    NoSigningKey,
    /// The stream has another URL, other headers or other audio preferences in the settings.
    NewSettings,
    /// The stream is not in the settings any more.
    NotInSettings,
    /// A person stopped the stream.
    ByOperator,
    /// The counter of the segments has restarted.
    CounterRestarted,
    /// No segment was written for the time in the settings.
    NoSegments,
    /// The segments are outside of the folder in the settings.
    OutsideFolder,
}

/// The reason why a session ends, with the state that it ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndReason {
    code: EndCode,
    state: StreamState,
    detail: Option<String>,
}

impl EndCode {
    fn state(self) -> StreamState {
        match self {
            Self::SourceFailed | Self::DecoderDied | Self::NoSigningKey | Self::OutsideFolder => {
                StreamState::Failed
            }
            _ => StreamState::Ended,
        }
    }

    /// Returns the text of a reason without details.
    fn text(self) -> &'static str {
        match self {
            Self::EndList => "the playlist has an end tag",
            Self::Silent => "no media for a long time",
            Self::ReadToEnd => "the input was read to its end",
            Self::StationEnded => "the station closed the connection",
            Self::Stopped => "it was stopped",
            Self::SourceClosed => "the source was closed",
            Self::SourceFailed => "the source failed",
            Self::DecoderDied => "its decoder died",
            Self::PlatformEnded => "the platform ended it",
            Self::ChannelStopped => "the channel was stopped",
            Self::NoSigningKey => {
                "the channel is private, and there is no key to sign tokens with; set ivs.private_key_file"
            }
            Self::NewSettings => "its settings were changed",
            Self::NotInSettings => "it is no longer in the settings",
            Self::ByOperator => "stopped by hand",
            Self::CounterRestarted => "the segment counter has restarted",
            Self::NoSegments => "no new segment for a long time",
            Self::OutsideFolder => "its segments are not in the folder of streams of the settings",
        }
    }
}

impl EndReason {
    /// Returns the reason of this kind, without details.
    #[must_use]
    pub fn of(code: EndCode) -> Self {
        Self { code, state: code.state(), detail: None }
    }

    /// Returns the reason for the end that the monitor has reported.
    pub(crate) fn of_phase(end: &StreamPhase) -> Self {
        match end {
            StreamPhase::Failed(why) | StreamPhase::DecoderDied(why) => {
                Self { detail: Some(why.clone()), ..Self::of(EndCode::SourceFailed) }
            }
            StreamPhase::Ended(why) => Self::of(match why {
                StreamEnd::EndList => EndCode::EndList,
                StreamEnd::Silent => EndCode::Silent,
                StreamEnd::ReadToEnd => EndCode::ReadToEnd,
                StreamEnd::StationEnded => EndCode::StationEnded,
                StreamEnd::Stopped => EndCode::Stopped,
            }),
            _ => Self::of(EndCode::SourceClosed),
        }
    }

    /// Returns the reason for the quarantine of a stream whose decoder has died [`MAX_DEATHS`] times. `end` describes
    /// the last death.
    pub(crate) fn quarantined(end: &StreamPhase) -> Self {
        Self { detail: Some(end.to_string()), ..Self::of(EndCode::DecoderDied) }
    }

    /// Returns the same reason with the state `ended`, for a stream that has ended on its platform. An error after that
    /// end is no failure.
    pub(crate) fn ended(self) -> Self {
        Self { state: StreamState::Ended, ..self }
    }

    /// Returns the kind of the reason.
    #[must_use]
    pub fn code(&self) -> EndCode {
        self.code
    }

    /// Returns the state in which the session ends: `ended` or `failed`.
    #[must_use]
    pub fn state(&self) -> StreamState {
        self.state
    }

    /// Returns the text of the reason for people. The catalog stores it in [`refrain_catalog::Stream::reason`].
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match (self.code, self.detail.as_deref()) {
            (EndCode::DecoderDied, Some(end)) => {
                format!("quarantined: its decoder died {MAX_DEATHS} times ({end})").into()
            }
            (_, Some(detail)) => detail.into(),
            (code, None) => code.text().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_has_the_text_of_the_end_that_the_monitor_reports() {
        let all = [
            StreamEnd::EndList,
            StreamEnd::Silent,
            StreamEnd::ReadToEnd,
            StreamEnd::StationEnded,
            StreamEnd::Stopped,
        ];
        for end in all {
            let reason = EndReason::of_phase(&StreamPhase::Ended(end));
            assert_eq!((reason.text().as_ref(), reason.state()), (&*end.to_string(), StreamState::Ended));
        }
        let failed = EndReason::of_phase(&StreamPhase::Failed("HTTP status 404".into()));
        assert_eq!((failed.text().as_ref(), failed.state()), ("HTTP status 404", StreamState::Failed));
        assert_eq!((failed.code(), failed.ended().state()), (EndCode::SourceFailed, StreamState::Ended));
        assert_eq!(EndReason::of_phase(&StreamPhase::Live).text(), "the source was closed");
        let died = EndReason::quarantined(&StreamPhase::DecoderDied("killed by signal 11".into()));
        let died = (died.text().into_owned(), died.state());
        assert!(died.0.starts_with("quarantined: its decoder died 3 times ("), "{died:?}");
        assert!(died.0.ends_with("killed by signal 11)") && died.1 == StreamState::Failed, "{died:?}");
    }

    #[test]
    fn texts_of_the_api_do_not_change() {
        let ended = [
            (EndCode::PlatformEnded, "the platform ended it"),
            (EndCode::ChannelStopped, "the channel was stopped"),
            (EndCode::NewSettings, "its settings were changed"),
            (EndCode::NotInSettings, "it is no longer in the settings"),
            (EndCode::ByOperator, "stopped by hand"),
            (EndCode::CounterRestarted, "the segment counter has restarted"),
            (EndCode::NoSegments, "no new segment for a long time"),
        ];
        for (code, text) in ended {
            let reason = EndReason::of(code);
            assert_eq!((reason.text().as_ref(), reason.state()), (text, StreamState::Ended));
        }
        let failed = [
            (
                EndCode::NoSigningKey,
                "the channel is private, and there is no key to sign tokens with; set ivs.private_key_file",
            ),
            (EndCode::OutsideFolder, "its segments are not in the folder of streams of the settings"),
        ];
        for (code, text) in failed {
            let reason = EndReason::of(code);
            assert_eq!((reason.text().as_ref(), reason.state()), (text, StreamState::Failed));
        }
    }
}
