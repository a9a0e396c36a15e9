//! Segments decode to the same audio as the unsegmented stream.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use refrain_stream::{Delivery, Segment};

use super::{assert_same, hear, hear_segments};
use crate::media::{Studio, segment, whole};

const AAC: &str = "-c:a aac -b:a 96k -ar 48000 -f adts";

#[track_caller]
fn assert_seamless(segments: &[Segment], whole: &[f32]) {
    assert!(segments.len() >= 4 && whole.len() > 80_000, "{}", segments.len());
    let heard = hear_segments(segments);
    assert_eq!(heard.gaps, []);
    assert_same(&heard.sound, whole);
    let report = heard.report;
    assert_eq!((report.segments, report.unreadable_segments), (segments.len() as u64, 0));
    assert_eq!((report.decode_errors, report.lost_packets, report.discontinuities), (0, 0, 0));
    assert_eq!((report.format_changes, report.repeated_seconds), (0, 0.0));
}

#[test]
fn aac_segments_decode_like_the_whole_file() {
    let studio = Studio::new(1, 10.0);
    let whole = studio.encode("song.aac", AAC);
    for extension in ["ts", "m4s", "aac"] {
        assert_seamless(&studio.segments("song.aac", 2.0, extension), &whole);
    }
}

#[test]
fn mpeg_audio_segments_decode_like_the_whole_file() {
    let studio = Studio::new(2, 10.0);
    studio.encode("song.mp3", "-c:a libmp3lame -b:a 128k -ar 44100 -write_xing 0 -id3v2_version 0");
    studio.ffmpeg("-i song.mp3 -c copy song.ts");
    let whole = whole(&studio.path("song.ts"));
    for extension in ["ts", "m4s", "mp3"] {
        assert_seamless(&studio.segments("song.mp3", 2.0, extension), &whole);
    }
    let whole = studio.encode("song.mp2", "-c:a mp2 -b:a 192k -ar 48000");
    assert_seamless(&studio.segments("song.mp2", 2.0, "ts"), &whole);
}

/// The explicit signaling of HE-AAC is rewritten to that of the core codec, so fragments and transport streams decode to the
/// same samples.
#[test]
fn he_aac_is_decoded_by_its_core() {
    let studio = Studio::empty();
    for file in ["he-aac.m4a", "he-aac-v2.m4a"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio").join(file);
        std::fs::copy(&fixture, studio.path(file)).unwrap();
        let whole = whole(&fixture);
        assert_seamless(&studio.segments(file, 0.4, "m4s"), &whole);
        assert_seamless(&studio.segments(file, 0.4, "ts"), &whole);
    }
}

/// A transport stream of 4 s and its decoded samples. Its frames span PES packets.
static STREAM: LazyLock<(Vec<u8>, Vec<f32>)> = LazyLock::new(|| {
    let studio = Studio::new(3, 4.0);
    studio.ffmpeg("-i song.wav -c:a aac -b:a 96k -ar 48000 song.ts");
    (studio.read("song.ts"), whole(&studio.path("song.ts")))
});

/// Splits `bytes` at the given places, but not within the first six packets, from which the format is recognized.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let start = 6 * 188;
    let mut places: Vec<usize> = places.iter().map(|place| start + place % (bytes.len() - start)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A transport stream decodes to the same audio however it is split into segments, even very short ones.
    #[test]
    fn any_split_into_segments_decodes_the_same(places in prop::collection::vec(any::<usize>(), 0..40)) {
        let (bytes, sound) = &*STREAM;
        let seconds = |piece: &[u8]| 4.0 * piece.len() as f64 / bytes.len() as f64;
        let pieces = cut(bytes, &places);
        let segments: Vec<_> =
            pieces.iter().map(|piece| segment(piece.to_vec(), 0, seconds(piece))).collect();
        let heard = hear_segments(&segments);
        // Very short segments at the end contain no frame. They become gaps, because no later time stamp shows that nothing
        // is missing.
        let end = sound.len().min(heard.sound.len());
        prop_assert!(heard.gaps.iter().all(|gap| gap.0 >= end as u64), "{:?}", heard.gaps);
        prop_assert!(heard.sound[..end] == sound[..], "{} of {}", heard.sound.len(), sound.len());
    }

    /// The same holds for a stream of bytes without segments.
    #[test]
    fn any_split_into_pushes_decodes_the_same(places in prop::collection::vec(any::<usize>(), 0..40)) {
        let (bytes, sound) = &*STREAM;
        let heard = hear(cut(bytes, &places).into_iter().map(|piece| Delivery::Bytes(piece.to_vec().into())));
        prop_assert_eq!(heard.gaps, []);
        prop_assert!(&heard.sound == sound, "{} of {}", heard.sound.len(), sound.len());
    }
}

#[test]
fn bare_frames_without_segments_decode_like_the_whole_file() {
    let studio = Studio::new(4, 4.0);
    let whole = studio.encode("song.aac", AAC);
    let bytes = studio.read("song.aac");
    for push in [100, 4_096, bytes.len()] {
        let heard = hear(bytes.chunks(push).map(|piece| Delivery::Bytes(piece.to_vec().into())));
        assert_same(&heard.sound, &whole);
        assert!(heard.times.iter().all(|(position, epoch)| (epoch - position - 1.6e9).abs() < 1e-6));
    }
}

#[test]
fn audio_of_video_segments_decodes_like_the_whole_file() {
    let studio = Studio::new(5, 8.0);
    studio.ffmpeg("-f lavfi -i testsrc=d=8:s=320x240:r=25 -i song.wav -c:v mpeg2video -g 25 -b:v 2M -c:a aac -ar 48000 film.ts");
    let whole = whole(&studio.path("film.ts"));
    assert_seamless(&studio.segments("film.ts", 2.0, "ts"), &whole);
}

/// Some packagers restart the continuity counters in each segment. The first packet of a segment may then look like a duplicate
/// of the last packet before it.
#[test]
fn restarted_continuity_counters_lose_no_audio() {
    let studio = Studio::new(6, 8.0);
    let whole = studio.encode("song.aac", AAC);
    let as_made = studio.segments("song.aac", 2.0, "ts");
    for first in 0..16_u32 {
        let mut segments = as_made.clone();
        for segment in &mut segments {
            let mut bytes = segment.bytes.to_vec();
            let audio = bytes.chunks_mut(188).filter(|packet| (packet[1] & 0x1F, packet[2]) == (1, 0));
            audio
                .zip(first..)
                .for_each(|(packet, count)| packet[3] = (packet[3] & 0xF0) | (count as u8 % 16));
            segment.bytes = bytes.into();
        }
        let heard = hear_segments(&segments);
        assert_eq!(heard.gaps, []);
        assert_same(&heard.sound, &whole);
    }
}

#[test]
fn fragments_of_other_codecs_decode_like_the_whole_file() {
    let studio = Studio::new(7, 8.0);
    for (codec, name) in
        [("libopus -b:a 96k", "opus.mp4"), ("flac -strict -2", "flac.mp4"), ("alac", "alac.mp4")]
    {
        let whole = studio.encode(name, &format!("-c:a {codec}"));
        let segments = studio.segments(name, 2.0, "m4s");
        let heard = hear_segments(&segments);
        // Only the whole file contains the amount of padding in the last packet.
        assert!(
            heard.sound.len().abs_diff(whole.len()) < 4_608,
            "{name}: {} of {}",
            heard.sound.len(),
            whole.len()
        );
        let length = whole.len().min(heard.sound.len());
        assert_same(&heard.sound[..length], &whole[..length]);
        assert_eq!((heard.gaps.len(), heard.report.decode_errors), (0, 0), "{name}");
    }
}

/// A decoder that joins late lacks only the data that earlier frames hold for the first few frames.
#[test]
fn joining_in_the_middle_decodes_from_there() {
    let studio = Studio::new(8, 8.0);
    studio.encode("song.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0");
    studio.encode("song.aac", "-c:a aac -b:a 96k -aac_pns 0 -f adts");
    for (name, extension) in
        [("song.mp3", "ts"), ("song.mp3", "mp3"), ("song.aac", "ts"), ("song.aac", "m4s")]
    {
        let segments = studio.segments(name, 2.0, extension);
        let (all, late) = (hear_segments(&segments), hear_segments(&segments[2..]));
        assert!(late.sound.len() > 170_000, "{name} in {extension}: {}", late.sound.len());
        assert_eq!((late.gaps.len(), late.times[0].0), (0, 0.0));
        let settle = 4 * 1_152;
        let tail = &late.sound[settle..];
        assert_same(tail, &all.sound[all.sound.len() - tail.len()..]);
    }
}
