//! HTTP radio (Icecast, SHOUTcast): audio without end.
//!
//! MP3 and AAC go to the ear as they come, which is cheap enough for thousands of stations. Ogg, native FLAC and other
//! containers have to be pulled, and are decoded on a thread of their own. Metadata between the audio is taken out and
//! told as [`Delivery::Title`]. A connection that breaks is made again, with growing pauses. A playlist (PLS, M3U) is
//! looked at for each connection, and its addresses tried in order.

mod connect;
mod error;
mod icy;
mod list;
mod pulled;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::backoff::Backoff;
use crate::delivery::Delivery;
use crate::http::Reach;
use connect::{Connection, connect};
use icy::Part;
use pulled::Pulled;

pub use connect::Station;
pub use error::RadioError;

/// Bytes that show whether a stream is a container that has to be pulled.
const MAGIC: usize = 4;

/// How a container begins that frames cannot be cut out of.
const CONTAINERS: [&[u8; MAGIC]; 4] = [b"OggS", b"fLaC", b"\x1A\x45\xDF\xA3", b"RIFF"];

/// How a station is followed.
#[derive(Debug, Clone)]
pub struct RadioSettings {
    /// Longest wait for an answer.
    pub patience: Duration,
    /// Longest time without a byte before a connection is given up.
    pub silence: Duration,
    /// First and longest pause before a new connection. Pauses double and are spread by chance.
    pub retry: (Duration, Duration),
    /// Without a byte for so long, over all tries, the stream is over.
    pub give_up_after: Duration,
    /// How far the addresses in a station's playlist may reach. What the client admits counts too: it resolves names.
    pub reach: Reach,
}

impl Default for RadioSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            patience: seconds(10),
            silence: seconds(10),
            retry: (Duration::from_millis(500), seconds(30)),
            give_up_after: seconds(300),
            reach: Reach::Public,
        }
    }
}

/// Counters of a station.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RadioStatus {
    /// Whether audio comes now.
    pub live: bool,
    /// Connections that gave audio.
    pub connections: u64,
    /// Tries that failed, and connections that broke.
    pub failures: u64,
    /// Bytes that came, metadata included.
    pub bytes: u64,
    /// What the station says about itself.
    pub station: Station,
    /// The last thing that went wrong.
    pub last_error: Option<RadioError>,
}

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
                self.state = State::Connected(connection);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Waits for bytes, or for sound of what was decoded.
    async fn listen(&mut self) {
        let State::Connected(connection) = &mut self.state else { return };
        let Way::Pulled(pulled) = &mut self.way else {
            return match connection.chunk().await {
                Ok(bytes) => self.take(bytes),
                Err(error) => self.fail(error),
            };
        };
        let open = pulled.has_room();
        tokio::select! {
            biased;
            sound = pulled.next() => match sound {
                Ok(sound) => self.ready.extend(sound),
                Err(reason) => {
                    let host = self.url.host_str().unwrap_or_default().to_owned();
                    let error = self.broken.take().unwrap_or(RadioError::Undecodable { host, reason });
                    self.fail(error);
                }
            },
            bytes = connection.chunk(), if open => match bytes {
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
            Way::Pushed => self.ready.push_back(Delivery::Bytes(audio)),
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
        if !CONTAINERS.iter().any(|magic| first.starts_with(*magic)) {
            self.way = Way::Pushed;
            return self.ready.push_back(Delivery::Bytes(first));
        }
        match Pulled::start() {
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

    /// A try failed or a connection broke: there will be another, unless nothing came for too long.
    fn fail(&mut self, error: RadioError) {
        self.status.failures += 1;
        self.status.live = false;
        self.way = Way::Unknown(BytesMut::new());
        let pause = self.backoff.next();
        let over = self.last_byte.elapsed() + pause > self.settings.give_up_after;
        self.state =
            if over || !error.is_transient() { State::Ended } else { State::Waiting(Instant::now() + pause) };
        self.status.last_error = Some(error);
    }
}
