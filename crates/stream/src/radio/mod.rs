//! HTTP radio (Icecast, SHOUTcast), and audio files at a URL, which are played once.
//!
//! MP3 and AAC are delivered as received, which is cheap enough for thousands of stations. Files and other containers
//! (Ogg, native FLAC) are decoded on a separate thread. When a connection fails, the source reconnects after increasing
//! pauses. A playlist (PLS, M3U) is loaded again for each connection, and its URLs are tried in order.

mod connect;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod icy;
mod list;
mod pace;
mod pulled;
mod settings;

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::delivery::{Delivery, LiveAudio, LiveChunk};
use connect::{Connection, connect};
use icy::BodyPart;
use pace::ReadLimiter;
use pulled::{PullDecoder, PullInput};
use refrain_net::{Backoff, ShownUrl, StreamingClient};

pub use connect::Station;
pub use error::RadioError;
pub use settings::{RadioSettings, RadioStatus};

/// Number of initial bytes that identify the containers in [`CONTAINERS`].
const MAGIC_BYTES: usize = 4;

/// Number of consecutive undecodable connections after which the source ends, because each one costs processor time. At
/// half this value, a station ends during a short fault of its encoder; at twice this value, hostile audio costs twice
/// the processor time.
const MAX_UNDECODABLE: u32 = 5;

/// First bytes of containers that cannot be split into frames: Ogg, FLAC, Matroska/WebM, RIFF.
const CONTAINERS: [&[u8; MAGIC_BYTES]; 4] = [b"OggS", b"fLaC", b"\x1A\x45\xDF\xA3", b"RIFF"];

#[derive(Debug)]
enum StationState {
    /// No connection. The next attempt starts at this time.
    Waiting(Instant),
    Connected(Box<Connection>),
    Ended,
}

/// Processing of the audio of a connection: `Pushed` delivers bytes as received, and `PullDecoder` decodes them on a
/// thread.
#[derive(Debug)]
enum AudioPath {
    /// The format is not recognized yet. Holds the first bytes of the audio.
    Unknown(BytesMut),
    Pushed,
    PullDecoder(PullDecoder),
}

/// A source that receives a station. It makes progress only while [`RadioSource::next`] is polled.
#[derive(Debug)]
pub struct RadioSource {
    client: StreamingClient,
    url: Url,
    settings: RadioSettings,
    status: RadioStatus,
    state: StationState,
    audio_path: AudioPath,
    /// Reason why the connection ended, while its remaining bytes are still being decoded; otherwise `None`.
    broken: Option<RadioError>,
    /// Deliveries that [`RadioSource::next`] has not returned yet.
    ready: VecDeque<Delivery>,
    /// Pauses between attempts, and the number of failed attempts since audio last arrived.
    backoff: Backoff,
    last_byte: Instant,
    pace: ReadLimiter,
    /// Consecutive connections whose audio could not be decoded.
    undecodable: u32,
}

impl RadioSource {
    /// Opens the station or file at `url`. [`RadioSource::next`] makes the first connection.
    ///
    /// # Errors
    /// [`RadioError::NoUrl`] if `url` is not a valid `http` or `https` URL.
    pub fn open(url: &str, client: StreamingClient, settings: RadioSettings) -> Result<Self, RadioError> {
        let url = Url::parse(url).map_err(|_| RadioError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RadioError::NoUrl);
        }
        let now = Instant::now();
        Ok(Self {
            client,
            url,
            backoff: Backoff::new(settings.retry),
            settings,
            status: RadioStatus::default(),
            state: StationState::Waiting(now),
            audio_path: AudioPath::Unknown(BytesMut::new()),
            broken: None,
            ready: VecDeque::new(),
            last_byte: now,
            pace: ReadLimiter::new(now),
            undecodable: 0,
        })
    }

    /// Waits for the next delivery. Returns `None` at the end; [`RadioStatus::last_error`] contains the error. Cancel
    /// safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Some(delivery);
            }
            match self.state {
                StationState::Ended => return None,
                StationState::Waiting(until) => self.connect(until).await,
                StationState::Connected(_) => self.receive().await,
            }
        }
    }

    async fn connect(&mut self, when: Instant) {
        sleep_until(when).await;
        match connect(&self.client, &self.url, &self.settings).await {
            Ok((connection, station)) => {
                self.status.station = station;
                self.status.file_bytes = connection.file_bytes;
                self.state = StationState::Connected(connection);
            }
            Err(error) => self.fail(error, false),
        }
    }

    /// Waits for bytes from the network, or for audio from the decoder thread.
    async fn receive(&mut self) {
        let StationState::Connected(connection) = &mut self.state else { return };
        let ready = self.pace.ready();
        let AudioPath::PullDecoder(pulled) = &mut self.audio_path else {
            sleep_until(ready).await;
            return match connection.chunk().await {
                Ok(bytes) => self.take(bytes),
                Err(error) => self.fail(error, false),
            };
        };
        let open = pulled.has_capacity();
        tokio::select! {
            biased;
            sound = pulled.next() => match sound {
                Ok(sound) => {
                    self.undecodable = 0;
                    let is_file = self.status.file_bytes.is_some();
                    self.ready.extend(sound.map(|sound| if is_file { sound } else { live(sound) }));
                }
                Err(reason) => self.decoder_ended(reason),
            },
            bytes = paced(connection, ready), if open => match bytes {
                Ok(bytes) => self.take(bytes),
                // The received bytes are decoded to their end before the error is handled.
                Err(error) => {
                    pulled.close();
                    self.broken = Some(error);
                }
            },
        }
    }

    /// Returns the current state and counters.
    #[must_use]
    pub fn status(&self) -> &RadioStatus {
        &self.status
    }

    fn take(&mut self, bytes: Bytes) {
        let StationState::Connected(connection) = &mut self.state else { return };
        self.status.bytes += bytes.len() as u64;
        self.last_byte = Instant::now();
        if self.status.file_bytes.is_none() {
            self.pace.count(bytes.len(), self.last_byte);
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
            AudioPath::Pushed => self.ready.push_back(received(LiveAudio::Bytes(audio))),
            AudioPath::PullDecoder(pulled) => pulled.push(audio),
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

    /// Chooses how to process the audio of a connection, from its first bytes.
    fn begin(&mut self, first: Bytes) {
        if self.status.connections > 0 {
            self.ready.push_back(Delivery::Reconnected);
        }
        self.status.connections += 1;
        self.status.live = true;
        self.backoff.reset();
        let is_file = self.status.file_bytes.is_some();
        if !is_file && !CONTAINERS.iter().any(|magic| first.starts_with(*magic)) {
            self.audio_path = AudioPath::Pushed;
            return self.ready.push_back(received(LiveAudio::Bytes(first)));
        }
        match PullDecoder::start(if is_file { PullInput::File } else { PullInput::Station }) {
            Ok(mut pulled) => {
                pulled.push(first);
                self.audio_path = AudioPath::PullDecoder(pulled);
            }
            Err(reason) => {
                let host = self.url.host_str().unwrap_or_default().to_owned();
                self.fail(RadioError::Undecodable { host, reason }, false);
            }
        }
    }

    /// Handles the end of the decoder thread. `reason` is the decode error, or `None` if all input was decoded.
    fn decoder_ended(&mut self, reason: Option<String>) {
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

    /// Handles a failed attempt or a broken connection. Schedules another attempt unless `is_last` is true, the error is
    /// permanent or that attempt would begin more than `give_up_after` after the last byte.
    fn fail(&mut self, error: RadioError, is_last: bool) {
        self.status.failures += 1;
        let is_new = self.backoff.tries() == 0 || self.status.last_error.as_ref() != Some(&error);
        if std::mem::take(&mut self.status.live) && self.status.file_bytes.is_none() {
            // An empty chunk records the time until which the connection was open without delivering more audio.
            self.ready.push_back(received(LiveAudio::Bytes(Bytes::new())));
        }
        self.audio_path = AudioPath::Unknown(BytesMut::new());
        let pause = self.backoff.next();
        let over = self.last_byte.elapsed() + pause > self.settings.give_up_after;
        let retry = !(is_last || over) && error.is_transient();
        if is_new {
            tracing::warn!(
                url = %ShownUrl::from(&self.url),
                %error,
                retry,
                pause_seconds = pause.as_secs_f64(),
                "connection to the station failed; connecting after the pause if retry is true, else ending the stream"
            );
        }
        self.state = if retry { StationState::Waiting(Instant::now() + pause) } else { StationState::Ended };
        self.status.last_error = Some(error);
    }
}

/// Waits until `ready`, then returns the next bytes. This function is cancel safe.
async fn paced(connection: &mut Connection, ready: Instant) -> Result<Bytes, RadioError> {
    sleep_until(ready).await;
    connection.chunk().await
}

fn received(audio: LiveAudio) -> Delivery {
    let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Delivery::Live(LiveChunk { arrived, audio })
}

/// Converts decoded samples of a station to live audio with the current time as its arrival time. Returns other
/// deliveries unchanged.
fn live(delivery: Delivery) -> Delivery {
    match delivery {
        Delivery::Decoded(samples) => received(LiveAudio::Samples(samples)),
        other => other,
    }
}
