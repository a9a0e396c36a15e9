//! Tests of the server over TCP connections, with short limits.

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Time after which a test fails because an expected event has not happened.
const DEADLINE: Duration = Duration::from_secs(60);

const HALF_A_HEAD: &[u8] = b"GET /ok HTTP/1.1\r\nHost: l\r\nX: ";
const WHOLE_HEAD: &[u8] = b"GET /ok HTTP/1.1\r\nHost: l\r\n\r\n";

fn limits() -> TimeLimits {
    let limit = Duration::from_millis(200);
    TimeLimits { head: limit, body: limit, idle: limit, write: limit, ..TimeLimits::default() }
}

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: TimeLimits, max_connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let ended = tokio::spawn(run(router, listener, limits, max_connections, stop.clone()));
        Self { address, stop, ended }
    }

    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Sends `bytes` and reads until the server closes the connection. Returns the received text.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.send(bytes).await;
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection reset counts as an end as well.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut text)).await.expect("the server closes the connection");
    String::from_utf8(text).unwrap()
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(text).unwrap()
}

fn router() -> Router {
    let body = axum::middleware::from_fn_with_state(limits().body, crate::body::read);
    Router::new()
        .route("/ok", get(|| async {}))
        .route("/body", post(|body: String| async { body }))
        .layer(body)
}

#[tokio::test]
async fn connections_without_a_complete_head_are_closed() {
    let server = Server::start(router(), limits(), 8).await;
    assert_eq!(server.exchange(b"").await, "");
    assert_eq!(server.exchange(HALF_A_HEAD).await, "");
}

#[tokio::test]
async fn idle_connections_are_closed_after_a_response() {
    let limits = TimeLimits { head: DEADLINE * 10, ..limits() };
    let server = Server::start(router(), limits, 8).await;
    assert!(server.exchange(WHOLE_HEAD).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn unfinished_body_is_answered_with_408() {
    let server = Server::start(router(), limits(), 8).await;
    let text = server.exchange(b"POST /body HTTP/1.1\r\nHost: l\r\nContent-Length: 9\r\n\r\nhalf").await;
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("{\"error\":"), "{text}");
}

#[tokio::test]
async fn oversized_body_is_answered_with_413() {
    let limits = TimeLimits { body: DEADLINE, ..limits() };
    let server = Server::start(router(), limits, 8).await;
    let head = format!(
        "POST /body HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        MAX_BODY_BYTES + 1
    );
    let text = server.exchange(&[head.as_bytes(), &[b'x'; MAX_BODY_BYTES + 1]].concat()).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("{\"error\":"), "{text}");
    let with_expect = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let text = server.exchange(with_expect.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    let largest = format!(
        "POST /body HTTP/1.1\r\nHost: l\r\nConnection: close\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n"
    );
    let text = server.exchange(&[largest.as_bytes(), &[b'x'; MAX_BODY_BYTES]].concat()).await;
    assert!(text.starts_with("HTTP/1.1 200 "), "{}", &text[..40]);
}

#[tokio::test]
async fn response_that_is_not_read_is_cut_off() {
    let dropped = CancellationToken::new();
    let guard = Arc::new(std::sync::Mutex::new(Some(dropped.clone().drop_guard())));
    let endless = move || {
        let guard = guard.lock().unwrap().take();
        let chunks = futures_util::stream::repeat_with(move || {
            let _keeps = &guard;
            Ok::<_, Infallible>(bytes::Bytes::from_static(&[b'x'; 65536]))
        });
        async { Body::from_stream(chunks) }
    };
    let server = Server::start(Router::new().route("/ok", get(endless)), limits(), 8).await;
    let _unread = server.send(WHOLE_HEAD).await;
    timeout(DEADLINE, dropped.cancelled()).await.expect("the server drops the response");
}

#[tokio::test]
async fn health_check_is_answered_while_slow_clients_hold_all_slots() {
    let limits = TimeLimits { head: DEADLINE * 10, ..limits() };
    let server = Server::start(router(), limits, 4).await;
    let mut slow = Vec::new();
    for _ in 0..40 {
        slow.push(server.send(HALF_A_HEAD).await);
    }
    assert!(server.exchange(WHOLE_HEAD).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn new_connection_is_refused_while_all_have_requests() {
    let (requests_started, finish) = (Arc::new(tokio::sync::Semaphore::new(0)), CancellationToken::new());
    let (started, wait) = (requests_started.clone(), finish.clone());
    let slow = move || {
        let (started, wait) = (started.clone(), wait.clone());
        async move {
            started.add_permits(1);
            wait.cancelled().await;
        }
    };
    let server = Server::start(Router::new().route("/ok", get(slow)), limits(), 2).await;
    let mut busy = [server.send(WHOLE_HEAD).await, server.send(WHOLE_HEAD).await];
    let _both = timeout(DEADLINE, requests_started.acquire_many(2)).await.unwrap().unwrap();
    let refused = read_to_end(&mut TcpStream::connect(server.address).await.unwrap()).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    finish.cancel();
    for stream in &mut busy {
        assert!(read_head(stream).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn stop_finishes_requests_and_closes_idle_connections() {
    let (requests_started, finish) = (Arc::new(tokio::sync::Semaphore::new(0)), CancellationToken::new());
    let (started, wait) = (requests_started.clone(), finish.clone());
    let slow = move || {
        let (started, wait) = (started.clone(), wait.clone());
        async move {
            started.add_permits(1);
            wait.cancelled().await;
        }
    };
    let limits = TimeLimits { head: DEADLINE * 10, ..limits() };
    let server = Server::start(Router::new().route("/ok", get(slow)), limits, 4).await;
    let (mut idle, mut busy) = (server.send(b"").await, server.send(WHOLE_HEAD).await);
    drop(timeout(DEADLINE, requests_started.acquire()).await.unwrap().unwrap());
    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    finish.cancel();
    assert!(read_to_end(&mut busy).await.starts_with("HTTP/1.1 200 "));
    timeout(DEADLINE, server.ended).await.unwrap().unwrap();
}
