//! The audio of a connection: recognized by its first bytes, and again if its container changes.

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::container::{self, MAGIC_BYTES, OggPages, OggSearch};
use super::error::RadioError;
use super::icy::BodyPart;
use super::pulled::{PullDecoder, PullInput};
use super::{MAX_UNDECODABLE, RadioSource, StationState, received};
use crate::delivery::{Delivery, LiveAudio};

/// Processing of the audio of a connection.
#[derive(Debug)]
pub(super) enum AudioPath {
    /// The format is not recognized yet. Holds the first bytes of the audio.
    Unknown(BytesMut),
    /// Bytes are delivered as received.
    Pushed(OggSearch),
    /// The audio is decoded on a thread.
    Pulled(Box<PulledAudio>),
}

/// Audio that is decoded on a thread.
#[derive(Debug)]
pub(super) struct PulledAudio {
    pub(super) decoder: PullDecoder,
    /// Search for the end of Ogg; `None` for other containers and for files.
    pages: Option<OggPages>,
    /// First bytes of the format after the container, which are processed when the container is decoded. `None` while
    /// the container continues.
    next: Option<BytesMut>,
}

impl Default for AudioPath {
    fn default() -> Self {
        Self::Unknown(BytesMut::new())
    }
}

impl PulledAudio {
    fn push(&mut self, audio: Bytes) {
        if let Some(next) = &mut self.next {
            next.extend_from_slice(&audio);
        } else if let Some(next) = self.pages.as_mut().and_then(|pages| pages.push(&audio)) {
            self.next = Some(next);
            self.decoder.close();
        } else {
            self.decoder.push(audio);
        }
    }
}

impl RadioSource {
    /// Processes bytes of the connection.
    pub(super) fn take(&mut self, bytes: Bytes) {
        let StationState::Connected(connection) = &mut self.state else { return };
        self.status.bytes += bytes.len() as u64;
        let now = Instant::now();
        if self.status.file_bytes.is_none() {
            self.pace.count(bytes.len(), now);
        }
        if self.progress.receive(now) {
            self.backoff.reset();
        }
        let mut parts = Vec::new();
        connection.splitter.push(bytes, &mut |part| parts.push(part));
        for part in parts {
            match part {
                BodyPart::Title(title) => self.ready.push_back(Delivery::Title(title)),
                BodyPart::Audio(audio) => self.take_audio(audio),
            }
        }
    }

    fn take_audio(&mut self, audio: Bytes) {
        match &mut self.audio_path {
            AudioPath::Pushed(search) => match search.split(&audio) {
                None => self.ready.push_back(received(LiveAudio::Bytes(audio))),
                Some((frames, ogg)) => {
                    self.ready.push_back(received(LiveAudio::Bytes(frames)));
                    self.note_change("Ogg");
                    self.choose(ogg);
                }
            },
            AudioPath::Pulled(pulled) => pulled.push(audio),
            AudioPath::Unknown(first) => {
                first.extend_from_slice(&audio);
                if first.len() < MAGIC_BYTES {
                    return;
                }
                let first = std::mem::take(first).freeze();
                self.begin(first);
            }
        }
    }

    /// Begins a connection with the first bytes of its audio.
    fn begin(&mut self, first: Bytes) {
        if self.status.connections > 0 {
            self.ready.push_back(Delivery::Reconnected);
        }
        self.status.connections += 1;
        self.status.live = true;
        self.published.send_replace(self.status.clone());
        self.progress.begin(Instant::now());
        self.choose(first);
    }

    /// Chooses how to process audio that begins with `first`.
    fn choose(&mut self, first: Bytes) {
        let is_file = self.status.file_bytes.is_some();
        if !is_file && !container::is_container(&first) {
            self.audio_path = AudioPath::Pushed(OggSearch::default());
            return self.ready.push_back(received(LiveAudio::Bytes(first)));
        }
        match PullDecoder::start(if is_file { PullInput::File } else { PullInput::Station }) {
            Ok(decoder) => {
                let pages = (!is_file && container::is_ogg(&first)).then(OggPages::default);
                let mut pulled = Box::new(PulledAudio { decoder, pages, next: None });
                pulled.push(first);
                self.audio_path = AudioPath::Pulled(pulled);
            }
            Err(reason) => {
                let host = self.url.host_str().unwrap_or_default().to_owned();
                self.fail(RadioError::Undecodable { host, reason }, false);
            }
        }
    }

    fn note_change(&self, to: &str) {
        tracing::debug!(host = self.url.host_str(), to, "format of the station changed within a connection");
    }

    /// Handles the end of the decoder thread. `reason` is the decode error, or `None` if all input was decoded.
    pub(super) fn decoder_ended(&mut self, reason: Option<String>) {
        // The container ended because another format follows on the same connection.
        if let AudioPath::Pulled(pulled) = &mut self.audio_path
            && let Some(next) = pulled.next.take()
        {
            self.note_change("frames without a container");
            return self.choose(next.freeze());
        }
        let host = self.url.host_str().unwrap_or_default().to_owned();
        let is_file = self.status.file_bytes.is_some();
        let error = match (self.broken.take(), reason) {
            // The body was complete, and all of it was decoded.
            (Some(RadioError::Closed { .. }), None) if is_file => {
                self.status.live = false;
                self.state = StationState::Ended;
                return;
            }
            (Some(error), None) => error,
            (None, None) => RadioError::Undecodable {
                host,
                reason: "the audio ended although the connection is open".to_owned(),
            },
            (_, Some(reason)) if is_file => RadioError::Undecodable { host, reason },
            (broken, Some(reason)) => broken.unwrap_or(RadioError::Undecodable { host, reason }),
        };
        self.undecodable += u32::from(matches!(error, RadioError::Undecodable { .. }));
        // A retry would deliver the start of a file twice.
        self.fail(error, is_file || self.undecodable >= MAX_UNDECODABLE);
    }
}
