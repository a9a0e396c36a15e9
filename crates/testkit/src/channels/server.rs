//! Server of the simulated IVS API.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::reply::{ApiReply, IvsFault};
use super::state::{IvsChannel, IvsState, IvsStream};
use crate::origin::Times;

/// Maximum size of a request body in bytes. Requests have less than 1 KiB; the limit only bounds the memory.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A simulated IVS API on 127.0.0.1. The server stops when this value is dropped.
#[derive(Debug)]
pub struct Ivs {
    address: std::net::SocketAddr,
    state: Arc<Mutex<IvsState>>,
    accepting: JoinHandle<()>,
}

/// Error that makes hyper close the connection without a response.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

impl Ivs {
    /// Starts a server on a free port of 127.0.0.1, on the current tokio runtime.
    ///
    /// # Errors
    /// Returns an error if no port is available.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(IvsState::default()));
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Returns the URL to configure as the endpoint of IVS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a channel without a stream. Replaces an existing channel with this ARN.
    pub fn add_channel(&self, arn: &str, playback_url: &str) {
        self.insert(arn, playback_url, false);
    }

    /// Like [`Self::add_channel`], but the channel is private: its playlist requires a token.
    pub fn add_private_channel(&self, arn: &str, playback_url: &str) {
        self.insert(arn, playback_url, true);
    }

    fn insert(&self, arn: &str, playback_url: &str, private: bool) {
        let channel = IvsChannel { playback_url: playback_url.to_owned(), private, stream: None };
        self.state().channels.insert(arn.to_owned(), channel);
    }

    /// Removes the channel with this ARN and its stream. Does nothing if the channel does not exist.
    pub fn remove_channel(&self, arn: &str) {
        self.state().channels.remove(arn);
    }

    /// Starts a stream of a channel now. The new stream replaces an existing one. Does nothing if the channel does not
    /// exist.
    pub fn start_stream(&self, arn: &str, stream_id: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        self.start_stream_at(arn, stream_id, now);
    }

    /// Like [`Self::start_stream`], but `started_at` is the start time in milliseconds since 1970.
    pub fn start_stream_at(&self, arn: &str, stream_id: &str, started_at: u64) {
        if let Some(channel) = self.state().channels.get_mut(arn) {
            channel.stream = Some(IvsStream { id: stream_id.to_owned(), started_at, live: true });
        }
    }

    /// Ends the stream of a channel. The API then reports that the channel is not broadcasting.
    pub fn end_stream(&self, arn: &str) {
        if let Some(channel) = self.state().channels.get_mut(arn) {
            channel.stream = None;
        }
    }

    /// Sets the state of the channel's stream to offline. The API continues to return the stream.
    pub fn set_offline(&self, arn: &str) {
        if let Some(stream) = self.state().channels.get_mut(arn).and_then(|channel| channel.stream.as_mut()) {
            stream.live = false;
        }
    }

    /// Makes the call `call` fail (`GetStream`, `ListStreams`, `GetChannel`, or `*` for all) for the given number of
    /// requests.
    pub fn fault(&self, call: &str, fault: IvsFault, times: Times) {
        self.state().faults.push((call.to_owned(), fault, times));
    }

    /// Ends all simulated failures.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Limits each page of ListStreams to `streams` streams.
    pub fn page(&self, streams: usize) {
        self.state().page = Some(streams);
    }

    /// Returns the number of requests of a call, including those with a simulated failure.
    #[must_use]
    pub fn calls(&self, call: &str) -> usize {
        self.state().calls.get(call).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, IvsState> {
        lock(&self.state)
    }
}

impl Drop for Ivs {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<IvsState>) -> MutexGuard<'_, IvsState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<IvsState>>) {
    // The set ends with this task, so dropping the server also closes its connections.
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let state = state.clone();
            connections.spawn(async move {
                let service = service_fn(|request| reply(request, state.clone()));
                let server = hyper::server::conn::http1::Builder::new();
                // Connection errors are expected: a simulated failure closes connections.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
        // Finished connections are removed, or the set would grow during long tests.
        while connections.try_join_next().is_some() {}
    }
}

async fn reply(
    request: Request<Incoming>,
    state: Arc<Mutex<IvsState>>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let call = request.uri().path().trim_start_matches('/').to_owned();
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut state = lock(&state);
    // Counted before a simulated failure, so that tests see retries.
    *state.calls.entry(call.clone()).or_default() += 1;
    let reply = match state.fault(&call) {
        Some(fault) => ApiReply::fault(fault, &call).ok_or(Closed)?,
        None => match serde_json::from_slice(&body) {
            Ok(request_body) => state.reply(&call, &request_body),
            Err(error) => ApiReply::error(400, "ValidationException", &error.to_string()),
        },
    };
    Ok(reply.response())
}
