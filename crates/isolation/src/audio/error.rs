//! Converts [`AudioError`] to and from the form that is sent between parent and child.

use std::io;

use refrain_core::audio::{AudioError, LimitKind};
use serde::{Deserialize, Serialize};

/// An [`AudioError`] in a form that can be sent between processes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireError {
    name: String,
    kind: WireErrorKind,
}

#[derive(Debug, Serialize, Deserialize)]
enum WireErrorKind {
    Open(Option<i32>, String),
    Read(Option<i32>, String),
    Directory,
    Empty,
    NotAudio,
    NoAudioTrack(String),
    UnsupportedCodec(String),
    Damaged(String),
    NoSound,
    Limit(WireLimitKind, f64, f64),
    Stopped(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum WireLimitKind {
    Seconds,
    SampleRate,
    Channels,
}

impl From<AudioError> for WireError {
    fn from(error: AudioError) -> Self {
        let (name, kind) = match error {
            AudioError::Open { name, source } => {
                (name, WireErrorKind::Open(source.raw_os_error(), source.to_string()))
            }
            AudioError::Read { name, source } => {
                (name, WireErrorKind::Read(source.raw_os_error(), source.to_string()))
            }
            AudioError::Directory { name } => (name, WireErrorKind::Directory),
            AudioError::Empty { name } => (name, WireErrorKind::Empty),
            AudioError::NotAudio { name } => (name, WireErrorKind::NotAudio),
            AudioError::NoAudioTrack { name, container } => (name, WireErrorKind::NoAudioTrack(container)),
            AudioError::UnsupportedCodec { name, codec } => (name, WireErrorKind::UnsupportedCodec(codec)),
            AudioError::Damaged { name, reason } => (name, WireErrorKind::Damaged(reason)),
            AudioError::NoSound { name } => (name, WireErrorKind::NoSound),
            AudioError::Stopped { name, reason } => (name, WireErrorKind::Stopped(reason)),
            AudioError::Limit { name, limit, found, allowed } => {
                let exceeded = match limit {
                    LimitKind::SampleRate => WireLimitKind::SampleRate,
                    LimitKind::Channels => WireLimitKind::Channels,
                    _ => WireLimitKind::Seconds,
                };
                (name, WireErrorKind::Limit(exceeded, found, allowed))
            }
            // `AudioError` is non-exhaustive. Of a variant that is unknown here, only the text is sent.
            other => (String::new(), WireErrorKind::Damaged(other.to_string())),
        };
        Self { name, kind }
    }
}

impl From<WireError> for AudioError {
    fn from(WireError { name, kind }: WireError) -> Self {
        match kind {
            WireErrorKind::Open(code, text) => Self::Open { name, source: system_error(code, text) },
            WireErrorKind::Read(code, text) => Self::Read { name, source: system_error(code, text) },
            WireErrorKind::Directory => Self::Directory { name },
            WireErrorKind::Empty => Self::Empty { name },
            WireErrorKind::NotAudio => Self::NotAudio { name },
            WireErrorKind::NoAudioTrack(container) => Self::NoAudioTrack { name, container },
            WireErrorKind::UnsupportedCodec(codec) => Self::UnsupportedCodec { name, codec },
            WireErrorKind::Damaged(reason) => Self::Damaged { name, reason },
            WireErrorKind::NoSound => Self::NoSound { name },
            WireErrorKind::Stopped(reason) => Self::Stopped { name, reason },
            WireErrorKind::Limit(exceeded, found, allowed) => {
                let limit = match exceeded {
                    WireLimitKind::Seconds => LimitKind::Seconds,
                    WireLimitKind::SampleRate => LimitKind::SampleRate,
                    WireLimitKind::Channels => LimitKind::Channels,
                };
                Self::Limit { name, limit, found, allowed }
            }
        }
    }
}

/// Creates an I/O error from the error code of the operating system, or from `text` if `code` is `None`.
pub(crate) fn system_error(code: Option<i32>, text: String) -> io::Error {
    code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_texts_after_transfer() {
        let name = || "a.mp3".to_owned();
        let errors = [
            || AudioError::Open { name: "a.mp3".into(), source: io::Error::from_raw_os_error(2) },
            || AudioError::Read { name: "a.mp3".into(), source: io::Error::other("gone") },
        ];
        for error in errors {
            assert_eq!(AudioError::from(WireError::from(error())).to_string(), error().to_string());
        }
        let limit =
            || AudioError::Limit { name: name(), limit: LimitKind::Channels, found: 99.0, allowed: 64.0 };
        assert_eq!(AudioError::from(WireError::from(limit())).to_string(), limit().to_string());
    }
}
