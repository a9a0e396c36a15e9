//! Tests of `refrain identify` and `refrain monitor` with URLs of files.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::support::{NAMES, Sandbox, best, music};

/// Response of a server: status line and headers, and the body.
type TestResponse = (String, Vec<u8>);

/// Starts a server on this machine, which runs until the end of the test process. Returns its URL.
fn server(answer: impl Fn(&str) -> TestResponse + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://user:hunter2@{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            serve(connection.unwrap(), &answer);
        }
    });
    address
}

fn serve(mut connection: TcpStream, answer: &impl Fn(&str) -> TestResponse) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let Some(Ok(request)) = lines.next() else { return };
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (head, body) = answer(path);
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
    // Errors are ignored, because a client can close the connection before the end.
    _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
}

fn ok(body: &[u8]) -> TestResponse {
    (format!("200 OK\r\nContent-Length: {}", body.len()), body.to_vec())
}

#[test]
fn files_at_urls_are_identified_like_local_files() {
    let sandbox = Sandbox::with_catalog();
    let clip = std::fs::read(sandbox.clip("clip.wav", &music().known[0], 4.0, 10.0)).unwrap();
    let address = server(move |path| match path {
        "/a/clip.wav?token=secret" => ok(&clip),
        "/moved" => {
            ("302 Found\r\nLocation: /a/clip.wav?token=secret\r\nContent-Length: 0".into(), Vec::new())
        }
        _ => ("404 Not Found\r\nContent-Length: 0".into(), Vec::new()),
    });
    for path in ["/a/clip.wav?token=secret", "/moved"] {
        let output = sandbox.run(&["identify", "--json", &format!("{address}{path}")]).expect(0);
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(best(&answer), Some(NAMES[0]));
        assert!(!output.stdout.contains("secret") && !output.stdout.contains("hunter2"), "{}", output.stdout);
    }
    let gone = sandbox.run(&["identify", &format!("{address}/gone.wav?token=secret")]).expect(2);
    gone.stderr_contains("/gone.wav: status 404");
}

#[test]
fn urls_without_a_file_are_rejected_with_advice() {
    let sandbox = Sandbox::with_catalog();
    let address = server(|path| match path {
        "/live.m3u8" => ok(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"),
        "/radio" => ("200 OK\r\nicy-name: Test".into(), vec![0; 4_096]),
        "/large" => ("200 OK\r\nContent-Length: 99999999999".into(), Vec::new()),
        _ => ok(b"<html></html>"),
    });
    let run = |path: &str| sandbox.run(&["identify", "--json", &format!("{address}{path}")]).expect(2);
    let code = |output: &str| serde_json::from_str::<Value>(output).unwrap()["statusCode"].as_u64().unwrap();
    for (path, expected, words) in [
        ("/live.m3u8", 2900, "refrain monitor"),
        ("/radio", 2900, "live stream"),
        ("/large", 2902, "larger than"),
        ("/page", 2901, "/page"),
    ] {
        let output = run(path);
        assert_eq!(code(&output.stdout), expected, "{path}: {}", output.stderr);
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        output.stderr_contains(words);
    }
}

#[test]
fn files_at_urls_are_monitored_once() {
    let sandbox = Sandbox::with_catalog();
    let clip = std::fs::read(sandbox.clip("clip.wav", &music().known[0], 0.0, 20.0)).unwrap();
    let address = server(move |_| ok(&clip));
    let output = sandbox.run(&["monitor", "--json", &format!("{address}/clip.wav")]).expect(0);
    let finals = output.stdout.lines().filter(|line| line.contains("\"event\":\"final\"")).count();
    assert_eq!(finals, 1, "{}", output.stdout);
}
