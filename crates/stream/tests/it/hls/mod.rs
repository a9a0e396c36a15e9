//! HLS through `HlsSource`, against the fault-injecting origin.

mod chance;
mod cuts;
mod faults;
mod following;
mod formats;
mod odd;
mod parts;
mod resolving;
mod safety;

use std::time::Duration;

use bytes::Bytes;
use refrain_stream::hls::{HlsSettings, HlsSource, SourceState, SourceStatus};
use refrain_stream::http::{HttpClient, HttpSettings, Limits};
use refrain_stream::{Delivery, Gap, Segment};
use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings for streams that hurry.
fn hasty() -> HlsSettings {
    let ms = Duration::from_millis;
    HlsSettings {
        reload: (ms(10), ms(15)),
        retry: (ms(5), ms(20)),
        playlist: Limits { bytes: 2 << 20, total: ms(2000) },
        segment: Limits { bytes: 1 << 20, total: ms(2000) },
        segment_patience: ms(500),
        key_pause: ms(50),
        resolve_pause: ms(20),
        give_up_after: ms(3000),
        ..HlsSettings::default()
    }
}

fn client() -> HttpClient {
    let ms = Duration::from_millis;
    let settings =
        HttpSettings { silence: ms(1000), least_rate: 200, rate_grace: ms(200), ..HttpSettings::default() };
    HttpClient::new(settings).unwrap()
}

/// Segments of 2 s whose bytes say which they are.
fn clips(count: usize) -> Vec<Clip> {
    (0..count).map(|index| Clip { bytes: content(index as u64), seconds: 2.0 }).collect()
}

fn content(index: u64) -> Bytes {
    format!("segment {index}").repeat(20).into()
}

/// A stream whose list is longer than any test.
fn stream(published: u64, options: LiveOptions) -> LiveStream {
    LiveStream::manual(clips(400), published, options)
}

fn open(url: &str) -> HlsSource {
    HlsSource::open(url, &client(), hasty()).unwrap()
}

async fn next(source: &mut HlsSource) -> Option<Delivery> {
    tokio::time::timeout(PATIENCE, source.next()).await.expect("nothing came")
}

async fn segment(source: &mut HlsSource) -> Segment {
    match next(source).await {
        Some(Delivery::Segment(segment)) => segment,
        other => panic!("no segment but {other:?}; {:?}", status(source)),
    }
}

async fn gap(source: &mut HlsSource) -> Gap {
    match next(source).await {
        Some(Delivery::Gap(gap)) => gap,
        other => panic!("no gap but {other:?}; {:?}", status(source)),
    }
}

/// Takes `count` segments and checks that they are those from `first` on.
async fn expect(source: &mut HlsSource, first: u64, count: u64) {
    for index in first..first + count {
        assert_eq!(segment(source).await.bytes, content(index), "segment {index}; {:?}", status(source));
    }
}

/// Everything until the end.
async fn rest(source: &mut HlsSource) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Some(delivery) = next(source).await {
        all.push(delivery);
    }
    all
}

fn status(source: &HlsSource) -> SourceStatus {
    source.status().borrow().clone()
}

/// Waits until the status is so.
async fn until(source: &HlsSource, what: impl FnMut(&SourceStatus) -> bool) -> SourceStatus {
    let mut status = source.status();
    let found = tokio::time::timeout(PATIENCE, status.wait_for(what)).await;
    found.expect("the status never became so").expect("the source is gone").clone()
}

async fn ended(source: &HlsSource) -> SourceState {
    let over = |status: &SourceStatus| matches!(status.state, SourceState::Ended(_) | SourceState::Failed(_));
    until(source, over).await.state
}

async fn origin() -> Origin {
    Origin::start().await.unwrap()
}
