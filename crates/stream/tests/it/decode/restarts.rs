//! Dates after the restart of an encoder show what it lost or repeats.

use refrain_stream::{Delivery, Gap, GapReason, HlsSegment};

use super::{DecodedStream, process, process_segments};
use crate::media::MediaFiles;

/// Date of the first segment, seconds since 1970.
const START: f64 = 1.65e9;

/// Twelve seconds in six segments of a live playlist, with program date-times and a discontinuity before segment 3.
fn live() -> Vec<HlsSegment> {
    let files = MediaFiles::new(20, 12.0);
    files.encode("song.aac", "-c:a aac -b:a 64k -ar 48000 -f adts");
    let mut segments = files.segments("song.aac", 2.0, "ts");
    let mut date = START;
    for (number, segment) in segments.iter_mut().enumerate() {
        (segment.program_date_time, segment.backlog) = (Some(date), Some(0.0));
        segment.discontinuity = number == 3;
        date += segment.seconds;
    }
    segments
}

/// Adds `seconds` to the dates from segment 3 on.
fn shift(segments: &mut [HlsSegment], seconds: f64) {
    for segment in segments.iter_mut().skip(3) {
        segment.program_date_time = segment.program_date_time.map(|date| date + seconds);
    }
}

/// Asserts that each position has the time `START` plus its position.
fn assert_continuous(decoded: &DecodedStream) {
    let off = decoded.times.iter().map(|(position, epoch)| (epoch - position - START).abs());
    assert!(off.fold(0.0, f64::max) < 0.05, "{:?}", decoded.times);
}

#[test]
fn audio_that_an_encoder_lost_at_a_restart_is_a_gap() {
    let mut segments = live();
    shift(&mut segments, 5.0);
    let decoded = process_segments(&segments);
    assert_continuous(&decoded);
    let [(position, length, GapReason::Lost)] = decoded.gaps[..] else { panic!("{:?}", decoded.gaps) };
    assert!((position as f64 / 44_100.0 - 6.0).abs() < 0.1, "{position}");
    assert!((length as f64 / 44_100.0 - 5.0).abs() < 0.05, "{length}");
    assert!((decoded.sound.len() as f64 / 44_100.0 - 17.0).abs() < 0.1, "{} samples", decoded.sound.len());
    assert_eq!(decoded.report.unreadable_segments, 0);
}

#[test]
fn a_known_gap_is_not_counted_twice() {
    let mut segments = live();
    shift(&mut segments, 5.0);
    let gap = Gap { seconds: 5.0, reason: GapReason::NotFetched, program_date_time: None };
    let mut deliveries: Vec<_> = segments.into_iter().map(Delivery::HlsSegment).collect();
    deliveries.insert(3, Delivery::Gap(gap));
    let decoded = process(deliveries);
    assert_continuous(&decoded);
    let reasons: Vec<_> = decoded.gaps.iter().map(|(_, _, reason)| *reason).collect();
    assert_eq!(reasons, [GapReason::NotFetched]);
}

#[test]
fn segments_that_an_encoder_sends_again_after_a_restart_are_left_out() {
    let segments = live();
    let mut sent = segments[..3].to_vec();
    sent.push(HlsSegment { discontinuity: true, ..segments[1].clone() });
    sent.push(segments[2].clone());
    sent.push(HlsSegment { discontinuity: false, ..segments[3].clone() });
    sent.extend_from_slice(&segments[4..]);
    let decoded = process_segments(&sent);
    assert_continuous(&decoded);
    assert!((decoded.report.repeated_seconds - 4.0).abs() < 0.1, "{}", decoded.report.repeated_seconds);
    assert!((decoded.sound.len() as f64 / 44_100.0 - 12.0).abs() < 0.1, "{} samples", decoded.sound.len());
    assert_eq!((decoded.gaps.len(), decoded.report.unreadable_segments), (0, 0));
}

#[test]
fn a_gap_among_repeated_segments_does_not_remove_new_audio() {
    let segments = live();
    let gap = Gap { seconds: segments[2].seconds, reason: GapReason::NotFetched, program_date_time: None };
    let again = HlsSegment { discontinuity: true, ..segments[1].clone() };
    let rest = segments[3..].iter().map(|segment| HlsSegment { discontinuity: false, ..segment.clone() });
    let before = segments[..3].iter().cloned().map(Delivery::HlsSegment);
    let after = [Delivery::HlsSegment(again), Delivery::Gap(gap)];
    let decoded = process(before.chain(after).chain(rest.map(Delivery::HlsSegment)));
    assert_continuous(&decoded);
    assert!((decoded.sound.len() as f64 / 44_100.0 - 12.0).abs() < 0.1, "{} samples", decoded.sound.len());
}

#[test]
fn dates_of_another_recording_and_dates_after_an_ad_do_not_remove_audio() {
    for (seconds, ad) in [(-3_600.0, false), (3_600.0, false), (-5.0, true), (5.0, true)] {
        let mut segments = live();
        segments[2].ad = ad;
        shift(&mut segments, seconds);
        let decoded = process_segments(&segments);
        assert_eq!((decoded.gaps.len(), decoded.report.repeated_seconds), (0, 0.0), "{seconds} s");
        assert!((decoded.sound.len() as f64 / 44_100.0 - 12.0).abs() < 0.1, "{seconds} s");
    }
}

#[test]
fn parts_of_another_format_without_audio_are_gaps() {
    let files = MediaFiles::new(20, 12.0);
    files.encode("song.aac", "-c:a aac -b:a 64k -ar 48000 -f adts");
    let mut parts = files.segments("song.aac", 2.0, "m4s");
    let length: f64 = parts.iter().map(|part| part.seconds).sum();
    for (number, part) in parts.iter_mut().enumerate() {
        part.part = true;
        if (2..4).contains(&number) {
            // Packets of MPEG-TS that contain nothing.
            part.bytes =
                [0x47, 0x1F, 0xFF, 0x10].into_iter().chain([0xFF; 184]).cycle().take(50 * 188).collect();
        }
    }
    let decoded = process_segments(&parts);
    let missing: u64 = decoded.gaps.iter().map(|(_, length, _)| length).sum();
    assert!((missing as f64 / 44_100.0 - 4.0).abs() < 0.1, "{:?}", decoded.gaps);
    assert!((decoded.sound.len() as f64 / 44_100.0 - length).abs() < 0.1, "{} samples", decoded.sound.len());
    assert_eq!(decoded.report.unreadable_segments, 2);
}
