//! Segments are heard as if they had never been cut.

use super::{assert_same, hear_segments};
use crate::media::{Studio, whole};

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
        println!("{extension}");
        assert_seamless(&studio, "song.aac", extension, &whole);
    }
}

#[test]
fn mpeg_audio_is_what_it_is_whole() {
    let studio = Studio::new(2, 10.0);
    studio.encode("song.mp3", "-c:a libmp3lame -b:a 128k -ar 44100 -write_xing 0 -id3v2_version 0");
    studio.ffmpeg("-i song.mp3 -c copy song.ts");
    let whole = whole(&studio.path("song.ts"));
    for extension in ["ts", "m4s", "mp3"] {
        println!("{extension}");
        assert_seamless(&studio, "song.mp3", extension, &whole);
    }
    let whole = studio.encode("song.mp2", "-c:a mp2 -b:a 192k -ar 48000");
    assert_seamless(&studio, "song.mp2", "ts", &whole);
}
