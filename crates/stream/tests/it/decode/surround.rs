//! AAC with more than two channels, and changes of the number of channels.

use refrain_stream::{Delivery, HlsSegment};
use refrain_testkit::origin::pack;

use super::{DecodedStream, process, process_segments};
use crate::media::{MediaFiles, segment};

/// The front channels contain the song, and the surround channels its left channel with the opposite phase.
const SURROUND: &str = "pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.3*FL|BL=-0.9*FL|BR=-0.9*FL";
const SURROUND_7: &str =
    "pan=7.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.3*FL|BL=-0.9*FL|BR=-0.9*FL|SL=-0.5*FR|SR=-0.5*FR";

/// Returns the correlation of two signals, from −1 to 1. Both must have nearly the same length.
fn correlation(one: &[f32], other: &[f32]) -> f64 {
    assert!(one.len().abs_diff(other.len()) < 3_000, "{} and {} samples", one.len(), other.len());
    let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    sum(one, other) / (sum(one, one) * sum(other, other)).sqrt()
}

#[track_caller]
fn assert_song(decoded: &DecodedStream, song: &[f32], channels: usize) {
    assert_eq!((decoded.gaps.len(), decoded.report.decode_errors), (0, 0));
    assert_eq!(decoded.report.format.as_ref().map(|format| (format.1, format.2)), Some((48_000, channels)));
    assert!(correlation(&decoded.sound, song) > 0.97, "{}", correlation(&decoded.sound, song));
}

#[test]
fn surround_is_mixed_to_the_song_in_every_container() {
    let files = MediaFiles::new(13, 8.0);
    let song = files.encode("stereo.aac", "-c:a aac -b:a 192k -ar 48000");
    for (layout, channels) in [(SURROUND, 6), (SURROUND_7, 8)] {
        let mixed = files.encode("song.aac", &format!("-af {layout} -c:a aac -b:a 448k -ar 48000"));
        assert!(correlation(&mixed, &song) > 0.97, "{}", correlation(&mixed, &song));
        for extension in ["ts", "m4s"] {
            let segments = files.segments("song.aac", 2.0, extension);
            assert_song(&process_segments(&segments), &song, channels);
        }
        files.ffmpeg(&format!(
            "-i song.wav -af {layout} -c:a aac -b:a 448k -ar 48000 -f mpegts -mpegts_flags latm latm.ts"
        ));
        assert_song(&process_segments(&[segment(files.read("latm.ts"), 0, 8.0)]), &song, channels);
    }
}

#[test]
fn changes_of_the_number_of_channels_keep_the_time() {
    let files = MediaFiles::new(14, 9.0);
    let song = files.encode("stereo.aac", "-c:a aac -b:a 192k -ar 48000");
    files.encode("surround.aac", &format!("-af {SURROUND} -c:a aac -b:a 448k -ar 48000"));
    // Transport streams, and packed audio with an ID3 tag before each segment.
    let packed = |file: &str| -> Vec<HlsSegment> {
        let clips = pack(&files.read(file), 3.0).unwrap().into_iter().enumerate();
        clips.map(|(index, clip)| segment(clip.bytes.to_vec(), index as u64, clip.seconds)).collect()
    };
    let segments = |extension, name: &str| match extension {
        "ts" => files.segments(&format!("{name}.aac"), 3.0, extension),
        _ => packed(&format!("{name}.aac")),
    };
    for extension in ["ts", "aac"] {
        let (stereo, surround) = (segments(extension, "stereo"), segments(extension, "surround"));
        // Without the last segment, which has a single frame.
        let spliced = [&stereo[..1], &surround[1..2], &stereo[2..3]].concat();
        for discontinuity in [false, true] {
            let of = |segment: &HlsSegment| HlsSegment { discontinuity, ..segment.clone() };
            let decoded = process_segments(&spliced.iter().map(of).collect::<Vec<_>>());
            assert_eq!(decoded.report.format_changes, 2, "{extension}");
            assert_song(&decoded, &song, 2);
        }
        if extension == "aac" {
            let frames = |segment: &HlsSegment| segment.bytes[10 + usize::from(segment.bytes[9])..].to_vec();
            let bytes: Vec<u8> = spliced.iter().flat_map(frames).collect();
            let decoded = process(bytes.chunks(999).map(|piece| Delivery::Bytes(piece.to_vec().into())));
            assert_song(&decoded, &song, 2);
        }
    }
}

#[test]
fn xhe_aac_is_named_in_mp4_and_latm() {
    let files = MediaFiles::new(15, 4.0);
    files.encode("song.aac", "-c:a aac -b:a 96k -ar 44100");
    let segments = files.segments("song.aac", 2.0, "m4s");
    // The configuration of AAC is replaced by one of the object type 42.
    let clear = segments[0].init.clone().unwrap();
    let place = clear
        .bytes
        .windows(4)
        .position(|bytes| bytes[..2] == [0x05, 0x80] || bytes[..4] == *b"\x05\x02\x12\x10");
    let mut bytes = clear.bytes.to_vec();
    let at = place.unwrap() + if clear.bytes[place.unwrap() + 1] == 0x80 { 5 } else { 2 };
    bytes[at..at + 2].copy_from_slice(&[0xF9, 0x48]);
    let init = Some(std::sync::Arc::new(refrain_stream::InitSection { bytes: bytes.into() }));
    let segments: Vec<_> =
        segments.into_iter().map(|segment| HlsSegment { init: init.clone(), ..segment }).collect();
    let report = process_segments(&segments).report;
    let codec = report.unsupported.unwrap_or_default();
    assert!(codec.contains("xHE-AAC") && report.unreadable_segments > 0, "{codec}");
    files.ffmpeg("-i song.wav -t 2 -c:a aac -ar 44100 -f mpegts -mpegts_flags latm latm.ts");
    let mut bytes = files.read("latm.ts");
    // After the sync word and length, a StreamMuxConfig with low complexity at 44,100 Hz: 0x20 0x00 0x12 0x10.
    let mut count = 0;
    for at in 0..bytes.len() - 6 {
        if bytes[at] == 0x56 && bytes[at + 1] & 0xE0 == 0xE0 && bytes[at + 3..at + 6] == [0x20, 0x00, 0x12] {
            bytes[at + 5] = 0xF9;
            bytes[at + 6] = 0x48;
            count += 1;
        }
    }
    let codec = process_segments(&[segment(bytes, 0, 2.0)]).report.unsupported.unwrap_or_default();
    assert!(count > 0 && codec.contains("xHE-AAC"), "{count}: {codec}");
}
