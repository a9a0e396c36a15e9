//! Segments are heard as if they had never been cut.

use super::{assert_same, hear_segments};
use crate::media::Studio;

const AAC: &str = "-c:a aac -b:a 96k -ar 48000 -f adts";

#[track_caller]
fn assert_seamless(studio: &Studio, file: &str, extension: &str, whole: &[f32]) {
    let segments = studio.segments(file, 2.0, extension);
    assert!(segments.len() >= 4, "{}", segments.len());
    let heard = hear_segments(&segments);
    assert_eq!(heard.gaps, [], "{extension}");
    assert_same(&heard.sound, whole);
    let report = heard.report;
    assert_eq!((report.segments, report.unreadable_segments), (segments.len() as u64, 0));
    assert_eq!((report.decode_errors, report.lost_packets, report.discontinuities), (0, 0, 0));
    assert_eq!((report.format_changes, report.repeated_seconds), (0, 0.0));
}

#[test]
fn aac_in_every_packaging_is_what_it_is_whole() {
    let studio = Studio::new(1, 10.0);
    let whole = studio.encode("song.aac", AAC);
    for extension in ["ts", "m4s", "aac"] {
        assert_seamless(&studio, "song.aac", extension, &whole);
    }
}
