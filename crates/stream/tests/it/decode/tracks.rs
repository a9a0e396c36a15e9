//! Choice of the audio stream of MPEG-TS, and the report of unreadable segments.

use refrain_stream::{
    DecoderSettings, Delivery, HlsSegment, Media, StreamDecoder, TrackChoice, UnreadableRun,
};

use super::process_segments;
use crate::media::{MediaFiles, segment};

/// Frequencies of the audio description and the main program, Hz.
const DESCRIPTION: f64 = 440.0;
const MAIN: f64 = 1_000.0;

/// Returns 4 s of MPEG-TS with an English audio description (packet id 256) before the German main program (257).
fn two_tracks(codec: &str) -> Vec<u8> {
    let files = MediaFiles::empty();
    files.ffmpeg(&format!(
        "-f lavfi -i sine=frequency={DESCRIPTION}:duration=4 -f lavfi -i sine=frequency={MAIN}:duration=4 \
         -map 0:a -map 1:a -c:a {codec} -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu \
         -disposition:a:0 visual_impaired -f mpegts two.ts"
    ));
    files.read("two.ts")
}

/// Decodes a stream and returns the frequency of its tone, Hz.
fn frequency(bytes: &[u8], choice: TrackChoice) -> f64 {
    let mut decoder = StreamDecoder::new(DecoderSettings::default());
    decoder.prefer_track(choice);
    let (mut samples, mut crossings, mut last) = (0_u32, 0_u32, 0.0);
    let mut count = |media: Media<'_>| {
        if let Media::Samples(audio) = media {
            for &sample in audio {
                crossings += u32::from(last < 0.0 && sample >= 0.0);
                last = sample;
            }
            samples += audio.len() as u32;
        }
    };
    for piece in bytes.chunks(10_000) {
        decoder.process(Delivery::Bytes(piece.to_vec().into()), |sound| count(sound.media));
    }
    decoder.finish(|sound| count(sound.media));
    assert!(samples > 3 * 44_100, "{samples}");
    f64::from(crossings) * 44_100.0 / f64::from(samples)
}

#[test]
fn main_program_precedes_the_audio_description_unless_it_is_chosen() {
    let bytes = two_tracks("aac");
    let language = |language: &str| TrackChoice { pid: None, language: Some(language.to_owned()) };
    let pid = |pid| TrackChoice { pid: Some(pid), language: Some("de".to_owned()) };
    for (choice, expected) in [
        (TrackChoice::default(), MAIN),
        (language("de"), MAIN),
        (language("ger"), MAIN),
        (language("en"), DESCRIPTION),
        (language("fr"), MAIN),
        (pid(256), DESCRIPTION),
        (pid(257), MAIN),
        (pid(300), MAIN),
    ] {
        let measured = frequency(&bytes, choice.clone());
        assert!((measured - expected).abs() < 30.0, "{choice:?}: {measured}");
    }
}

#[test]
fn consecutive_unreadable_segments_are_counted_for_each_rendition() {
    let files = MediaFiles::new(19, 8.0);
    files.encode("song.ts", "-c:a aac -b:a 96k");
    let good = files.segments("song.ts", 2.0, "ts");
    let bad = |sequence| segment(b"<html>not found</html>".to_vec(), sequence, 2.0);
    let of = |rendition, segment: HlsSegment| HlsSegment { rendition, ..segment };
    let run = |segments: &[HlsSegment]| process_segments(segments).report.unreadable_run;
    assert_eq!(run(&[of(1, bad(0)), of(1, bad(1))]), UnreadableRun { rendition: 1, segments: 2 });
    assert_eq!(run(&[of(1, bad(0)), of(2, bad(1))]), UnreadableRun { rendition: 2, segments: 1 });
    let recovered = [of(1, bad(0)), of(1, good[0].clone())];
    assert_eq!(run(&recovered), UnreadableRun { rendition: 1, segments: 0 });
    // Another rendition repeats audio, which is left out.
    let repeated = [of(1, good[0].clone()), of(1, good[1].clone()), of(2, good[1].clone())];
    assert_eq!(run(&repeated), UnreadableRun { rendition: 2, segments: 0 });
}

#[test]
fn unsupported_audio_of_a_transport_stream_is_reported() {
    let bytes = two_tracks("dca -strict -2");
    let segments: Vec<_> = (0..3).map(|index| segment(bytes.clone(), index, 2.0)).collect();
    let report = process_segments(&segments).report;
    assert_eq!((report.unreadable_segments, report.unreadable_run.segments), (3, 3));
    assert_eq!(report.unsupported.as_deref(), Some("DTS in MPEG-TS"));
}
