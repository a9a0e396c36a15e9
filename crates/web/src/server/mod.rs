//! The HTTP/1.1 server. It limits the time of every part of a request, and the number of connections.
//!
//! ```text
//! accept ─► a free slot, else the slot of the connection that waits longest for a request, else 503
//!        ─► task of the connection: hyper ─► router
//! ```
//!
//! The server of axum has neither limit. If all slots are in use, the connection that waits longest for a request is
//! closed and the new one is accepted. So health checks are answered while slow clients hold all connections.

mod activity;
mod limits;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::error::{ApiError, ErrorCause};
use activity::{Activity, Verdict};
use limits::MAX_HEAD_BYTES;
pub(super) use limits::{MAX_BODY_BYTES, TimeLimits, max_connections};
use slots::{ConnectionSlot, Slots};
use stream::RecordedStream;

/// Pause after an error of accept(2), for example when the process has no free descriptor. Without a pause, the loop
/// would use a whole core until a descriptor is free. After the shortage, new connections wait at most this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Response to a connection for which no slot is free.
const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Retry-After: 1\r\nConnection: close\r\nContent-Length: 33\r\n\r\n{\"error\":\"too many connections\"}\n";

/// Maximum wait until the response for a refused connection can be written. A new connection is writable at once, so
/// the limit only ends the tasks of broken connections.
const REFUSAL_WAIT: Duration = Duration::from_millis(100);

/// Serves `router` until `stop` is cancelled, then finishes the requests that are being handled.
pub(super) async fn run(
    router: Router,
    listener: TcpListener,
    limits: TimeLimits,
    max_connections: usize,
    stop: CancellationToken,
) {
    let (slots, tasks) = (Slots::new(max_connections), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    let address =
                        listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
                    tracing::warn!(
                        address,
                        %error,
                        retry_seconds = ACCEPT_PAUSE.as_secs_f64(),
                        "cannot accept HTTP connections, retrying"
                    );
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        // A small response must not be held back until the client acknowledges the previous one.
        let _ = stream.set_nodelay(true);
        match slots.take().await {
            Some(slot) => {
                let connection =
                    Connection { router: router.clone(), limits, stop: stop.clone(), slot, peer };
                tasks.spawn(connection.serve(stream));
            }
            // The refusal has a separate task, so that a client that does not read cannot block the accept loop.
            None => drop(tasks.spawn(refuse(stream))),
        }
    }
    // New clients are refused at once, and can try another process.
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Returns true for errors of accept(2) that concern only one connection. The next connection can be accepted without a
/// pause.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}

/// Answers with 503 and closes the connection. A client that does not read loses the response.
async fn refuse(stream: TcpStream) {
    if let Ok(Ok(())) = timeout(REFUSAL_WAIT, stream.writable()).await {
        let _ = stream.try_write(OVERLOADED);
    }
}

/// A connection: its slot and peer address, and the router, limits and stop token that it shares with all connections.
struct Connection {
    router: Router,
    limits: TimeLimits,
    stop: CancellationToken,
    slot: ConnectionSlot,
    peer: SocketAddr,
}

impl Connection {
    /// Serves requests until the client closes the connection, a limit is exceeded or the server stops.
    async fn serve(self, stream: TcpStream) {
        let activity = Arc::clone(&self.slot.activity);
        let io = TokioIo::new(RecordedStream { stream, activity: Arc::clone(&activity) });
        let (router, limit, peer) = (self.router, self.limits.response, self.peer);
        let service =
            service_fn(move |request| respond(router.clone(), request, peer, limit, activity.clone()));
        let mut connection = pin!(
            http1::Builder::new()
                // The limit of hyper for the head is off, because [`Activity`] has limits for the head and for other
                // phases.
                .header_read_timeout(None)
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(io, service)
        );
        let mut finishing = false;
        loop {
            let now = Instant::now();
            let next = match self.slot.activity.verdict(&self.limits, now) {
                Verdict::Keep(next) => next,
                Verdict::Finish(next) => {
                    if !std::mem::replace(&mut finishing, true) {
                        connection.as_mut().graceful_shutdown();
                    }
                    next
                }
                Verdict::Close(reason) => {
                    tracing::debug!(peer = %self.peer, reason, "HTTP connection exceeded a time limit, closing it");
                    return;
                }
            };
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %self.peer, %error, "HTTP connection failed");
                    }
                    return;
                }
                () = self.slot.evicted.cancelled() => return,
                () = self.stop.cancelled(), if !finishing => {
                    finishing = true;
                    connection.as_mut().graceful_shutdown();
                }
                // A connection is checked when one of its limits can be exceeded at the earliest, and once per second,
                // because a phase can begin in between.
                () = sleep_until(next) => {}
            }
        }
    }
}

/// Answers one request: with the response of the router, or with 503 after the time `limit`.
async fn respond(
    mut router: Router,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    limit: Duration,
    activity: Arc<Activity>,
) -> Result<Response, Infallible> {
    activity.request_started();
    let mut request = request.map(Body::new);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // The access control reads the address of the client from this extension, which axum sets only in its own server.
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = match timeout(limit, router.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => ApiError::ResponseTimeout.into_response(),
    };
    if let Some(ErrorCause(error)) = response.extensions().get::<ErrorCause>() {
        let status = response.status().as_u16();
        tracing::warn!(%peer, %method, path, status, error, "the database failed during an API request");
    }
    activity.request_finished();
    Ok(response)
}
