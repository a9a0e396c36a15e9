//! Stations that change their codec or container within a connection.

use refrain_stream::{Delivery, GapReason, LiveAudio, LiveChunk};

use super::{http_response, in_real_time, receive, station, status_410};
use crate::decode::process;
use crate::media::MediaFiles;

const MP3: &str = "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0";
const AAC: &str = "-c:a aac -b:a 96k -f adts";

/// Returns the bytes as live audio that arrives in real time from `start` (seconds since 1970) on, at 12,000 bytes per
/// second.
fn live(bytes: &[u8], start: f64) -> impl Iterator<Item = Delivery> {
    let pieces = bytes.chunks(1_200).enumerate().map(move |(nth, piece)| {
        let arrived = start + 0.1 * (nth + 1) as f64;
        Delivery::Live(LiveChunk { arrived, audio: LiveAudio::Bytes(piece.to_vec().into()) })
    });
    pieces.collect::<Vec<_>>().into_iter()
}

#[test]
fn change_of_the_codec_loses_no_audio() {
    let files = MediaFiles::new(80, 6.0);
    let (mp3, aac) = (files.encode("song.mp3", MP3), files.encode("song.aac", AAC));
    let bytes =
        [files.read("song.mp3"), files.read("song.aac"), files.read("song.mp3"), files.read("song.aac")]
            .concat();
    // The result does not depend on the pieces in which the bytes arrive.
    for piece in [500, 1_200, 5_000, 100_000] {
        let pieces = bytes.chunks(piece).scan(1.7e9, |arrived, piece| {
            *arrived += piece.len() as f64 / 12_000.0;
            let audio = LiveAudio::Bytes(piece.to_vec().into());
            Some(Delivery::Live(LiveChunk { arrived: *arrived, audio }))
        });
        let decoded = process(pieces);
        let expected = 2 * (mp3.len() + aac.len());
        // Frames whose bit reservoir is in the other format are missing.
        assert!(decoded.sound.len().abs_diff(expected) <= 8 * 1_152, "{piece}: {}", decoded.sound.len());
        assert_eq!((decoded.report.gaps.total().count, decoded.report.format_changes), (0, 3), "{piece}");
    }
}

#[test]
fn undecodable_audio_within_a_connection_is_a_gap_of_its_duration() {
    let files = MediaFiles::new(81, 10.0);
    let (mp3, aac) = (files.encode("song.mp3", MP3), files.encode("song.aac", AAC));
    // 20 s of bytes of an unknown codec.
    let noise: Vec<u8> = (0..240_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (next, length) in [("song.aac", aac.len()), ("song.mp3", mp3.len())] {
        let next = files.read(next);
        let start = 1.7e9;
        let after = start + files.read("song.mp3").len() as f64 / 12_000.0;
        let decoded = process(
            live(&files.read("song.mp3"), start).chain(live(&noise, after)).chain(live(&next, after + 20.0)),
        );
        let [(_, gap, GapReason::Unreadable)] = decoded.gaps[..] else { panic!("{:?}", decoded.gaps) };
        let seconds = gap as f64 / 44_100.0;
        assert!((seconds - 20.0).abs() < 1.0, "{seconds}");
        let expected = mp3.len() + length + 20 * 44_100;
        assert!(decoded.sound.len().abs_diff(expected) < 44_100, "{}", decoded.sound.len());
    }
}

#[test]
fn picture_between_two_songs_is_not_a_gap() {
    let files = MediaFiles::new(82, 6.0);
    let mp3 = files.encode("song.mp3", MP3);
    let picture = vec![0x55; 200_000];
    let bytes = files.read("song.mp3");
    let start = 1.7e9;
    let after = start + bytes.len() as f64 / 12_000.0;
    // The picture arrives at once.
    let audio = LiveAudio::Bytes(picture.into());
    let picture = Delivery::Live(LiveChunk { arrived: after + 0.02, audio });
    let decoded = process(live(&bytes, start).chain([picture]).chain(live(&bytes, after)));
    assert!(decoded.gaps.is_empty(), "{:?}", decoded.gaps);
    assert!(decoded.sound.len().abs_diff(2 * mp3.len()) <= 4 * 1_152, "{}", decoded.sound.len());
}

#[tokio::test]
async fn change_between_frames_and_ogg_loses_no_audio() {
    let files = MediaFiles::new(83, 6.0);
    let aac = files.encode("song.aac", AAC);
    for (name, codec) in [("song.ogg", "libvorbis"), ("song.opus", "libopus"), ("flac.ogg", "flac")] {
        let ogg = files.encode(name, &format!("-c:a {codec}"));
        let (frames, container) = (files.read("song.aac"), files.read(name));
        let body = [&frames[..], &container, &container, &frames, &container].concat();
        let response = http_response("HTTP/1.0 200 OK\nContent-Type: audio/aacp", &body);
        let (address, _) = station(vec![response, status_410()]).await;
        let (all, status) = receive(&address).await;
        assert_eq!((status.connections, status.failures), (1, 2), "{name}: {status:?}");
        let decoded = process(in_real_time(all, 12_000.0));
        let expected = 2 * aac.len() + 3 * ogg.len();
        assert!(decoded.sound.len().abs_diff(expected) <= 4 * 2_048, "{name}: {}", decoded.sound.len());
        assert_eq!(decoded.report.gaps.total().count, 0, "{name}: {:?}", decoded.report);
    }
}
