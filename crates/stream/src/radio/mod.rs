//! HTTP radio (Icecast, SHOUTcast), and audio files at a URL, which are played once.
//!
//! MP3 and AAC are delivered as received, which is cheap enough for thousands of stations. Files and other containers
//! (Ogg, native FLAC) are decoded on a separate thread. When a connection fails, the source reconnects after increasing
//! pauses, which start again only after seconds of decoded audio. A playlist (PLS, M3U, ASX, XSPF) is loaded again for
//! each connection, and its URLs are tried in order. If one of them is an HLS playlist, the source ends with its URL.

mod audio_path;
mod charset;
mod connect;
mod connection;
mod container;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod icy;
mod list;
mod pace;
mod progress;
mod pulled;
mod settings;

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::delivery::{Delivery, LiveAudio, LiveChunk};
use audio_path::AudioPath;
use connect::{Opened, connect};
use connection::Connection;
use pace::ReadLimiter;
use progress::StationProgress;
use refrain_net::{Backoff, ShownUrl, StreamingClient};

pub use error::RadioError;
pub use progress::RadioFeedback;
pub use settings::{RadioSettings, RadioStatus, Station};

/// Number of consecutive undecodable connections after which the source ends, because each one costs processor time. At
/// half this value, a station ends during a short fault of its encoder; at twice this value, hostile audio costs twice
/// the processor time.
const MAX_UNDECODABLE: u32 = 5;

#[derive(Debug)]
enum StationState {
    /// No connection. The next attempt starts at this time.
    Waiting(Instant),
    Connected(Box<Connection>),
    Ended,
}

/// A source that receives a station. It makes progress only while [`RadioSource::next`] is polled.
#[derive(Debug)]
pub struct RadioSource {
    client: StreamingClient,
    url: Url,
    settings: RadioSettings,
    status: RadioStatus,
    /// The status after each new connection and each failure, also while [`RadioSource::next`] waits.
    published: watch::Sender<RadioStatus>,
    state: StationState,
    audio_path: AudioPath,
    /// Reason why the connection ended, while its remaining bytes are still being decoded; otherwise `None`.
    broken: Option<RadioError>,
    /// Deliveries that [`RadioSource::next`] has not returned yet.
    ready: VecDeque<Delivery>,
    /// Pauses between attempts, and the number of failed attempts since a connection last worked.
    backoff: Backoff,
    progress: StationProgress,
    pace: ReadLimiter,
    /// Consecutive connections whose audio could not be decoded.
    undecodable: u32,
    /// URL of the HLS playlist to which the station leads; `None` until such a playlist is found.
    hls_entry: Option<Url>,
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
            published: watch::Sender::new(RadioStatus::default()),
            state: StationState::Waiting(now),
            audio_path: AudioPath::default(),
            broken: None,
            ready: VecDeque::new(),
            progress: StationProgress::new(now),
            pace: ReadLimiter::new(now),
            undecodable: 0,
            hls_entry: None,
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
            Ok(Opened::Hls(url)) => {
                let error = RadioError::Hls { host: url.host_str().unwrap_or_default().to_owned() };
                self.hls_entry = Some(url);
                self.fail(error, true);
            }
            Ok(Opened::Station(connection, station)) => {
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
        let AudioPath::Pulled(pulled) = &mut self.audio_path else {
            sleep_until(ready).await;
            return match connection.chunk().await {
                Ok(bytes) => self.take(bytes),
                Err(error) => self.fail(error, false),
            };
        };
        let open = pulled.decoder.has_capacity();
        tokio::select! {
            biased;
            sound = pulled.decoder.next() => match sound {
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
                    pulled.decoder.close();
                    self.broken = Some(error);
                }
            },
        }
    }

    /// Returns a receiver of the status, which is notified of each new connection and each failure, also while
    /// [`RadioSource::next`] waits.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<RadioStatus> {
        self.published.subscribe()
    }

    /// Returns the current state and counters.
    #[must_use]
    pub fn status(&self) -> &RadioStatus {
        &self.status
    }

    /// Returns the handle to report the audio that was decoded. Without it, the source has to assume that all bytes are
    /// audio: it then connects again and again to a server that sends bytes of another kind.
    pub fn feedback(&mut self) -> RadioFeedback {
        self.progress.feedback()
    }

    /// Returns the URL of the HLS playlist to which the playlist of the station leads, after the source has ended for
    /// this reason. The address policy of the source permits it. Otherwise returns `None`.
    #[must_use]
    pub fn hls_entry(&self) -> Option<&Url> {
        self.hls_entry.as_ref()
    }

    /// Handles a failed attempt or a broken connection. Schedules another attempt unless `is_last` is true, the error is
    /// permanent or that attempt would begin more than `give_up_after` after the last audio.
    fn fail(&mut self, error: RadioError, is_last: bool) {
        self.status.failures += 1;
        let now = Instant::now();
        if self.progress.end(now) {
            self.backoff.reset();
        }
        let is_new = self.backoff.tries() == 0 || self.status.last_error.as_ref() != Some(&error);
        if std::mem::take(&mut self.status.live) && self.status.file_bytes.is_none() {
            // An empty chunk records the time until which the connection was open without delivering more audio.
            self.ready.push_back(received(LiveAudio::Bytes(Bytes::new())));
        }
        self.audio_path = AudioPath::default();
        let pause = self.backoff.next();
        let over = self.progress.silence(now) + pause > self.settings.give_up_after;
        // A server that is being maintained responds with a page for a while. Only at the start, a page shows that the
        // address is wrong.
        let is_page = matches!(error, RadioError::Document { .. }) && self.progress.has_played();
        let retry = !(is_last || over) && (error.is_transient() || is_page);
        // That the station leads to HLS is no failure if the caller follows the HLS playlist.
        if is_new && self.hls_entry.is_none() {
            // The monitor warns: it knows the stream and the other failures of its source.
            tracing::debug!(
                url = %ShownUrl::from(&self.url),
                %error,
                retry,
                pause_seconds = pause.as_secs_f64(),
                "connection to the station failed; connecting after the pause if retry is true, else ending the stream"
            );
        }
        self.state = if retry { StationState::Waiting(now + pause) } else { StationState::Ended };
        self.status.last_error = Some(error);
        self.published.send_replace(self.status.clone());
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
