//! MPEG transport streams (ISO/IEC 13818-1).

use super::demux::{Chosen, Event};
use super::error::AudioError;
use super::source::{Failure, Source};

/// Whether bytes at the start of a file are those of a transport stream.
pub(super) fn looks_like_ts(_head: &[u8]) -> bool {
    false
}

/// Reads a transport stream.
pub(super) struct TsReader {
    failure: Failure,
}

impl TsReader {
    pub(super) fn open(source: Source, _name: &str) -> Result<Self, AudioError> {
        Ok(Self { failure: source.failure() })
    }
    pub(super) fn failure(&self) -> &Failure {
        &self.failure
    }
    pub(super) fn next(&mut self) -> Event {
        Event::End
    }
    pub(super) fn choose(&mut self, name: &str) -> Result<Chosen, AudioError> {
        Err(AudioError::NotAudio { name: name.to_owned() })
    }
}
