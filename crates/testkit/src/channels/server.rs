//! The server.

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

use super::answer::{Answer, Trouble};
use super::state::{Channel, State, Stream};
use crate::origin::Times;

/// Most bytes of a request's body.
const LARGEST: usize = 64 * 1024;

/// The API of IVS on 127.0.0.1. It stops when it is dropped.
#[derive(Debug)]
pub struct Ivs {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

/// No answer at all.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

impl Ivs {
    /// Starts on a free port, on the current tokio runtime.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// What to set as the endpoint of IVS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// There is a channel, which sends nothing. One of this ARN that was there is replaced.
    pub fn add_channel(&self, arn: &str, playback_url: &str) {
        self.insert(arn, playback_url, false);
    }

    /// As [`Self::add_channel`], and its playlist wants a token.
    pub fn add_private_channel(&self, arn: &str, playback_url: &str) {
        self.insert(arn, playback_url, true);
    }

    fn insert(&self, arn: &str, playback_url: &str, private: bool) {
        let channel = Channel { playback_url: playback_url.to_owned(), private, stream: None };
        self.state().channels.insert(arn.to_owned(), channel);
    }

    /// There is no such channel any more.
    pub fn remove_channel(&self, arn: &str) {
        self.state().channels.remove(arn);
    }

    /// The channel sends a stream from now on; if it did before, this is another one. Nothing without such a channel.
    pub fn start_stream(&self, arn: &str, stream_id: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        self.start_stream_at(arn, stream_id, now);
    }

    /// As [`Self::start_stream`], since a time in milliseconds since 1970.
    pub fn start_stream_at(&self, arn: &str, stream_id: &str, started_at: u64) {
        if let Some(channel) = self.state().channels.get_mut(arn) {
            channel.stream = Some(Stream { id: stream_id.to_owned(), started_at, live: true });
        }
    }

    /// The channel sends nothing any more.
    pub fn end_stream(&self, arn: &str) {
        if let Some(channel) = self.state().channels.get_mut(arn) {
            channel.stream = None;
        }
    }

    /// The channel's stream is still told, as one that is offline.
    pub fn let_linger(&self, arn: &str) {
        if let Some(stream) = self.state().channels.get_mut(arn).and_then(|channel| channel.stream.as_mut()) {
            stream.live = false;
        }
    }

    /// Misbehaves at a call (`GetStream`, `ListStreams`, `GetChannel`, or `*` for all).
    pub fn trouble(&self, call: &str, trouble: Trouble, times: Times) {
        self.state().troubles.push((call.to_owned(), trouble, times));
    }

    /// Forgets all troubles.
    pub fn heal(&self) {
        self.state().troubles.clear();
    }

    /// Pages of ListStreams have at most so many streams.
    pub fn page(&self, streams: usize) {
        self.state().page = Some(streams);
    }

    /// How often a call came, those included that got into trouble.
    #[must_use]
    pub fn calls(&self, call: &str) -> usize {
        self.state().calls.get(call).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Ivs {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let state = state.clone();
            connections.spawn(async move {
                let service = service_fn(|request| answer(request, state.clone()));
                let server = hyper::server::conn::http1::Builder::new();
                // An end in disorder is what a trouble wants.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let call = request.uri().path().trim_start_matches('/').to_owned();
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut state = lock(&state);
    *state.calls.entry(call.clone()).or_default() += 1;
    let answer = match state.trouble(&call) {
        Some(trouble) => Answer::trouble(trouble, &call).ok_or(Closed)?,
        None => match serde_json::from_slice(&body) {
            Ok(asked) => state.answer(&call, &asked),
            Err(error) => Answer::error(400, "ValidationException", &error.to_string()),
        },
    };
    Ok(answer.response())
}
