//! HTTP radio against test servers that send given bytes and close the connection.

mod format_changes;
mod playlists;
mod situations;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use refrain_net::{AddressPolicy, HttpClient, HttpSettings, StreamAccess, StreamingClient};
use refrain_stream::{Delivery, LiveAudio, LiveChunk, RadioError, RadioSettings, RadioSource, RadioStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::decode::{assert_same, process};
use crate::media::{MediaFiles, reference_audio};

/// Starts a server that sends one response of `responses` per connection, header included, and closes it. `None` keeps the
/// connection open without a response. The last response is repeated. Returns the URL and the log of requests.
async fn station(responses: Vec<Option<Vec<u8>>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/radio?token=secret", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut open_connections = Vec::new();
        for turn in 0.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await.unwrap());
            }
            log.lock().unwrap().push(String::from_utf8(request).unwrap().to_ascii_lowercase());
            match &responses[turn.min(responses.len() - 1)] {
                Some(http_response) => {
                    // The piece length is unrelated to the lengths of frames and metadata intervals.
                    for piece in http_response.chunks(1_111) {
                        connection.write_all(piece).await.unwrap();
                    }
                    connection.shutdown().await.unwrap();
                }
                None => open_connections.push(connection),
            }
        }
    });
    (address, requests)
}

fn http_response(header: &str, body: &[u8]) -> Option<Vec<u8>> {
    Some([header.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat())
}

fn status_410() -> Option<Vec<u8>> {
    http_response("HTTP/1.1 410 Gone\nContent-Length: 0", b"")
}

/// Inserts a metadata block after every `interval` bytes, with the next of `titles` or empty.
fn with_titles(audio: &[u8], interval: usize, titles: &[&str]) -> Vec<u8> {
    let mut titles = titles.iter();
    let mut body = Vec::new();
    for piece in audio.chunks(interval) {
        body.extend(piece);
        if piece.len() == interval {
            let text =
                titles.next().map_or(String::new(), |title| format!("StreamTitle='{title}';StreamUrl='';"));
            let blocks = text.len().div_ceil(16);
            body.push(blocks as u8);
            body.extend(text.as_bytes());
            body.resize(body.len() + 16 * blocks - text.len(), 0);
        }
    }
    body
}

/// Replaces the arrival times of live audio as if it had arrived in real time: `rate` bytes per second, or 44,100 samples.
fn in_real_time(deliveries: Vec<Delivery>, rate: f64) -> Vec<Delivery> {
    let mut arrived = 1.7e9;
    let pace = |delivery| match delivery {
        Delivery::Live(LiveChunk { audio, .. }) => {
            arrived += match &audio {
                LiveAudio::Bytes(bytes) => bytes.len() as f64 / rate,
                LiveAudio::Samples(samples) => samples.len() as f64 / 44_100.0,
            };
            Delivery::Live(LiveChunk { arrived, audio })
        }
        other => other,
    };
    deliveries.into_iter().map(pace).collect()
}

async fn receive(address: &str) -> (Vec<Delivery>, RadioStatus) {
    receive_with_policy(address, AddressPolicy::AllowPrivate).await
}

async fn receive_with_policy(address: &str, policy: AddressPolicy) -> (Vec<Delivery>, RadioStatus) {
    receive_with_access(address, policy, StreamAccess::default()).await
}

fn client(policy: &AddressPolicy) -> StreamingClient {
    HttpClient::new(HttpSettings::default()).unwrap().streaming_client(policy).unwrap()
}

async fn receive_with_access(
    address: &str,
    policy: AddressPolicy,
    access: StreamAccess,
) -> (Vec<Delivery>, RadioStatus) {
    let client = client(&policy);
    let settings = RadioSettings { policy, access, ..fast_settings() };
    let mut source = RadioSource::open(address, client, settings).unwrap();
    let all = receive_all(&mut source).await;
    (all, source.status().clone())
}

fn fast_settings() -> RadioSettings {
    let millis = Duration::from_millis;
    RadioSettings {
        read_timeout: millis(300),
        retry: (millis(1), millis(10)),
        give_up_after: Duration::from_secs(20),
        policy: AddressPolicy::AllowPrivate,
        ..RadioSettings::default()
    }
}

async fn receive_all(source: &mut RadioSource) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Some(delivery) = source.next().await {
        all.push(delivery);
    }
    all
}

#[tokio::test]
async fn mp3_with_titles_is_decoded_across_reconnects() {
    let files = MediaFiles::new(40, 4.0);
    let reference_audio = files.encode("song.mp3", "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0");
    let bytes = files.read("song.mp3");
    let header = "HTTP/1.0 200 OK\nContent-Type: audio/mpeg\nicy-name: Test\nicy-metaint: 8000";
    let first = http_response(header, &with_titles(&bytes, 8_000, &["One", "", "Two", "Two"]));
    let error = http_response("HTTP/1.1 503 Full\nContent-Length: 0", b"");
    let other = MediaFiles::new(45, 4.0);
    let other_whole = other.encode("song.mp3", "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0");
    let second = http_response("HTTP/1.0 200 OK\nContent-Type: audio/mpeg", &other.read("song.mp3"));
    let (address, requests) = station(vec![None, first, error, second, status_410()]).await;
    let (all, status) = receive(&address).await;
    let titles: Vec<_> =
        all.iter().filter_map(|d| if let Delivery::Title(t) = d { Some(&t[..]) } else { None }).collect();
    assert_eq!(titles, ["One", "Two"]);
    assert!(requests.lock().unwrap().iter().all(|request| request.contains("icy-metadata: 1")));
    assert_eq!((status.connections, status.failures), (2, 5));
    assert!(matches!(status.last_error, Some(RadioError::Status { status: 410, .. })));
    let decoded = process(in_real_time(all, 12_000.0));
    // Up to a few frames are missing at the seams: a last frame without a next one to confirm it, or without its reservoir.
    assert!(
        decoded.sound.len().abs_diff(reference_audio.len() + other_whole.len()) <= 3 * 1_152,
        "{} of {}",
        decoded.sound.len(),
        reference_audio.len()
    );
    assert_same(
        &decoded.sound[..reference_audio.len() - 2_304],
        &reference_audio[..reference_audio.len() - 2_304],
    );
    assert_eq!((decoded.report.discontinuities, decoded.report.gaps.total().count), (1, 0));
    assert_eq!(decoded.report.title.unwrap().text, "Two");
}

#[tokio::test]
async fn icy_responses_of_old_servers_are_decoded() {
    let files = MediaFiles::new(41, 3.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let body = with_titles(&files.read("song.aac"), 4_096, &["Old"]);
    let first = http_response("ICY 200 OK\nicy-name:Test\nicy-metaint:4096", &body);
    let (address, _) = station(vec![first, status_410()]).await;
    let (all, status) = receive(&address).await;
    assert_eq!(status.connections, 1, "{status:?}");
    let decoded = process(all);
    assert_same(&decoded.sound, &reference_audio);
    assert_eq!(decoded.report.title.unwrap().text, "Old");
}

#[tokio::test]
async fn ogg_is_decoded_to_its_last_page() {
    let files = MediaFiles::new(42, 3.0);
    for (name, codec) in [("song.ogg", "libvorbis"), ("song.opus", "libopus"), ("song.flac", "flac")] {
        let reference_audio = files.encode(name, &format!("-c:a {codec}"));
        let first = http_response("HTTP/1.1 200 OK\nContent-Type: application/ogg", &files.read(name));
        let (address, _) = station(vec![first.clone(), first, status_410()]).await;
        let (all, status) = receive(&address).await;
        let decoded = process(in_real_time(all, 16_000.0));
        assert_same(&decoded.sound, &[&reference_audio[..], &reference_audio].concat());
        assert_eq!((status.connections, decoded.report.discontinuities), (2, 1), "{name}");
    }
}

#[tokio::test]
async fn html_page_is_rejected_without_revealing_the_token() {
    let page =
        http_response("HTTP/1.1 200 OK\nContent-Type: text/html; charset=utf-8", b"<html>Listen now!</html>");
    let (address, requests) = station(vec![page]).await;
    let (all, status) = receive(&address).await;
    assert!(all.is_empty());
    assert_eq!(requests.lock().unwrap().len(), 1, "a page must not be requested again");
    let error = status.last_error.unwrap().to_string();
    assert!(error.contains("an HTML page") && !error.contains("secret"), "{error}");
    let client = client(&AddressPolicy::PublicOnly);
    assert!(RadioSource::open("file:///etc/passwd", client, RadioSettings::default()).is_err());
}

#[tokio::test]
async fn file_is_played_once_to_its_end() {
    let files = MediaFiles::new(46, 3.0);
    for (name, kind) in [
        ("song.mp3", "audio/mpeg\nAccept-Ranges: bytes"),
        ("song.mp3", "audio/mpeg"),
        ("song.ts", "video/mp2t"),
        ("song.ogg", "audio/ogg"),
    ] {
        let codec = if name == "song.ogg" { "-c:a libvorbis" } else { "-c:a libmp3lame -b:a 96k" };
        let reference_audio = files.encode(name, codec);
        let bytes = files.read(name);
        let header = format!("HTTP/1.1 200 OK\nContent-Length: {}\nContent-Type: {kind}", bytes.len());
        let (address, requests) = station(vec![http_response(&header, &bytes)]).await;
        let (all, status) = receive(&address).await;
        assert_eq!(requests.lock().unwrap().len(), 1, "{name} is not requested again");
        assert_eq!((status.last_error, status.file_bytes), (None, Some(bytes.len() as u64)));
        assert!(all.iter().all(|delivery| !matches!(delivery, Delivery::Live(_))), "a file is not live");
        assert!(process(all).sound.len().abs_diff(reference_audio.len()) <= 2_304, "{name}");
    }
}

#[tokio::test]
async fn truncated_file_is_played_up_to_the_break() {
    let files = MediaFiles::new(47, 3.0);
    files.encode("song.mp3", "-c:a libmp3lame -b:a 96k");
    let bytes = files.read("song.mp3");
    let header = format!("HTTP/1.1 200 OK\nContent-Length: {}\nContent-Type: audio/mpeg", bytes.len());
    let (address, requests) = station(vec![http_response(&header, &bytes[..bytes.len() / 2])]).await;
    let (all, status) = receive(&address).await;
    assert_eq!(requests.lock().unwrap().len(), 1);
    let seconds = process(all).sound.len() as f64 / 44_100.0;
    assert!((1.0..2.0).contains(&seconds), "{seconds}");
    assert!(status.last_error.is_some());
}

#[tokio::test]
async fn station_with_an_enormous_content_length_is_live() {
    let files = MediaFiles::new(48, 2.0);
    files.encode("song.mp3", "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0");
    for header in ["Content-Length: 2147483647", "Content-Length: 54000000\nicy-name: Test"] {
        let header = format!("HTTP/1.1 200 OK\nContent-Type: audio/mpeg\n{header}");
        let (address, _) = station(vec![http_response(&header, &files.read("song.mp3")), status_410()]).await;
        let (all, status) = receive(&address).await;
        assert_eq!((status.connections, status.file_bytes), (1, None));
        assert!(all.iter().any(|delivery| matches!(delivery, Delivery::Live(_))));
    }
}

#[tokio::test]
async fn unreachable_station_ends_after_the_time_limit() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = RadioSettings {
        retry: (Duration::from_millis(1), Duration::from_millis(5)),
        give_up_after: Duration::from_millis(200),
        policy: AddressPolicy::AllowPrivate,
        ..RadioSettings::default()
    };
    let client = client(&AddressPolicy::AllowPrivate);
    let mut source = RadioSource::open(&format!("http://{free}/?token=secret"), client, settings).unwrap();
    assert!(source.next().await.is_none());
    assert!(source.status().failures > 1);
    let error = source.status().last_error.as_ref().unwrap().to_string();
    assert!(error.contains("127.0.0.1") && !error.contains("secret"), "{error}");
}

#[test]
fn fixture_inserts_metadata_blocks() {
    assert_eq!(with_titles(b"abcd", 2, &["T"]).len(), 4 + 1 + 48 + 1 - 16);
    assert!(!reference_audio(&MediaFiles::new(43, 0.5).path("song.wav")).is_empty());
}
