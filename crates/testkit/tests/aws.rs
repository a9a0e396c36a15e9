//! Tests of the moto server and of the simulated IVS API.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "an unexpected value fails the test")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use refrain_testkit::Moto;
use refrain_testkit::channels::{Ivs, IvsFault};
use refrain_testkit::origin::Times;

const ONE: &str = "arn:aws:ivs:eu-west-1:123456789012:channel/one";

/// Sends a POST request. Returns the whole response, head and body.
fn post(url: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn moto_stores_data_and_exits_on_drop() {
    let server = Moto::start().unwrap();
    let url = server.url();
    assert!(server.make_queue("songs", 30).unwrap().0.ends_with("/songs"));
    server.make_bucket("music").unwrap();
    server.put("music", "a b/é+1", b"x").unwrap();
    assert_eq!(server.keys("music", "a ").unwrap(), ["a b/é+1"]);
    assert_eq!(server.get("music", "a b/é+1").unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(server.get("music", "none").unwrap(), None);
    drop(server);
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}

/// Environment variables apply to a whole process, so a child process runs the test below.
#[test]
fn missing_moto_is_an_error_with_instructions() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "without_moto", "--ignored"]).env("TEST_MOTO_SERVER", "/nowhere/moto_server");
    assert!(child.status().unwrap().success());
}

#[test]
#[ignore = "run by the test above in a child process with an environment variable"]
fn without_moto() {
    let error = Moto::start().unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/moto_server is not a file: "), "{error}");
    assert!(error.contains("pip install 'moto[server]'") && error.contains("TEST_MOTO_SERVER"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_responses_have_the_format_of_the_api() {
    let ivs = Ivs::start().await.unwrap();
    ivs.add_private_channel(ONE, "https://ivs.example.org/one.m3u8");
    let request_body = format!("{{\"channelArn\":\"{ONE}\"}}");
    let silent = post(&ivs.url(), "/GetStream", &request_body);
    assert!(silent.starts_with("HTTP/1.1 404 "), "{silent}");
    assert!(silent.contains("\r\nx-amzn-errortype: ChannelNotBroadcasting\r\n"), "{silent}");
    assert!(silent.contains("{\"exceptionMessage\":\""), "{silent}");
    ivs.start_stream_at(ONE, "st-1", 1_684_864_675_000);
    let live = post(&ivs.url(), "/GetStream", &request_body);
    assert!(live.contains("\"startTime\":\"2023-05-23T17:57:55.000Z\""), "{live}");
    assert!(live.contains("\"state\":\"LIVE\"") && live.contains("\"streamId\":\"st-1\""), "{live}");
    assert!(!post(&ivs.url(), "/ListStreams", "{}").contains("playbackUrl"));
    let channel = post(&ivs.url(), "/GetChannel", &format!("{{\"arn\":\"{ONE}\"}}"));
    assert!(channel.contains("\"authorized\":true"), "{channel}");
    let nobody = post(&ivs.url(), "/GetStream", "{\"channelArn\":\"nobody\"}");
    assert!(nobody.contains("x-amzn-errortype: ResourceNotFoundException"), "{nobody}");
    ivs.fault("GetStream", IvsFault::Throttled, Times::First(1));
    assert!(post(&ivs.url(), "/GetStream", &request_body).starts_with("HTTP/1.1 429 "));
    assert!(post(&ivs.url(), "/GetStream", &request_body).starts_with("HTTP/1.1 200 "));
    assert_eq!((ivs.calls("GetStream"), ivs.calls("ListStreams"), ivs.calls("GetChannel")), (5, 1, 1));
}
