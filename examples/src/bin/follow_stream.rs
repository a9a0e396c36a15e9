//! Follows an HLS stream and prints a line when a song starts and ends.
//!
//! Usage: `follow_stream FOLDER URL`, with a folder of songs. Dependencies: `refrain-core`, `refrain-net`, `refrain-stream`,
//! `tokio`.

use std::error::Error;
use std::path::{Path, PathBuf};

use refrain_core::audio::{AudioReader, Limits, supported_extension};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};
use refrain_core::index::{Snapshot, TrackNumber};
use refrain_core::matching::live::{EventKind, LiveBuffers, LiveEvent, LiveMatcher, LiveSettings};
use refrain_net::{HttpClient, HttpSettings};
use refrain_stream::hls::{HlsSettings, HlsSource};
use refrain_stream::{DecoderSettings, Media, StreamDecoder};

/// Decodes a file and returns its constellation.
fn fingerprint(path: &Path) -> Result<Constellation, Box<dyn Error>> {
    let mut reader = AudioReader::open(path, &Limits::default())?;
    let mut fingerprinter = Fingerprinter::new(Density::Reference);
    while let Some(samples) = reader.next_chunk()? {
        fingerprinter.push(samples);
    }
    Ok(fingerprinter.finish())
}

#[expect(clippy::print_stdout, reason = "the output of the example")]
fn print(events: &mut Vec<LiveEvent>, paths: &[PathBuf]) {
    for event in events.drain(..) {
        let path = paths[event.airing.detected.track.0 as usize - 1].display();
        let seconds = event.airing.detected.query_end - event.airing.detected.query_start;
        match event.kind {
            EventKind::Start => println!("{:8.1} s  starts {path}", event.airing.detected.query_start),
            EventKind::Final => {
                println!("{:8.1} s  ends   {path} after {seconds:.1} s", event.airing.detected.query_end);
            }
            EventKind::Update => {}
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("usage: follow_stream FOLDER URL".into());
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| supported_extension(&extension.to_string_lossy())) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut tracks = Vec::new();
    for (path, number) in paths.iter().zip(1..) {
        tracks.push((TrackNumber(number), fingerprint(path)?));
    }
    let index = Snapshot::from_tracks(&tracks)?;

    let client = HttpClient::new(HttpSettings::default())?;
    let mut source = HlsSource::open(&url, &client, HlsSettings::default())?;
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    let mut fingerprinter = Fingerprinter::new(Density::Query);
    let mut matcher = LiveMatcher::new(LiveSettings::default());
    let (mut buffers, mut peaks, mut events) = (LiveBuffers::default(), Vec::new(), Vec::new());
    let silence = vec![0.0; 44_100];
    // One stream costs little. A program with many of them decodes and matches on other threads than those of the runtime.
    while let Some(delivery) = source.next().await {
        decoder.process(delivery, |sound| match sound.media {
            Media::Samples(samples) => fingerprinter.push(samples),
            // A gap is silence of its length, so that times stay right.
            Media::Gap { samples, .. } => {
                let mut left = samples as usize;
                while left > 0 {
                    let part = left.min(silence.len());
                    fingerprinter.push(&silence[..part]);
                    left -= part;
                }
            }
        });
        fingerprinter.take_ready(&mut peaks);
        matcher.push(&peaks, fingerprinter.ready_until(), &index, &mut buffers, &mut events)?;
        peaks.clear();
        print(&mut events, &paths);
    }
    matcher.finish(&fingerprinter.finish(), &index, &mut buffers, &mut events)?;
    print(&mut events, &paths);
    Ok(())
}
