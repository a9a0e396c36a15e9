//! Segments decode to the same audio as the unsegmented stream.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use refrain_stream::{Delivery, HlsSegment};
use refrain_testkit::origin::register_ts;

use super::{assert_same, process, process_segments};
use crate::media::{MediaFiles, reference_audio, segment};

const AAC: &str = "-c:a aac -b:a 96k -ar 48000 -f adts";

#[track_caller]
fn assert_seamless(segments: &[HlsSegment], reference_audio: &[f32]) {
    assert!(segments.len() >= 4 && reference_audio.len() > 80_000, "{}", segments.len());
    let decoded = process_segments(segments);
    assert_eq!(decoded.gaps, []);
    assert_same(&decoded.sound, reference_audio);
    let report = decoded.report;
    assert_eq!((report.segments, report.unreadable_segments), (segments.len() as u64, 0));
    assert_eq!((report.decode_errors, report.lost_packets, report.discontinuities), (0, 0, 0));
    assert_eq!((report.format_changes, report.repeated_seconds), (0, 0.0));
}

#[test]
fn aac_segments_decode_like_the_whole_file() {
    let files = MediaFiles::new(1, 10.0);
    let reference_audio = files.encode("song.aac", AAC);
    for extension in ["ts", "m4s", "aac"] {
        assert_seamless(&files.segments("song.aac", 2.0, extension), &reference_audio);
    }
}

#[test]
fn mpeg_audio_segments_decode_like_the_whole_file() {
    let files = MediaFiles::new(2, 10.0);
    files.encode("song.mp3", "-c:a libmp3lame -b:a 128k -ar 44100 -write_xing 0 -id3v2_version 0");
    files.ffmpeg("-i song.mp3 -c copy song.ts");
    let reference_audio = reference_audio(&files.path("song.ts"));
    for extension in ["ts", "m4s", "mp3"] {
        assert_seamless(&files.segments("song.mp3", 2.0, extension), &reference_audio);
    }
    let reference_audio = files.encode("song.mp2", "-c:a mp2 -b:a 192k -ar 48000");
    assert_seamless(&files.segments("song.mp2", 2.0, "ts"), &reference_audio);
}

#[test]
fn opus_and_flac_in_transport_streams_decode_like_the_file() {
    let files = MediaFiles::new(7, 6.0);
    files.encode("song.opus", "-c:a libopus -b:a 96k");
    files.ffmpeg("-i song.opus -c copy opus.ts");
    let opus = reference_audio(&files.path("song.opus"));
    let reader = reference_audio(&files.path("opus.ts"));
    // MPEG-TS has no pre-skip, so the first samples are those before the start of the file.
    let start = reader.len().abs_diff(opus.len());
    assert!(start < 2_000, "{start}");
    assert_seamless(&files.segments("opus.ts", 1.5, "ts"), &reader);

    let flac = files.encode("song.flac", "-c:a flac -ar 44100");
    files.ffmpeg("-i song.flac -c copy -f mpegts private.ts");
    let ts = register_ts(&files.read("private.ts"), *b"fLaC");
    std::fs::write(files.path("flac.ts"), &ts).unwrap();
    assert_same(&reference_audio(&files.path("flac.ts")), &flac);
    let decoded = process_segments(&[segment(ts.clone(), 0, 6.0)]);
    assert_eq!((decoded.gaps, decoded.report.decode_errors), (vec![], 0));
    assert_same(&decoded.sound, &flac);
    let decoded = process(ts.chunks(700).map(|piece| Delivery::Bytes(piece.to_vec().into())));
    assert_same(&decoded.sound, &flac);
}

#[test]
fn ac3_segments_decode_like_the_whole_file() {
    let files = MediaFiles::new(3, 10.0);
    for codec in ["ac3", "eac3"] {
        let name = format!("song.{codec}");
        let reference_audio = files.encode(&name, &format!("-c:a {codec} -b:a 192k -ar 48000"));
        for extension in ["ts", "m4s"] {
            assert_seamless(&files.segments(&name, 2.0, extension), &reference_audio);
        }
        // Packed audio, without a container.
        let whole = segment(files.read(&name), 0, 10.0);
        assert_same(&process_segments(&[whole]).sound, &reference_audio);
    }
}

/// The explicit signaling of HE-AAC is rewritten to that of the core codec, so fragments and transport streams decode
/// to the same samples.
#[test]
fn he_aac_is_decoded_by_its_core() {
    let files = MediaFiles::empty();
    for file in ["he-aac.m4a", "he-aac-v2.m4a"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio").join(file);
        std::fs::copy(&fixture, files.path(file)).unwrap();
        let reference_audio = reference_audio(&fixture);
        assert_seamless(&files.segments(file, 0.4, "m4s"), &reference_audio);
        assert_seamless(&files.segments(file, 0.4, "ts"), &reference_audio);
    }
}

/// A transport stream of 4 s and its decoded samples. Its frames span PES packets.
static STREAM: LazyLock<(Vec<u8>, Vec<f32>)> = LazyLock::new(|| {
    let files = MediaFiles::new(3, 4.0);
    files.ffmpeg("-i song.wav -c:a aac -b:a 96k -ar 48000 song.ts");
    (files.read("song.ts"), reference_audio(&files.path("song.ts")))
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
        let decoded = process_segments(&segments);
        // Very short segments at the end contain no frame. They become gaps, because no later time stamp shows that
        // nothing is missing.
        let end = sound.len().min(decoded.sound.len());
        prop_assert!(decoded.gaps.iter().all(|gap| gap.0 >= end as u64), "{:?}", decoded.gaps);
        prop_assert!(decoded.sound[..end] == sound[..], "{} of {}", decoded.sound.len(), sound.len());
    }

    /// The same holds for a stream of bytes without segments.
    #[test]
    fn any_split_into_pushes_decodes_the_same(places in prop::collection::vec(any::<usize>(), 0..40)) {
        let (bytes, sound) = &*STREAM;
        let decoded = process(cut(bytes, &places).into_iter().map(|piece| Delivery::Bytes(piece.to_vec().into())));
        prop_assert_eq!(decoded.gaps, []);
        prop_assert!(&decoded.sound == sound, "{} of {}", decoded.sound.len(), sound.len());
    }
}

#[test]
fn bare_frames_without_segments_decode_like_the_whole_file() {
    let files = MediaFiles::new(4, 4.0);
    let reference_audio = files.encode("song.aac", AAC);
    let bytes = files.read("song.aac");
    for push in [100, 4_096, bytes.len()] {
        let decoded = process(bytes.chunks(push).map(|piece| Delivery::Bytes(piece.to_vec().into())));
        assert_same(&decoded.sound, &reference_audio);
        assert!(decoded.times.iter().all(|(position, epoch)| (epoch - position - 1.6e9).abs() < 1e-6));
    }
}

#[test]
fn audio_of_video_segments_decodes_like_the_whole_file() {
    let files = MediaFiles::new(5, 8.0);
    files.ffmpeg("-f lavfi -i testsrc=d=8:s=320x240:r=25 -i song.wav -c:v mpeg2video -g 25 -b:v 2M -c:a aac -ar 48000 film.ts");
    let reference_audio = reference_audio(&files.path("film.ts"));
    assert_seamless(&files.segments("film.ts", 2.0, "ts"), &reference_audio);
}

/// Some packagers restart the continuity counters in each segment. The first packet of a segment may then look like a
/// duplicate of the last packet before it.
#[test]
fn restarted_continuity_counters_lose_no_audio() {
    let files = MediaFiles::new(6, 8.0);
    let reference_audio = files.encode("song.aac", AAC);
    let as_made = files.segments("song.aac", 2.0, "ts");
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
        let decoded = process_segments(&segments);
        assert_eq!(decoded.gaps, []);
        assert_same(&decoded.sound, &reference_audio);
    }
}

#[test]
fn fragments_of_other_codecs_decode_like_the_whole_file() {
    let files = MediaFiles::new(7, 8.0);
    for (codec, name) in
        [("libopus -b:a 96k", "opus.mp4"), ("flac -strict -2", "flac.mp4"), ("alac", "alac.mp4")]
    {
        let reference_audio = files.encode(name, &format!("-c:a {codec}"));
        let segments = files.segments(name, 2.0, "m4s");
        let decoded = process_segments(&segments);
        // Only the whole file contains the amount of padding in the last packet.
        assert!(
            decoded.sound.len().abs_diff(reference_audio.len()) < 4_608,
            "{name}: {} of {}",
            decoded.sound.len(),
            reference_audio.len()
        );
        let length = reference_audio.len().min(decoded.sound.len());
        assert_same(&decoded.sound[..length], &reference_audio[..length]);
        assert_eq!((decoded.gaps.len(), decoded.report.decode_errors), (0, 0), "{name}");
    }
}

/// A decoder that joins late lacks only the data that earlier frames hold for the first few frames.
#[test]
fn joining_in_the_middle_decodes_from_there() {
    let files = MediaFiles::new(8, 8.0);
    files.encode("song.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0 -id3v2_version 0");
    files.encode("song.aac", "-c:a aac -b:a 96k -aac_pns 0 -f adts");
    for (name, extension) in
        [("song.mp3", "ts"), ("song.mp3", "mp3"), ("song.aac", "ts"), ("song.aac", "m4s")]
    {
        let segments = files.segments(name, 2.0, extension);
        let (all, late) = (process_segments(&segments), process_segments(&segments[2..]));
        assert!(late.sound.len() > 170_000, "{name} in {extension}: {}", late.sound.len());
        assert_eq!((late.gaps.len(), late.times[0].0), (0, 0.0));
        let settle = 4 * 1_152;
        let tail = &late.sound[settle..];
        assert_same(tail, &all.sound[all.sound.len() - tail.len()..]);
    }
}
