//! Missing, damaged, repeated and changed input.

use std::sync::LazyLock;

use proptest::prelude::*;
use refrain_stream::{Delivery, Ear, EarSettings, Gap, GapReason, Media, Segment};

use super::{Heard, assert_same, hear, hear_segments};
use crate::media::{Studio, segment, whole};

/// Ten seconds in five segments, and the decoded samples. At 44.1 kHz no resampling changes the samples. Noise substitution is
/// disabled, because its output differs on each run.
static SONG: LazyLock<(Vec<Segment>, Vec<f32>)> = LazyLock::new(|| {
    let studio = Studio::new(10, 10.0);
    let whole = studio.encode("song.aac", "-c:a aac -b:a 96k -aac_pns 0 -f adts");
    (studio.segments("song.aac", 2.0, "ts"), whole)
});

/// Number of samples after a gap that may differ while the decoder settles: a frame and its overlap.
const SETTLE: usize = 2 * 1_024;

/// Asserts that there is exactly one gap, in place of `segment`, and that all other audio is in its place with a tolerance of
/// one sample, because time stamps are rounded to half a sample.
#[track_caller]
fn assert_gap_of(heard: &Heard, whole: &[f32], segment: &Segment, reason: GapReason) {
    let [(start, length, why)] = heard.gaps[..] else { panic!("gaps: {:?}", heard.gaps) };
    let end = (start + length) as usize;
    assert_eq!(why, reason);
    assert!((length as f64 / 44_100.0 - segment.seconds).abs() < 0.03, "{length} of {}", segment.seconds);
    assert_same(&heard.sound[..start as usize], &whole[..start as usize]);
    let behind = &heard.sound[end + SETTLE..];
    let in_place = [end + SETTLE - 1, end + SETTLE, end + SETTLE + 1].into_iter().any(|from| {
        let length = behind.len().min(whole.len() - from);
        whole[from..from + length] == behind[..length]
    });
    assert!(behind.len() > 40_000 && in_place, "the audio after the gap is misplaced");
    let gaps = heard.report.gaps.of(reason);
    assert_eq!((gaps.count, heard.report.gaps.total().count), (1, 1));
    assert!((gaps.seconds - length as f64 / 44_100.0).abs() < 1e-9);
}

fn with(replaced: Option<Delivery>) -> Heard {
    let segments = SONG.0.iter().cloned().map(Delivery::Segment);
    let (before, behind): (Vec<_>, Vec<_>) = segments.enumerate().partition(|(i, _)| *i < 2);
    let all = before.into_iter().chain(behind.into_iter().skip(1)).map(|(_, delivery)| delivery);
    let mut all: Vec<_> = all.collect();
    replaced.into_iter().for_each(|delivery| all.insert(2, delivery));
    hear(all)
}

#[test]
fn missing_segment_is_a_gap_of_its_length() {
    let (segments, whole) = &*SONG;
    assert_gap_of(&with(None), whole, &segments[2], GapReason::Lost);
    for seconds in [2.0, 1.5, 9.9, f64::NAN] {
        let gap = Gap { seconds, reason: GapReason::NotFetched, program_date_time: None };
        let reason = if seconds.is_nan() { GapReason::Lost } else { GapReason::NotFetched };
        assert_gap_of(&with(Some(Delivery::Gap(gap))), whole, &segments[2], reason);
    }
}

#[test]
fn segment_without_media_is_a_gap() {
    let (segments, whole) = &*SONG;
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
        let bad = Segment { bytes: body.into(), ..segments[2].clone() };
        let heard = with(Some(Delivery::Segment(bad)));
        assert_gap_of(&heard, whole, &segments[2], GapReason::Unreadable);
        assert_eq!(heard.report.unreadable_segments, 1);
    }
}

#[test]
fn truncated_segment_is_followed_by_a_gap() {
    let (segments, whole) = &*SONG;
    let bytes = segments[2].bytes.slice(..segments[2].bytes.len() / 2);
    let half = Segment { bytes, seconds: segments[2].seconds / 2.0, ..segments[2].clone() };
    let heard = with(Some(Delivery::Segment(half)));
    let [(_, length, GapReason::Lost)] = heard.gaps[..] else { panic!("{:?}", heard.gaps) };
    assert!((length as f64 / 44_100.0 - 1.0).abs() < 0.2, "{length}");
    assert!(heard.sound.len().abs_diff(whole.len()) <= 1);
}

#[test]
fn repeated_segment_is_decoded_once() {
    let (segments, whole) = &*SONG;
    let mut twice = segments.clone();
    twice.insert(3, segments[2].clone());
    let heard = hear_segments(&twice);
    assert_same(&heard.sound, whole);
    assert!((heard.report.repeated_seconds - segments[2].seconds).abs() < 0.03);
}

#[test]
fn time_stamp_wraparound_loses_nothing() {
    let studio = Studio::new(11, 8.0);
    // Time stamps wrap at 2^33 / 90,000 = 95,443.7 s.
    studio.ffmpeg("-i song.wav -c:a aac -b:a 96k -output_ts_offset 95440 -mpegts_copyts 1 song.ts");
    let whole = whole(&studio.path("song.ts"));
    let bytes = studio.read("song.ts");
    let size = bytes.len() / 4 / 188 * 188;
    let segments: Vec<_> = bytes.chunks(size).map(|bytes| segment(bytes.to_vec(), 0, 2.0)).collect();
    let heard = hear_segments(&segments);
    assert_same(&heard.sound, &whole);
    assert_eq!((heard.gaps, heard.report.discontinuities), (Vec::new(), 0));
}

#[test]
fn discontinuity_continues_without_a_gap() {
    let (segments, whole) = &*SONG;
    let mut all = segments.clone();
    all.extend(segments.iter().cloned());
    all[segments.len()].discontinuity = true;
    let heard = hear_segments(&all);
    assert_same(&heard.sound, &[&whole[..], whole].concat());
    assert_eq!((heard.gaps, heard.report.discontinuities), (Vec::new(), 1));
    // An unannounced discontinuity: the time stamps are unrelated to the previous ones.
    let studio = Studio::new(15, 4.0);
    let other = studio.encode("song.ts", "-c:a aac -b:a 96k -aac_pns 0 -output_ts_offset 5000");
    all.truncate(segments.len());
    all.push(segment(studio.read("song.ts"), 9, 4.0));
    let heard = hear_segments(&all);
    assert_same(&heard.sound, &[&whole[..], &other].concat());
    assert_eq!((heard.gaps, heard.report.discontinuities), (Vec::new(), 1));
}

#[test]
fn change_of_codec_and_rate_continues_without_a_gap() {
    let studio = Studio::new(12, 6.0);
    let low =
        studio.encode("low.mp3", "-c:a libmp3lame -b:a 48k -ar 24000 -ac 1 -write_xing 0 -id3v2_version 0");
    let (segments, aac) = &*SONG;
    for extension in ["ts", "mp3", "m4s"] {
        let mut other = studio.segments("low.mp3", 2.0, extension);
        other[0].discontinuity = true;
        let mut back = segments.clone();
        back[0].discontinuity = true;
        let heard = hear_segments(&[segments, &other[..], &back].concat());
        assert_eq!((&heard.gaps[..], heard.report.decode_errors), (&[][..], 0), "{extension}");
        assert_same(&heard.sound[..aac.len()], aac);
        assert_same(&heard.sound[heard.sound.len() - aac.len()..], aac);
        let between = heard.sound.len() - 2 * aac.len();
        assert!(between.abs_diff(low.len()) < 3_000, "{extension}: {between} of {}", low.len());
        let codec = heard.report.format.map(|(_, rate, channels)| (rate, channels));
        assert_eq!((heard.report.format_changes, codec), (2, Some((44_100, 2))), "{extension}");
    }
}

#[test]
fn video_without_audio_is_skipped() {
    let studio = Studio::empty();
    studio.ffmpeg("-f lavfi -i testsrc=d=4:s=160x120 -c:v mpeg2video video.ts");
    let (segments, whole) = &*SONG;
    let silent = segment(studio.read("video.ts"), 0, 4.0);
    let alone = hear_segments(&[silent.clone(), silent.clone()]);
    assert!(alone.sound.is_empty());
    assert_eq!(alone.report.unreadable_segments, 2);
    let followed = hear_segments(&[&[silent][..], segments].concat());
    assert_same(&followed.sound, whole);
}

#[test]
fn surround_is_reported_as_unsupported() {
    let studio = Studio::new(13, 4.0);
    studio.ffmpeg("-i song.wav -ac 6 -c:a aac song.ts");
    let heard = hear_segments(&[segment(studio.read("song.ts"), 0, 4.0)]);
    assert!(heard.sound.is_empty());
    assert!(heard.report.unsupported.unwrap().contains("5.1"));
}

#[test]
fn gap_of_hours_is_reported_without_samples() {
    let (segments, _) = &*SONG;
    let mut ear = Ear::new(EarSettings::default());
    let (mut missing, mut most) = (0, 0);
    let hours = Gap { seconds: 36_000.0, reason: GapReason::Missed, program_date_time: None };
    let mut later = segments[1].clone();
    later.discontinuity = true;
    for delivery in [Delivery::Segment(segments[0].clone()), Delivery::Gap(hours), Delivery::Segment(later)] {
        ear.hear(delivery, |sound| match sound.media {
            Media::Gap { samples, .. } => missing += samples,
            Media::Samples(samples) => most = most.max(samples.len()),
        });
    }
    assert_eq!(missing, 36_000 * 44_100);
    assert!(most < 20_000, "{most}");
}

#[test]
fn consecutive_gaps_are_emitted_without_later_segments() {
    let gap = || Delivery::Gap(Gap { seconds: 6.0, reason: GapReason::NotFetched, program_date_time: None });
    let first = Delivery::Segment(SONG.0[0].clone());
    let (mut ear, mut heard) = (Ear::new(EarSettings::default()), 0.0);
    for delivery in [first, gap(), gap(), gap()] {
        ear.hear(delivery, |sound| heard = sound.seconds() + sound.length() as f64 / 44_100.0);
    }
    assert!(heard > 9.0, "{heard}");
    let all = hear([Delivery::Segment(SONG.0[0].clone()), gap(), gap(), gap()]);
    let sum: u64 = all.gaps.iter().map(|gap| gap.1).sum();
    assert!(sum.abs_diff(18 * 44_100) <= 1, "{sum}");
    assert_eq!(all.report.gaps.of(GapReason::NotFetched).count, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// For any damage to the bytes, the decoder does not panic, keeps the audio in order, and outputs no more audio than
    /// there was.
    #[test]
    fn random_damage_does_not_break_the_decoder(
        kind in 0..3_usize,
        hits in prop::collection::vec((any::<usize>(), any::<u8>()), 0..30),
        cuts in prop::collection::vec((0..5_usize, any::<usize>()), 0..3),
    ) {
        static KINDS: LazyLock<Vec<Vec<Segment>>> = LazyLock::new(|| {
            let studio = Studio::new(14, 6.0);
            studio.encode("song.aac", "-c:a aac -b:a 64k -ar 32000 -f adts");
            ["ts", "m4s", "aac"].iter().map(|kind| studio.segments("song.aac", 1.2, kind)).collect()
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
        let heard = hear_segments(&segments);
        prop_assert!(heard.report.seconds < 6.5, "{}", heard.report.seconds);
    }
}
