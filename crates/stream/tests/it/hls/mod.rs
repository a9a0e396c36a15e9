//! HLS through `HlsSource`, against the fault-injecting origin.

mod access;
mod dash;
mod faults;
mod following;
mod formats;
mod long;
mod network;
mod nonconforming;
mod part_splits;
mod parts;
mod random_events;
mod renditions;
mod resolving;
mod sample_aes;
mod untrusted;
mod variables;

use std::time::Duration;

use bytes::Bytes;
use refrain_net::{HttpClient, HttpSettings, TransferLimits};
use refrain_stream::hls::{HlsSettings, HlsSource, SourceState, SourceStatus};
use refrain_stream::{Delivery, Gap, HlsSegment};
use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin};

/// Maximum wait for an expected event.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Settings with short intervals and time limits.
fn fast_settings() -> HlsSettings {
    let ms = Duration::from_millis;
    HlsSettings {
        reload: (ms(10), ms(15)),
        retry: (ms(5), ms(20)),
        playlist: TransferLimits { bytes: 2 << 20, total: ms(2000) },
        segment: TransferLimits { bytes: 1 << 20, total: ms(2000) },
        segment_timeout: ms(500),
        key_pause: ms(50),
        resolve_pause: ms(20),
        give_up_after: ms(3000),
        ..HlsSettings::default()
    }
}

fn client() -> HttpClient {
    let ms = Duration::from_millis;
    let settings = HttpSettings {
        read_timeout: ms(1000),
        min_bytes_per_second: 200,
        rate_grace: ms(200),
        ..HttpSettings::default()
    };
    HttpClient::new(settings).unwrap()
}

/// Returns segments of 2 s whose bytes identify them.
fn clips(count: usize) -> Vec<Clip> {
    (0..count).map(|index| Clip { bytes: content(index as u64), seconds: 2.0 }).collect()
}

fn content(index: u64) -> Bytes {
    format!("segment {index}").repeat(20).into()
}

/// Returns a stream with more segments than any test uses, of which the first `published` are published.
fn stream(published: u64, options: LiveOptions) -> LiveStream {
    LiveStream::manual(clips(400), published, options)
}

fn open(url: &str) -> HlsSource {
    HlsSource::open(url, &client(), fast_settings()).unwrap()
}

async fn next(source: &mut HlsSource) -> Option<Delivery> {
    tokio::time::timeout(TEST_TIMEOUT, source.next()).await.expect("no delivery within the time limit")
}

async fn segment(source: &mut HlsSource) -> HlsSegment {
    match next(source).await {
        Some(Delivery::HlsSegment(segment)) => segment,
        other => panic!("expected a segment, got {other:?}; {:?}", status(source)),
    }
}

async fn gap(source: &mut HlsSource) -> Gap {
    match next(source).await {
        Some(Delivery::Gap(gap)) => gap,
        other => panic!("expected a gap, got {other:?}; {:?}", status(source)),
    }
}

/// Takes `count` segments and checks that they are those from `first` on.
async fn expect(source: &mut HlsSource, first: u64, count: u64) {
    for index in first..first + count {
        assert_eq!(segment(source).await.bytes, content(index), "segment {index}; {:?}", status(source));
    }
}

/// Returns all remaining deliveries.
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

/// Waits until the status satisfies `what` and returns it.
async fn until(source: &HlsSource, what: impl FnMut(&SourceStatus) -> bool) -> SourceStatus {
    let mut status = source.status();
    let found = tokio::time::timeout(TEST_TIMEOUT, status.wait_for(what)).await;
    found.expect("status not reached within the time limit").expect("the source was dropped").clone()
}

async fn ended(source: &HlsSource) -> SourceState {
    let over = |status: &SourceStatus| matches!(status.state, SourceState::Ended(_) | SourceState::Failed(_));
    until(source, over).await.state
}

async fn origin() -> Origin {
    Origin::start().await.unwrap()
}
