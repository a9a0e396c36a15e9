//! Encoding of [`AudioError`] in messages.

use std::io;

use refrain_core::audio::{AudioError, LimitKind};
use serde::{Deserialize, Serialize};

/// An [`AudioError`] that can be sent between processes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireError {
    name: String,
    kind: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Open(Option<i32>, String),
    Read(Option<i32>, String),
    Directory,
    Empty,
    NotAudio,
    NoAudioTrack(String),
    UnsupportedCodec(String),
    Damaged(String),
    NoSound,
    Limit(Exceeded, f64, f64),
    Stopped(String),
}

#[derive(Debug, Serialize, Deserialize)]
enum Exceeded {
    Seconds,
    SampleRate,
    Channels,
}

impl From<AudioError> for WireError {
    fn from(error: AudioError) -> Self {
        let (name, kind) = match error {
            AudioError::Open { name, source } => {
                (name, Kind::Open(source.raw_os_error(), source.to_string()))
            }
            AudioError::Read { name, source } => {
                (name, Kind::Read(source.raw_os_error(), source.to_string()))
            }
            AudioError::Directory { name } => (name, Kind::Directory),
            AudioError::Empty { name } => (name, Kind::Empty),
            AudioError::NotAudio { name } => (name, Kind::NotAudio),
            AudioError::NoAudioTrack { name, container } => (name, Kind::NoAudioTrack(container)),
            AudioError::UnsupportedCodec { name, codec } => (name, Kind::UnsupportedCodec(codec)),
            AudioError::Damaged { name, reason } => (name, Kind::Damaged(reason)),
            AudioError::NoSound { name } => (name, Kind::NoSound),
            AudioError::Stopped { name, reason } => (name, Kind::Stopped(reason)),
            AudioError::Limit { name, limit, found, allowed } => {
                let exceeded = match limit {
                    LimitKind::SampleRate => Exceeded::SampleRate,
                    LimitKind::Channels => Exceeded::Channels,
                    _ => Exceeded::Seconds,
                };
                (name, Kind::Limit(exceeded, found, allowed))
            }
            // `AudioError` is non-exhaustive: an unknown variant keeps only its text.
            other => (String::new(), Kind::Damaged(other.to_string())),
        };
        Self { name, kind }
    }
}

impl From<WireError> for AudioError {
    fn from(WireError { name, kind }: WireError) -> Self {
        match kind {
            Kind::Open(code, text) => Self::Open { name, source: system_error(code, text) },
            Kind::Read(code, text) => Self::Read { name, source: system_error(code, text) },
            Kind::Directory => Self::Directory { name },
            Kind::Empty => Self::Empty { name },
            Kind::NotAudio => Self::NotAudio { name },
            Kind::NoAudioTrack(container) => Self::NoAudioTrack { name, container },
            Kind::UnsupportedCodec(codec) => Self::UnsupportedCodec { name, codec },
            Kind::Damaged(reason) => Self::Damaged { name, reason },
            Kind::NoSound => Self::NoSound { name },
            Kind::Stopped(reason) => Self::Stopped { name, reason },
            Kind::Limit(exceeded, found, allowed) => {
                let limit = match exceeded {
                    Exceeded::Seconds => LimitKind::Seconds,
                    Exceeded::SampleRate => LimitKind::SampleRate,
                    Exceeded::Channels => LimitKind::Channels,
                };
                Self::Limit { name, limit, found, allowed }
            }
        }
    }
}

/// Creates an I/O error from the error code of the system, or from `text` if `code` is `None`.
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
