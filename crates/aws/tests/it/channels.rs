//! Tests of the IVS client with the simulated IVS API.

use std::collections::BTreeSet;

use refrain_aws::IvsChannels;
use refrain_service::cloud::{Channel, ChannelStream, Channels, CloudErrorKind};
use refrain_testkit::channels::{Ivs, IvsFault};
use refrain_testkit::origin::Times;

use crate::setup::{UNREACHABLE, aws_at};

const ONE: &str = "arn:aws:ivs:eu-west-1:123456789012:channel/one";
const TWO: &str = "arn:aws:ivs:eu-west-1:123456789012:channel/two";
const MISSING: &str = "arn:aws:ivs:eu-west-1:123456789012:channel/nobody";
const PLAYLIST: &str = "https://ivs.example.org/one.m3u8";

/// Starts a server with two channels, and a client without a noticeable rate limit.
async fn ivs() -> (Ivs, IvsChannels) {
    let server = Ivs::start().await.unwrap();
    server.add_channel(ONE, PLAYLIST);
    server.add_private_channel(TWO, "https://ivs.example.org/two.m3u8");
    let channels = aws_at(&server.url()).await.channels(100.0);
    (server, channels)
}

#[tokio::test]
async fn stream_returns_only_live_streams() {
    let (server, channels) = ivs().await;
    assert_eq!(channels.stream(ONE).await.unwrap(), None);
    server.start_stream_at(ONE, "st-1A2b3c4D5e6F78ghij9Klmn", 1_684_864_675_250);
    let stream = ChannelStream {
        channel: ONE.to_owned(),
        stream_id: "st-1A2b3c4D5e6F78ghij9Klmn".to_owned(),
        playback_url: Some(PLAYLIST.to_owned()),
        started_at: Some(1_684_864_675_250),
    };
    assert_eq!(channels.stream(ONE).await.unwrap(), Some(stream));
    server.set_offline(ONE);
    assert_eq!(channels.stream(ONE).await.unwrap(), None);
    server.end_stream(ONE);
    assert_eq!(channels.stream(ONE).await.unwrap(), None);
    assert_eq!(server.calls("GetStream"), 4);
}

#[tokio::test]
async fn missing_channels_are_errors_unlike_silent_ones() {
    let (server, channels) = ivs().await;
    server.remove_channel(TWO);
    for error in [
        channels.stream(MISSING).await.unwrap_err(),
        channels.channel(MISSING).await.unwrap_err(),
        channels.channel(TWO).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), CloudErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("123456789012:channel/"), "{error}");
    }
}

#[tokio::test]
async fn private_channels_require_authorization() {
    let (_server, channels) = ivs().await;
    let one = Channel { arn: ONE.to_owned(), playback_url: PLAYLIST.to_owned(), authorized: false };
    assert_eq!(channels.channel(ONE).await.unwrap(), one);
    let two = channels.channel(TWO).await.unwrap();
    assert_eq!((two.arn.as_str(), two.authorized), (TWO, true));
}

#[tokio::test]
async fn live_streams_are_listed_over_all_pages() {
    let (server, channels) = ivs().await;
    assert_eq!(channels.live().await.unwrap(), []);
    let arn = |number: u32| format!("{ONE}-{number}");
    for number in 0..23 {
        server.add_channel(&arn(number), PLAYLIST);
        server.start_stream_at(&arn(number), &format!("st-{number}"), u64::from(number) * 1000);
    }
    server.set_offline(&arn(7));
    server.page(5);
    let live = channels.live().await.unwrap();
    let expected = (0..23).filter(|number| *number != 7).map(|number| (arn(number), format!("st-{number}")));
    let found = live.iter().map(|stream| (stream.channel.clone(), stream.stream_id.clone()));
    assert_eq!(found.collect::<BTreeSet<_>>(), expected.collect());
    assert_eq!(live.len(), 22);
    assert!(live.iter().all(|stream| stream.playback_url.is_none() && stream.started_at.is_some()));
    assert_eq!(server.calls("ListStreams"), 1 + 5);
}

#[tokio::test]
async fn temporary_channel_errors_are_retried() {
    let (server, channels) = ivs().await;
    server.start_stream(ONE, "st-1");
    for fault in [IvsFault::Throttled, IvsFault::Broken, IvsFault::Closed] {
        server.fault("GetStream", fault, Times::First(2));
        assert_eq!(channels.stream(ONE).await.unwrap().unwrap().stream_id, "st-1", "{fault:?}");
    }
    assert_eq!(server.calls("GetStream"), 9);
}

#[tokio::test]
async fn persistent_channel_errors_keep_their_kind() {
    let (server, channels) = ivs().await;
    for (fault, kind, expected) in [
        (IvsFault::Throttled, CloudErrorKind::Throttled, "ThrottlingException: Rate exceeded"),
        (IvsFault::Broken, CloudErrorKind::Unavailable, "InternalServerException"),
        (IvsFault::Closed, CloudErrorKind::Unavailable, "not reachable"),
        (IvsFault::Html, CloudErrorKind::Unavailable, "an answer that cannot be read"),
        (IvsFault::Denied, CloudErrorKind::Denied, "needs the right ivs:"),
    ] {
        server.fault("*", fault, Times::Always);
        let (get, list, channel) = tokio::join!(channels.stream(ONE), channels.live(), channels.channel(ONE));
        for error in [get.unwrap_err(), list.unwrap_err(), channel.unwrap_err()] {
            assert_eq!(error.kind(), kind, "{fault:?}: {error}");
            assert!(error.to_string().contains(expected), "{fault:?}: {error}");
        }
        server.heal();
    }
    assert_eq!(channels.stream(ONE).await.unwrap(), None);
}

#[tokio::test]
async fn unreachable_addresses_are_transient_errors() {
    let channels = aws_at(UNREACHABLE).await.channels(100.0);
    let error = channels.stream(ONE).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Unavailable, "{error}");
}

/// Calls are not made earlier than the rate limit allows. How late they are made depends on the machine and is not
/// checked.
#[tokio::test]
async fn concurrent_calls_respect_the_rate_limit() {
    let server = Ivs::start().await.unwrap();
    server.add_channel(ONE, PLAYLIST);
    let channels = aws_at(&server.url()).await.channels(20.0);
    let started = std::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..11 {
        let channels = channels.clone();
        calls.spawn(async move { channels.stream(ONE).await });
    }
    while let Some(response) = calls.join_next().await {
        assert_eq!(response.unwrap().unwrap(), None);
    }
    assert!(started.elapsed() >= std::time::Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(server.calls("GetStream"), 11);
}
