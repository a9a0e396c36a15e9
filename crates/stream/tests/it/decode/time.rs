//! The time of day of the decoded audio.

use std::sync::LazyLock;

use refrain_stream::{ClockSource, DecoderSettings, Delivery, Gap, GapReason, HlsSegment, StreamDecoder};

use super::{process, process_segments};
use crate::media::MediaFiles;

/// Twelve seconds in six segments, without program date-times.
static SONG: LazyLock<Vec<HlsSegment>> = LazyLock::new(|| {
    let files = MediaFiles::new(20, 12.0);
    files.encode("song.aac", "-c:a aac -b:a 64k -ar 48000 -f adts");
    files.segments("song.aac", 2.0, "ts")
});

fn dated(shift: impl Fn(usize) -> f64) -> Vec<HlsSegment> {
    let mut start = 1.65e9;
    let date = |(i, segment): (usize, &HlsSegment)| {
        let dated = HlsSegment { program_date_time: Some(start + shift(i)), ..segment.clone() };
        start += segment.seconds;
        dated
    };
    SONG.iter().enumerate().map(date).collect()
}

#[test]
fn segment_dates_set_the_epoch_of_their_samples() {
    let decoded = process_segments(&dated(|i| if i % 2 == 1 { 0.12 } else { 0.0 }));
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - 1.65e9).abs());
    assert!(off.fold(0.0, f64::max) < 0.03, "{:?}", decoded.times);
}

#[test]
fn dates_that_jump_forward_are_adopted_and_backward_ignored() {
    // More than an encoder can lose at a restart.
    let mut segments = dated(|i| if i < 3 { 0.0 } else { 3_600.0 });
    segments[3].discontinuity = true;
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    let mut last = (0.0, 0.0);
    for segment in segments {
        decoder.process(Delivery::HlsSegment(segment), |sound| last = (sound.seconds(), sound.epoch));
    }
    assert!((last.1 - last.0 - 1.65e9 - 3_600.0).abs() < 0.03, "{last:?}");
    assert!((decoder.clock().epoch(1.0).unwrap() - 1.65e9 - 1.0).abs() < 0.03, "before the jump");
    assert_eq!(
        (decoder.clock().source(), decoder.clock().set_back()),
        (Some(ClockSource::ProgramDateTime), 0.0)
    );
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    for segment in dated(|i| if i < 3 { 0.0 } else { -500.0 }) {
        decoder.process(Delivery::HlsSegment(segment), |sound| last = (sound.seconds(), sound.epoch));
    }
    assert!((last.1 - last.0 - 1.65e9).abs() < 0.03, "{last:?}");
    assert!((decoder.clock().set_back() - 500.0).abs() < 0.03);
}

#[test]
fn without_dates_the_first_arrival_sets_the_clock() {
    let mut segments = SONG.clone();
    segments.iter_mut().zip(0..).for_each(|(segment, i)| segment.first_listed = 1.7e9 + 2.3 * f64::from(i));
    let start = 1.7e9 - segments[0].seconds;
    let decoded = process_segments(&segments);
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - start).abs());
    assert!(off.fold(0.0, f64::max) < 1e-3, "{:?}", decoded.times);
}

#[test]
fn without_dates_the_end_of_the_playlist_is_the_current_time() {
    let mut segments = SONG.clone();
    let lengths: Vec<f64> = segments.iter().map(|segment| segment.seconds).collect();
    let first_listed = |first: usize, last: usize| 1.7e9 + lengths[first..=last].iter().sum::<f64>() + 0.3;
    for (nth, segment) in segments.iter_mut().enumerate() {
        // The playlist lists three segments when the stream is joined. Each other segment is listed when it is
        // complete.
        segment.first_listed = first_listed(0, nth.max(2));
        segment.backlog = Some(lengths[nth + 1..nth.max(2) + 1].iter().sum());
    }
    let decoded = process_segments(&segments);
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - 1.7e9 - 0.3).abs());
    assert!(off.fold(0.0, f64::max) < 0.05, "{:?}", decoded.times);
}

#[test]
fn recording_without_dates_starts_at_the_time_of_joining() {
    let mut segments = SONG.clone();
    for segment in &mut segments {
        (segment.first_listed, segment.backlog) = (1.7e9, None);
    }
    let start = 1.7e9 - segments[0].seconds;
    let decoded = process_segments(&segments);
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - start).abs());
    assert!(off.fold(0.0, f64::max) < 1e-3, "{:?}", decoded.times);
}

#[test]
fn clock_is_continued_from_time_stamps() {
    let mut segments = SONG.clone();
    segments.iter_mut().zip(0..).for_each(|(segment, i)| segment.first_listed = 1.7e9 + 2.0 * f64::from(i));
    let mut first = StreamDecoder::new(DecoderSettings::default());
    let mut expected = Vec::new();
    for segment in segments.iter().take(3).cloned() {
        first.process(Delivery::HlsSegment(segment), |sound| expected.push(sound.epoch - sound.seconds()));
    }
    let anchor = first.clock_anchor().unwrap();
    // The next worker starts at the third segment, and its own estimate of the clock would be 3 s late.
    let mut next = StreamDecoder::new(DecoderSettings::default());
    next.continue_clock(anchor);
    let skipped: f64 = segments[..2].iter().map(|segment| segment.seconds).sum();
    for mut segment in segments.into_iter().skip(2) {
        segment.first_listed += 3.0;
        next.process(Delivery::HlsSegment(segment), |sound| {
            assert!(sound.shared_clock);
            let error = sound.epoch - sound.seconds() - skipped - expected[0];
            assert!(error.abs() < 0.05, "{error}");
        });
    }
}

#[test]
fn arrival_delay_is_measured() {
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    for segment in dated(|_| 0.0) {
        let end = segment.program_date_time.unwrap() + segment.seconds;
        decoder.process(Delivery::HlsSegment(HlsSegment { first_listed: end + 7.25, ..segment }), |_| ());
    }
    assert!((decoder.clock().arrival_offset().unwrap() - 7.25).abs() < 1e-6);
}

#[test]
fn gaps_advance_the_clock() {
    let segments = dated(|_| 0.0);
    let gap = Gap {
        seconds: segments[1].seconds,
        reason: GapReason::Marked,
        program_date_time: segments[1].program_date_time,
    };
    let rest = segments[2..].iter().cloned().map(Delivery::HlsSegment);
    let decoded =
        process([Delivery::HlsSegment(segments[0].clone()), Delivery::Gap(gap)].into_iter().chain(rest));
    assert_eq!(decoded.gaps.len(), 1);
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - 1.65e9).abs());
    assert!(off.fold(0.0, f64::max) < 0.03, "{:?}", decoded.times);
}
