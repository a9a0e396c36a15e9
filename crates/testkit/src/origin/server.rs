//! Web server of live streams and resources.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::body::ResponseBody;
use super::fault::{Fault, Faults, Times};
use super::live::LiveStream;
use super::options::Blocking;
use super::request_log::{LoggedRequest, RequestLog};
use super::response::{conditional, huge, redirect, set, status_only, whole};
use super::rules::{HeaderRules, respond_by_rules};

/// A web server on 127.0.0.1. It stops when this value is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    pub(super) shared: Arc<OriginState>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
pub(super) struct OriginState {
    faults: Faults,
    pub(super) rules: HeaderRules,
    contents: Mutex<Contents>,
    log: RequestLog,
}

#[derive(Debug, Default)]
struct Contents {
    plain: BTreeMap<String, (Bytes, &'static str)>,
    live: BTreeMap<String, LiveStream>,
}

/// Error that makes the server reset the connection.
#[derive(Debug)]
pub(super) struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("reset on purpose")
    }
}

impl std::error::Error for Reset {}

impl Origin {
    /// Starts a server on a free port of 127.0.0.1, on the current tokio runtime.
    ///
    /// # Errors
    /// Fails if no port is available.
    pub async fn start() -> io::Result<Self> {
        Self::start_on("127.0.0.1:0").await
    }

    /// Starts a server on this address (`HOST:PORT`), on the current tokio runtime.
    ///
    /// # Errors
    /// Fails if the address is in use.
    pub async fn start_on(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(OriginState::default());
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// Returns the URL of a path, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `bytes` at `path`.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>, content_type: &'static str) {
        self.shared.contents().plain.insert(path.to_owned(), (bytes.into(), content_type));
    }

    /// Serves `stream` in `folder`, which starts with a slash and ends without one. Returns the URL of its playlist,
    /// `FOLDER/index.m3u8`.
    pub fn live(&self, folder: &str, stream: &LiveStream) -> String {
        self.shared.contents().live.insert(folder.to_owned(), stream.clone());
        self.url(&format!("{folder}/index.m3u8"))
    }

    /// Removes the stream in `folder`.
    pub fn remove_live(&self, folder: &str) {
        self.shared.contents().live.remove(folder);
    }

    /// Adds a fault for requests whose path matches `pattern`: a path in which one `*` matches any text.
    pub fn fault(&self, pattern: &str, fault: Fault, times: Times) {
        self.shared.faults.add(pattern, fault, times);
    }

    /// Removes all faults with this exact pattern.
    pub fn heal(&self, pattern: &str) {
        self.shared.faults.heal(pattern);
    }

    /// Returns the logged requests, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.lock().iter().cloned().collect()
    }

    /// Removes all logged requests from the log and returns them, oldest first.
    pub fn take_requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.lock().drain(..).collect()
    }

    /// Returns the number of logged requests of a path.
    pub fn request_count(&self, path: &str) -> usize {
        self.shared.log.lock().iter().filter(|request| request.path == path).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl OriginState {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the content of `path` without faults, and its content type; `None` for an unknown path. Waits if the
    /// request is a blocking playlist reload.
    async fn find(&self, path: &str, query: &str) -> Option<(Bytes, &'static str)> {
        if let Some(found) = self.contents().plain.get(path) {
            return Some(found.clone());
        }
        let (folder, name) = path.rsplit_once('/')?;
        // Cloned, so that the lock is not held while a blocking reload waits.
        let stream = self.contents().live.get(folder)?.clone();
        if name != "index.m3u8" {
            return Some((stream.resource(name)?, "application/octet-stream"));
        }
        let number =
            |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<u64>().ok());
        if let Some(wanted) = number("_HLS_msn=").filter(|_| stream.options().blocking == Blocking::Honoured)
        {
            let part = number("_HLS_part=").and_then(|part| usize::try_from(part).ok());
            stream.wait_for(wanted, part).await;
        }
        Some((stream.playlist().into(), "application/vnd.apple.mpegurl"))
    }
}

async fn accept(listener: TcpListener, shared: Arc<OriginState>) {
    // The set ends with this task, so dropping the server also closes its connections.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, shared.clone()));
        }
        // Finished connections are removed, or the set would grow during long tests.
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<OriginState>) {
    // Single bytes of a slow body must not be collected into one packet.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| Box::pin(respond_by_rules(request, shared.clone())));
    let mut connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if ended.is_err_and(|error| {
        std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<Reset>)
    }) {
        // A linger time of zero makes the system send a reset when the socket is closed.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

pub(super) async fn respond(
    request: Request<Incoming>,
    shared: Arc<OriginState>,
) -> Result<Response<ResponseBody>, Reset> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.headers().clone();
    let body = read(request.into_body()).await;
    let fault = shared.faults.take(&path);
    // The request is logged before the response, so that a test that has the response also finds the request.
    shared.log.add(LoggedRequest {
        path: path.clone(),
        query: query.clone(),
        headers: headers.clone(),
        body,
        fault: fault.clone(),
        at: Instant::now(),
    });
    match fault {
        Some(Fault::Status(status)) => Ok(status_only(status)),
        Some(Fault::RetryAfter(status, when)) => {
            let mut response = status_only(status);
            set(&mut response, header::RETRY_AFTER, when);
            Ok(response)
        }
        Some(Fault::Reset) => Err(Reset),
        Some(Fault::Html) => Ok(whole(
            "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>".into(),
            "text/html",
        )),
        Some(Fault::Huge(size)) => Ok(whole(huge(size), "application/vnd.apple.mpegurl")),
        Some(Fault::Empty) => Ok(whole(Bytes::new(), "application/octet-stream")),
        Some(Fault::Instead(bytes)) => Ok(whole(bytes, "application/octet-stream")),
        Some(Fault::Encoded(encoding, bytes)) => {
            let mut response = whole(bytes, "application/vnd.apple.mpegurl");
            set(&mut response, header::CONTENT_ENCODING, encoding);
            Ok(response)
        }
        Some(Fault::Endless) => {
            // 0x47 starts every packet of MPEG-TS, so that the body begins like a segment.
            Ok(Response::new(ResponseBody::Endless(Bytes::from_static(&[0x47; 64 * 1024]))))
        }
        Some(Fault::Redirect(target)) => Ok(redirect(&target)),
        fault => Ok(regular_response(&path, &query, &headers, &shared, fault).await),
    }
}

/// Reads the body of a request; after an error, returns the part received so far.
async fn read(mut body: Incoming) -> Bytes {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.into()
}

/// Returns the response with the content of `path`, or 404, changed by `fault` if it is not `None`.
async fn regular_response(
    path: &str,
    query: &str,
    headers: &HeaderMap,
    shared: &OriginState,
    fault: Option<Fault>,
) -> Response<ResponseBody> {
    if let Some(Fault::Late(pause)) = fault {
        tokio::time::sleep(pause).await;
    }
    let Some((bytes, kind)) = shared.find(path, query).await else { return status_only(404) };
    match fault {
        Some(Fault::Trickle(pause)) => Response::new(ResponseBody::trickle(bytes, pause)),
        Some(Fault::Truncated(length)) => {
            let whole = bytes.len();
            let mut response = Response::new(ResponseBody::torn(bytes.slice(..length.min(whole))));
            set(&mut response, header::CONTENT_LENGTH, &whole.to_string());
            response
        }
        Some(Fault::WrongType(kind)) => whole(bytes, kind),
        Some(Fault::IgnoreRange) => whole(bytes, kind),
        _ => conditional(bytes, kind, headers),
    }
}
