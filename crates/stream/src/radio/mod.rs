//! HTTP radio (Icecast, SHOUTcast): audio without end; and files behind a URL, which are played once.
//!
//! MP3 and AAC go to the ear as they come, which is cheap enough for thousands of stations. Ogg, native FLAC and other
//! containers have to be pulled, and are decoded on a thread of their own; so are files. Metadata between the audio is taken out and
//! told as [`Delivery::Title`]. A connection that breaks is made again, with growing pauses. A playlist (PLS, M3U) is
//! looked at for each connection, and its addresses tried in order.

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

use crate::backoff::Backoff;
use crate::delivery::{Delivery, LiveAudio, LiveChunk};
use crate::http::ShownUrl;
use connect::{Connection, connect};
use icy::Part;
use pace::Pace;
use pulled::{Content, Pulled};

pub use connect::Station;
pub use error::RadioError;
pub use settings::{RadioSettings, RadioStatus};

/// Bytes that show whether a stream is a container that has to be pulled.
const MAGIC: usize = 4;

/// Connections in a row whose audio cannot be decoded, after which a station is given up. Each may take a decoder to its
/// limits.
const MAX_UNDECODABLE: u32 = 5;

/// How a container begins that frames cannot be cut out of.
const CONTAINERS: [&[u8; MAGIC]; 4] = [b"OggS", b"fLaC", b"\x1A\x45\xDF\xA3", b"RIFF"];

/// Where it stands with the server.
#[derive(Debug)]
enum State {
    /// To be connected at this time.
    Waiting(Instant),
    Connected(Box<Connection>),
    Ended,
}

/// What is done with the audio of a connection.
#[derive(Debug)]
enum Way {
    /// Not known yet: the first bytes.
    Unknown(BytesMut),
    Pushed,
    Pulled(Pulled),
}

/// A station that is being listened to. It runs only while [`RadioSource::next`] is waited for.
#[derive(Debug)]
pub struct RadioSource {
    client: reqwest::Client,
    url: Url,
    settings: RadioSettings,
    status: RadioStatus,
    state: State,
    way: Way,
    /// Why the connection is over, while the last of it is being decoded.
    broken: Option<RadioError>,
    /// What is ready.
    ready: VecDeque<Delivery>,
    /// Tries since the last byte of audio.
    backoff: Backoff,
    last_byte: Instant,
    pace: Pace,
    /// Connections in a row whose audio could not be decoded.
    undecodable: u32,
}

impl RadioSource {
    /// Listens to the station at `url`. A `client` that is built with `http09_responses` also understands the oldest
    /// servers, which answer `ICY 200 OK`.
    ///
    /// # Errors
    /// [`RadioError::NoUrl`] if `url` is none.
    pub fn open(url: &str, client: reqwest::Client, settings: RadioSettings) -> Result<Self, RadioError> {
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
            state: State::Waiting(now),
            way: Way::Unknown(BytesMut::new()),
            broken: None,
            ready: VecDeque::new(),
            last_byte: now,
            pace: Pace::new(now),
            undecodable: 0,
        })
    }

    /// What comes next; nothing when the stream is over: then the status says why. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return Some(delivery);
            }
            match self.state {
                State::Ended => return None,
                State::Waiting(until) => self.connect(until).await,
                State::Connected(_) => self.listen().await,
            }
        }
    }

    async fn connect(&mut self, when: Instant) {
        sleep_until(when).await;
        match connect(&self.client, &self.url, &self.settings).await {
            Ok((connection, station)) => {
                self.status.station = station;
                self.status.file_bytes = connection.file_bytes;
                self.state = State::Connected(connection);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Waits for bytes, or for sound of what was decoded.
    async fn listen(&mut self) {
        let State::Connected(connection) = &mut self.state else { return };
        let ready = self.pace.ready();
        let Way::Pulled(pulled) = &mut self.way else {
            sleep_until(ready).await;
            return match connection.chunk().await {
                Ok(bytes) => self.take(bytes),
                Err(error) => self.fail(error),
            };
        };
        let open = pulled.has_room();
        tokio::select! {
            biased;
            sound = pulled.next() => match sound {
                Ok(sound) => {
                    self.undecodable = 0;
                    let is_file = self.status.file_bytes.is_some();
                    self.ready.extend(sound.map(|sound| if is_file { sound } else { live(sound) }));
                }
                Err(reason) => self.pulled_out(reason),
            },
            bytes = paced(connection, ready), if open => match bytes {
                Ok(bytes) => self.take(bytes),
                // What came is decoded to its end first.
                Err(error) => {
                    pulled.close();
                    self.broken = Some(error);
                }
            },
        }
    }

    /// State and counters.
    #[must_use]
    pub fn status(&self) -> &RadioStatus {
        &self.status
    }

    /// Takes bytes of the body.
    fn take(&mut self, bytes: Bytes) {
        let State::Connected(connection) = &mut self.state else { return };
        self.status.bytes += bytes.len() as u64;
        self.last_byte = Instant::now();
        if self.status.file_bytes.is_none() {
            self.pace.count(bytes.len(), self.last_byte);
        }
        let mut parts = Vec::new();
        connection.splitter.push(bytes, &mut |part| parts.push(part));
        for part in parts {
            match part {
                Part::Title(title) => self.ready.push_back(Delivery::Title(title)),
                Part::Audio(audio) => self.take_audio(audio),
            }
        }
    }

    fn take_audio(&mut self, audio: Bytes) {
        match &mut self.way {
            Way::Pushed => self.ready.push_back(received(LiveAudio::Bytes(audio))),
            Way::Pulled(pulled) => pulled.push(audio),
            Way::Unknown(first) => {
                first.extend_from_slice(&audio);
                if first.len() < MAGIC {
                    return;
                }
                let first = std::mem::take(first).freeze();
                self.begin(first);
            }
        }
    }

    /// The first audio of a connection is here.
    fn begin(&mut self, first: Bytes) {
        if self.status.connections > 0 {
            self.ready.push_back(Delivery::Reconnected);
        }
        self.status.connections += 1;
        self.status.live = true;
        self.backoff.reset();
        let is_file = self.status.file_bytes.is_some();
        if !is_file && !CONTAINERS.iter().any(|magic| first.starts_with(*magic)) {
            self.way = Way::Pushed;
            return self.ready.push_back(received(LiveAudio::Bytes(first)));
        }
        match Pulled::start(if is_file { Content::File } else { Content::Station }) {
            Ok(mut pulled) => {
                pulled.push(first);
                self.way = Way::Pulled(pulled);
            }
            Err(reason) => {
                let host = self.url.host_str().unwrap_or_default().to_owned();
                self.fail(RadioError::Undecodable { host, reason });
            }
        }
    }

    /// All that was pulled is decoded; `reason` is why it cannot go on, if it did not come to its end.
    fn pulled_out(&mut self, reason: Option<String>) {
        let host = self.url.host_str().unwrap_or_default().to_owned();
        let is_file = self.status.file_bytes.is_some();
        let error = match (self.broken.take(), reason) {
            // The body was complete, and all of it was decoded.
            (Some(RadioError::Closed { .. }), None) if is_file => {
                self.status.live = false;
                self.state = State::Ended;
                return;
            }
            (Some(error), None) => error,
            (None, None) => {
                RadioError::Undecodable { host, reason: "the audio ended within the stream".to_owned() }
            }
            (_, Some(reason)) if is_file => RadioError::Undecodable { host, reason },
            (broken, Some(reason)) => broken.unwrap_or(RadioError::Undecodable { host, reason }),
        };
        self.undecodable += u32::from(matches!(error, RadioError::Undecodable { .. }));
        self.fail(error);
        // Trying again would play the start of a file twice.
        if is_file || self.undecodable >= MAX_UNDECODABLE {
            self.state = State::Ended;
        }
    }

    /// A try failed or a connection broke: there will be another, unless nothing came for too long.
    fn fail(&mut self, error: RadioError) {
        self.status.failures += 1;
        if self.backoff.tries() == 0 || self.status.last_error.as_ref() != Some(&error) {
            tracing::warn!(url = %ShownUrl::from(&self.url), %error, "connection to the station failed");
        }
        if std::mem::take(&mut self.status.live) && self.status.file_bytes.is_none() {
            // Until now the connection was open, and gave nothing more.
            self.ready.push_back(received(LiveAudio::Bytes(Bytes::new())));
        }
        self.way = Way::Unknown(BytesMut::new());
        let pause = self.backoff.next();
        let over = self.last_byte.elapsed() + pause > self.settings.give_up_after;
        self.state =
            if over || !error.is_transient() { State::Ended } else { State::Waiting(Instant::now() + pause) };
        self.status.last_error = Some(error);
    }
}

/// The next bytes, no earlier than `ready`. Nothing is lost if it is dropped while it waits.
async fn paced(connection: &mut Connection, ready: Instant) -> Result<Bytes, RadioError> {
    sleep_until(ready).await;
    connection.chunk().await
}

/// Live audio that arrives now.
fn received(audio: LiveAudio) -> Delivery {
    let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Delivery::Live(LiveChunk { arrived, audio })
}

/// What was decoded of a station is live.
fn live(delivery: Delivery) -> Delivery {
    match delivery {
        Delivery::Decoded(samples) => received(LiveAudio::Samples(samples)),
        other => other,
    }
}
