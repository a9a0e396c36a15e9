//! Live streams without segments: initial bursts and reconnects.

use std::sync::LazyLock;

use refrain_stream::{Delivery, GapReason, LiveAudio, LiveChunk};

use super::{DecodedStream, assert_same, process};
use crate::media::{MediaFiles, reference_audio};

/// Bytes per second at 96 kbit/s.
const BYTES_PER_SECOND: f64 = 12_000.0;

/// Bytes of one network piece: a tenth of a second.
const PIECE_BYTES: usize = 1_200;

/// Time at which the station starts to play the song, seconds since 1970.
const SONG_START: f64 = 1.7e9;

/// Half a minute of MP3 at a constant bit rate, and its decoded samples.
static SONG: LazyLock<(Vec<u8>, Vec<f32>)> = LazyLock::new(|| {
    let files = MediaFiles::new(60, 30.0);
    let sound = files.encode("song.mp3", "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0");
    assert!(!reference_audio(&files.path("song.mp3")).is_empty());
    (files.read("song.mp3"), sound)
});

fn chunk(bytes: &[u8], arrived: f64) -> Delivery {
    Delivery::Live(LiveChunk { arrived, audio: LiveAudio::Bytes(bytes.to_vec().into()) })
}

/// Returns the deliveries of one connection to a station that plays the song since [`SONG_START`]. The connection
/// starts at second `at` of the song with a burst of the `burst` seconds before, and lasts until second `until`.
fn connection(at: f64, burst: f64, until: f64) -> Vec<Delivery> {
    let bytes = &SONG.0;
    let place = |seconds: f64| ((seconds * BYTES_PER_SECOND) as usize).min(bytes.len());
    let (first, live, end) = (place((at - burst).max(0.0)), place(at), place(until));
    let mut deliveries: Vec<_> =
        bytes[first..live].chunks(16_000).map(|piece| chunk(piece, SONG_START + at)).collect();
    for (nth, piece) in bytes[live..end].chunks(PIECE_BYTES).enumerate() {
        let position = live + nth * PIECE_BYTES + piece.len();
        deliveries.push(chunk(piece, SONG_START + position as f64 / BYTES_PER_SECOND + 0.02));
    }
    deliveries
}

fn reconnected(connections: impl IntoIterator<Item = Vec<Delivery>>) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = Vec::new();
    for connection in connections {
        if !all.is_empty() {
            all.push(Delivery::Reconnected);
        }
        all.extend(connection);
    }
    all
}

/// Returns the maximum clock error in seconds, if the first sample is at second `first` of the song.
fn clock_error(decoded: &DecodedStream, first: f64) -> f64 {
    let error = |(position, epoch): &(f64, f64)| (epoch - position - first - SONG_START).abs();
    decoded.times.iter().map(error).fold(0.0, f64::max)
}

#[test]
fn end_of_a_burst_gets_its_arrival_time() {
    for burst in [0.0, 1.0, 4.0, 10.0, 15.0] {
        let decoded = process(connection(15.0, burst, 30.0));
        assert!(clock_error(&decoded, 15.0 - burst) < 0.3, "{burst}: {:?}", decoded.times.first());
        assert!(decoded.gaps.is_empty());
    }
}

#[test]
fn audio_repeated_after_a_reconnect_is_removed_exactly() {
    for burst in [0.5, 1.0, 4.0, 10.0, 16.0_f64] {
        let decoded = process(reconnected([connection(0.0, 0.0, 18.0), connection(18.2, burst, 30.0)]));
        assert_same(&decoded.sound[..SONG.1.len() - 4_608], &SONG.1[..SONG.1.len() - 4_608]);
        assert!(decoded.gaps.is_empty(), "{burst}: {:?}", decoded.gaps);
        assert!(decoded.report.repeated_seconds > burst - 0.4, "{burst}");
    }
}

#[test]
fn consecutive_reconnects_repeat_nothing() {
    let connections = [(0.0, 0.0, 12.0), (12.3, 2.0, 14.0), (14.2, 2.0, 16.0), (16.4, 5.0, 30.0)];
    let decoded = process(reconnected(connections.map(|(at, burst, until)| connection(at, burst, until))));
    assert_same(&decoded.sound[..SONG.1.len() - 4_608], &SONG.1[..SONG.1.len() - 4_608]);
    assert!(decoded.gaps.is_empty() && decoded.report.discontinuities == 3);
}

#[test]
fn reconnect_without_overlap_is_a_gap_of_the_elapsed_time() {
    for burst in [0.0, 2.0] {
        let decoded = process(reconnected([connection(0.0, 0.0, 10.0), connection(16.0, burst, 30.0)]));
        let [(start, length, GapReason::Missed)] = decoded.gaps[..] else { panic!("{:?}", decoded.gaps) };
        let (start, length) = (start as f64 / 44_100.0, length as f64 / 44_100.0);
        assert!((start - 10.0).abs() < 0.3 && (length - 6.0 + burst).abs() < 0.3, "{start} {length}");
        assert!(clock_error(&decoded, 0.0) < 0.3);
        assert!((decoded.sound.len() as f64 / 44_100.0 - 30.0).abs() < 0.3);
    }
}

#[test]
fn reconnect_with_reencoded_audio_is_placed_by_the_clock() {
    let (_, sound) = &*SONG;
    let samples = |from: f64, to: f64, at: f64| {
        let place = |seconds: f64| (seconds * 44_100.0) as usize;
        let audio = LiveAudio::Samples(sound[place(from)..place(to)].iter().map(|s| s * 0.9).collect());
        Delivery::Live(LiveChunk { arrived: SONG_START + at, audio })
    };
    let live = |from: u32, to: u32| {
        (from..to).map(move |tenth| (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0))
    };
    let mut deliveries: Vec<_> = live(0, 100).map(|(from, to)| samples(from, to, to)).collect();
    deliveries.push(Delivery::Reconnected);
    deliveries.push(samples(4.0, 11.0, 11.0));
    deliveries.extend(live(110, 200).map(|(from, to)| samples(from, to, to)));
    let decoded = process(deliveries);
    assert!((decoded.sound.len() as f64 / 44_100.0 - 20.0).abs() < 0.2, "{}", decoded.sound.len());
    assert!((decoded.report.repeated_seconds - 6.0).abs() < 0.2 && decoded.gaps.is_empty());
}

#[test]
fn paused_station_continues_without_a_gap() {
    let mut deliveries = connection(0.0, 0.0, 10.0);
    for delivery in connection(10.0, 0.0, 30.0) {
        let Delivery::Live(chunk) = delivery else { panic!() };
        deliveries.push(Delivery::Live(LiveChunk { arrived: chunk.arrived + 15.0, ..chunk }));
    }
    let decoded = process(deliveries);
    assert!((decoded.sound.len() as f64 / 44_100.0 - 30.0).abs() < 0.1 && decoded.gaps.is_empty());
}

#[test]
fn silence_of_an_open_connection_does_not_cause_a_gap() {
    let mut deliveries = connection(0.0, 0.0, 10.0);
    // No byte arrives for 15 s, then the connection is closed.
    deliveries.push(chunk(&[], SONG_START + 25.0));
    deliveries.push(Delivery::Reconnected);
    for delivery in connection(10.0, 0.0, 30.0) {
        let Delivery::Live(chunk) = delivery else { panic!() };
        deliveries.push(Delivery::Live(LiveChunk { arrived: chunk.arrived + 15.5, ..chunk }));
    }
    let decoded = process(deliveries);
    assert!(decoded.gaps.is_empty(), "{:?}", decoded.gaps);
    assert!((decoded.sound.len() as f64 / 44_100.0 - 30.0).abs() < 1.0);
    let (position, epoch) = *decoded.times.last().unwrap();
    assert!((epoch - position - SONG_START - 15.25).abs() < 0.75, "the clock must advance by the silence");
}
