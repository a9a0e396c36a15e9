//! Missing, damaged, repeated and changed input.

use std::sync::LazyLock;

use proptest::prelude::*;
use refrain_stream::{DecoderSettings, Delivery, Gap, GapReason, HlsSegment, Media, StreamDecoder};

use super::{DecodedStream, assert_same, process, process_segments};
use crate::media::{MediaFiles, reference_audio, segment};

/// Ten seconds in five segments, and the decoded samples. At 44.1 kHz no resampling changes the samples. Noise
/// substitution is disabled, because its output differs on each run.
static SONG: LazyLock<(Vec<HlsSegment>, Vec<f32>)> = LazyLock::new(|| {
    let files = MediaFiles::new(10, 10.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 96k -aac_pns 0 -f adts");
    (files.segments("song.aac", 2.0, "ts"), reference_audio)
});

/// Number of samples after a gap that may differ while the decoder settles: a frame and its overlap.
const SETTLE_SAMPLES: usize = 2 * 1_024;

/// Asserts that there is exactly one gap, in place of `segment`, and that all other audio is in its place with a
/// tolerance of one sample, because time stamps are rounded to half a sample.
#[track_caller]
fn assert_gap_of(decoded: &DecodedStream, reference_audio: &[f32], segment: &HlsSegment, reason: GapReason) {
    let [(start, length, why)] = decoded.gaps[..] else { panic!("gaps: {:?}", decoded.gaps) };
    let end = (start + length) as usize;
    assert_eq!(why, reason);
    assert!((length as f64 / 44_100.0 - segment.seconds).abs() < 0.03, "{length} of {}", segment.seconds);
    assert_same(&decoded.sound[..start as usize], &reference_audio[..start as usize]);
    let after = &decoded.sound[end + SETTLE_SAMPLES..];
    let in_place =
        [end + SETTLE_SAMPLES - 1, end + SETTLE_SAMPLES, end + SETTLE_SAMPLES + 1].into_iter().any(|from| {
            let length = after.len().min(reference_audio.len() - from);
            reference_audio[from..from + length] == after[..length]
        });
    assert!(after.len() > 40_000 && in_place, "the audio after the gap is misplaced");
    let gaps = decoded.report.gaps.of(reason);
    assert_eq!((gaps.count, decoded.report.gaps.total().count), (1, 1));
    assert!((gaps.seconds - length as f64 / 44_100.0).abs() < 1e-9);
}

fn with(replaced: Option<Delivery>) -> DecodedStream {
    let segments = SONG.0.iter().cloned().map(Delivery::HlsSegment);
    let (before, after): (Vec<_>, Vec<_>) = segments.enumerate().partition(|(i, _)| *i < 2);
    let all = before.into_iter().chain(after.into_iter().skip(1)).map(|(_, delivery)| delivery);
    let mut all: Vec<_> = all.collect();
    replaced.into_iter().for_each(|delivery| all.insert(2, delivery));
    process(all)
}

#[test]
fn missing_segment_is_a_gap_of_its_length() {
    let (segments, reference_audio) = &*SONG;
    assert_gap_of(&with(None), reference_audio, &segments[2], GapReason::Lost);
    for seconds in [2.0, 1.5, 9.9, f64::NAN] {
        let gap = Gap { seconds, reason: GapReason::NotFetched, program_date_time: None };
        let reason = if seconds.is_nan() { GapReason::Lost } else { GapReason::NotFetched };
        assert_gap_of(&with(Some(Delivery::Gap(gap))), reference_audio, &segments[2], reason);
    }
}

#[test]
fn segment_without_media_is_a_gap() {
    let (segments, reference_audio) = &*SONG;
    let noise = (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let bodies: [Vec<u8>; 6] = [
        Vec::new(),
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>".to_vec(),
        b"WEBVTT\n\n00:00.000 --> 00:02.000\nla la la\n".to_vec(),
        noise,
        vec![0x47; 10_000],
        vec![0; 3],
    ];
    for body in bodies {
        let bad = HlsSegment { bytes: body.into(), ..segments[2].clone() };
        let decoded = with(Some(Delivery::HlsSegment(bad)));
        assert_gap_of(&decoded, reference_audio, &segments[2], GapReason::Unreadable);
        assert_eq!(decoded.report.unreadable_segments, 1);
    }
}

#[test]
fn truncated_segment_is_followed_by_a_gap() {
    let (segments, reference_audio) = &*SONG;
    let bytes = segments[2].bytes.slice(..segments[2].bytes.len() / 2);
    let half = HlsSegment { bytes, seconds: segments[2].seconds / 2.0, ..segments[2].clone() };
    let decoded = with(Some(Delivery::HlsSegment(half)));
    let [(_, length, GapReason::Lost)] = decoded.gaps[..] else { panic!("{:?}", decoded.gaps) };
    assert!((length as f64 / 44_100.0 - 1.0).abs() < 0.2, "{length}");
    assert!(decoded.sound.len().abs_diff(reference_audio.len()) <= 1);
}

#[test]
fn repeated_segment_is_decoded_once() {
    let (segments, reference_audio) = &*SONG;
    let mut twice = segments.clone();
    twice.insert(3, segments[2].clone());
    let decoded = process_segments(&twice);
    assert_same(&decoded.sound, reference_audio);
    assert!((decoded.report.repeated_seconds - segments[2].seconds).abs() < 0.03);
}

#[test]
fn time_stamp_wraparound_loses_nothing() {
    let files = MediaFiles::new(11, 8.0);
    // Time stamps wrap at 2^33 / 90,000 = 95,443.7 s.
    files.ffmpeg("-i song.wav -c:a aac -b:a 96k -output_ts_offset 95440 -mpegts_copyts 1 song.ts");
    let reference_audio = reference_audio(&files.path("song.ts"));
    let bytes = files.read("song.ts");
    let size = bytes.len() / 4 / 188 * 188;
    let segments: Vec<_> = bytes.chunks(size).map(|bytes| segment(bytes.to_vec(), 0, 2.0)).collect();
    let decoded = process_segments(&segments);
    assert_same(&decoded.sound, &reference_audio);
    assert_eq!((decoded.gaps, decoded.report.discontinuities), (Vec::new(), 0));
}

#[test]
fn discontinuity_continues_without_a_gap() {
    let (segments, reference_audio) = &*SONG;
    let mut all = segments.clone();
    all.extend(segments.iter().cloned());
    all[segments.len()].discontinuity = true;
    let decoded = process_segments(&all);
    assert_same(&decoded.sound, &[&reference_audio[..], reference_audio].concat());
    assert_eq!((decoded.gaps, decoded.report.discontinuities), (Vec::new(), 1));
    // An unannounced discontinuity: the time stamps are unrelated to the previous ones.
    let files = MediaFiles::new(15, 4.0);
    let other = files.encode("song.ts", "-c:a aac -b:a 96k -aac_pns 0 -output_ts_offset 5000");
    all.truncate(segments.len());
    all.push(segment(files.read("song.ts"), 9, 4.0));
    let decoded = process_segments(&all);
    assert_same(&decoded.sound, &[&reference_audio[..], &other].concat());
    assert_eq!((decoded.gaps, decoded.report.discontinuities), (Vec::new(), 1));
}

#[test]
fn change_of_codec_and_rate_continues_without_a_gap() {
    let files = MediaFiles::new(12, 6.0);
    let low =
        files.encode("low.mp3", "-c:a libmp3lame -b:a 48k -ar 24000 -ac 1 -write_xing 0 -id3v2_version 0");
    let (segments, aac) = &*SONG;
    for extension in ["ts", "mp3", "m4s"] {
        let mut other = files.segments("low.mp3", 2.0, extension);
        other[0].discontinuity = true;
        let mut back = segments.clone();
        back[0].discontinuity = true;
        let decoded = process_segments(&[segments, &other[..], &back].concat());
        assert_eq!((&decoded.gaps[..], decoded.report.decode_errors), (&[][..], 0), "{extension}");
        assert_same(&decoded.sound[..aac.len()], aac);
        assert_same(&decoded.sound[decoded.sound.len() - aac.len()..], aac);
        let between = decoded.sound.len() - 2 * aac.len();
        assert!(between.abs_diff(low.len()) < 3_000, "{extension}: {between} of {}", low.len());
        let codec = decoded.report.format.map(|(_, rate, channels)| (rate, channels));
        assert_eq!((decoded.report.format_changes, codec), (2, Some((44_100, 2))), "{extension}");
    }
}

#[test]
fn video_without_audio_is_skipped() {
    let files = MediaFiles::empty();
    files.ffmpeg("-f lavfi -i testsrc=d=4:s=160x120 -c:v mpeg2video video.ts");
    let (segments, reference_audio) = &*SONG;
    let silent = segment(files.read("video.ts"), 0, 4.0);
    let alone = process_segments(&[silent.clone(), silent.clone()]);
    assert!(alone.sound.is_empty());
    assert_eq!(alone.report.unreadable_segments, 2);
    let followed = process_segments(&[&[silent][..], segments].concat());
    assert_same(&followed.sound, reference_audio);
}

#[test]
fn gap_of_hours_is_reported_without_samples() {
    let (segments, _) = &*SONG;
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    let (mut missing, mut max_samples) = (0, 0);
    let hours = Gap { seconds: 36_000.0, reason: GapReason::Missed, program_date_time: None };
    let mut later = segments[1].clone();
    later.discontinuity = true;
    for delivery in
        [Delivery::HlsSegment(segments[0].clone()), Delivery::Gap(hours), Delivery::HlsSegment(later)]
    {
        decoder.process(delivery, |sound| match sound.media {
            Media::Gap { samples, .. } => missing += samples,
            Media::Samples(samples) => max_samples = max_samples.max(samples.len()),
        });
    }
    assert_eq!(missing, 36_000 * 44_100);
    assert!(max_samples < 20_000, "{max_samples}");
}

#[test]
fn consecutive_gaps_are_emitted_without_later_segments() {
    let gap = || Delivery::Gap(Gap { seconds: 6.0, reason: GapReason::NotFetched, program_date_time: None });
    let first = Delivery::HlsSegment(SONG.0[0].clone());
    let (mut decoder, mut decoded) = (StreamDecoder::new(DecoderSettings::default()), 0.0);
    for delivery in [first, gap(), gap(), gap()] {
        decoder.process(delivery, |sound| decoded = sound.seconds() + sound.length() as f64 / 44_100.0);
    }
    assert!(decoded > 9.0, "{decoded}");
    let all = process([Delivery::HlsSegment(SONG.0[0].clone()), gap(), gap(), gap()]);
    let sum: u64 = all.gaps.iter().map(|gap| gap.1).sum();
    assert!(sum.abs_diff(18 * 44_100) <= 1, "{sum}");
    assert_eq!(all.report.gaps.of(GapReason::NotFetched).count, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// For any damage to the bytes, the decoder does not panic, keeps the audio in order, and outputs no more audio
    /// than there was.
    #[test]
    fn random_damage_does_not_break_the_decoder(
        kind in 0..3_usize,
        hits in prop::collection::vec((any::<usize>(), any::<u8>()), 0..30),
        cuts in prop::collection::vec((0..5_usize, any::<usize>()), 0..3),
    ) {
        static KINDS: LazyLock<Vec<Vec<HlsSegment>>> = LazyLock::new(|| {
            let files = MediaFiles::new(14, 6.0);
            files.encode("song.aac", "-c:a aac -b:a 64k -ar 32000 -f adts");
            ["ts", "m4s", "aac"].iter().map(|kind| files.segments("song.aac", 1.2, kind)).collect()
        });
        let mut segments = KINDS[kind].clone();
        let count = segments.len();
        for (at, value) in hits {
            let segment = &mut segments[at % count];
            let mut bytes = segment.bytes.to_vec();
            let place = (at / count) % bytes.len();
            bytes[place] ^= value;
            segment.bytes = bytes.into();
        }
        for (which, at) in cuts {
            let bytes = &mut segments[which % count].bytes;
            bytes.truncate(at % (bytes.len() + 1));
        }
        let decoded = process_segments(&segments);
        prop_assert!(decoded.report.seconds < 6.5, "{}", decoded.report.seconds);
    }
}
