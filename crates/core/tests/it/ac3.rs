//! AC-3 and E-AC-3: files that ffmpeg encodes decode to the original audio, and damaged frames do no harm.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use refrain_core::audio::ts::{AudioCoding, AudioFrame, FrameFormat, FrameSplitter, TsDemuxer};
use refrain_core::audio::{AudioReader, Limits, LiveDecoder};
use refrain_testkit::{WavEncoding, compose_stereo, write_wav, write_wav_stereo};
use tempfile::TempDir;

use crate::melody::best_lag;
use crate::songs::{find, format_matches, song_catalog};

/// Maximum delay that encoder and decoder add, in samples: less than two blocks and the start of the file.
const MAX_LAG: usize = 2_000;

/// A temporary folder in which ffmpeg runs.
struct MediaFolder(TempDir);

impl MediaFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs ffmpeg in the folder; arguments are separated by spaces.
    fn ffmpeg(&self, arguments: &str) {
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-nostdin", "-y"])
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .output()
            .expect("ffmpeg is needed for these tests");
        assert!(run.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&run.stderr));
    }

    /// Decodes a file with the program's own decoder.
    fn decode(&self, name: &str) -> Vec<f32> {
        let mut reader = AudioReader::open(&self.path(name), &Limits::default()).unwrap();
        let mut samples = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            samples.extend_from_slice(chunk);
        }
        assert!(!reader.report().is_damaged(), "{name}: {:?}", reader.report());
        samples
    }

    /// Encodes `in.wav` and checks that the decoded audio is similar to `reference`, the mono mix of the input.
    #[track_caller]
    fn check(&self, name: &str, arguments: &str, reference: &[f32]) {
        self.ffmpeg(&format!("-i in.wav {arguments} {name}"));
        let (lag, correlation) = best_lag(&self.decode(name), reference, MAX_LAG);
        assert!(correlation > 0.99, "{arguments} {name}: correlation {correlation:.4} at lag {lag}");
    }
}

/// A folder with 4 s of stereo music in `in.wav`, and its mono mix.
fn stereo(seed: u64) -> (MediaFolder, Vec<f32>) {
    let folder = MediaFolder::new();
    let song = compose_stereo(seed, 4.0);
    write_wav_stereo(folder.path("in.wav"), &song.left, &song.right, 44_100, WavEncoding::Int16).unwrap();
    (folder, song.song.samples)
}

#[test]
fn stereo_is_decoded_at_all_sample_rates() {
    let (folder, reference) = stereo(81);
    for codec in ["ac3", "eac3"] {
        for rate in [32_000, 44_100, 48_000] {
            folder.check(
                &format!("{rate}.{codec}"),
                &format!("-c:a {codec} -b:a 192k -ar {rate}"),
                &reference,
            );
        }
    }
}

#[test]
fn coupling_and_rematrixing_are_decoded() {
    let (folder, reference) = stereo(82);
    for codec in ["ac3", "eac3"] {
        for (name, options) in [
            ("coupled", "-channel_coupling 1 -b:a 96k"),
            ("low", "-channel_coupling 1 -cpl_start_band 1 -b:a 128k"),
            ("single", "-channel_coupling 0 -b:a 192k"),
            ("plain", "-channel_coupling 0 -stereo_rematrixing 0 -b:a 192k"),
        ] {
            folder.check(
                &format!("{name}.{codec}"),
                &format!("-c:a {codec} {options} -ar 48000"),
                &reference,
            );
        }
    }
}

#[test]
fn surround_is_decoded_to_the_average_of_all_channels() {
    let folder = MediaFolder::new();
    let names = ["FL", "FR", "FC", "LFE", "BL", "BR"];
    let channels: Vec<Vec<f32>> = (0..6_u64)
        .map(|channel| match channel {
            // The channel for effects contains only low frequencies.
            3 => (0..44_100 * 4).map(|i| 0.2 * (i as f32 * 0.006).sin()).collect(),
            _ => compose_stereo(90 + channel, 4.0).song.samples,
        })
        .collect();
    for (name, channel) in names.iter().zip(&channels) {
        write_wav(folder.path(&format!("{name}.wav")), channel, 44_100).unwrap();
    }
    let inputs: Vec<String> = names.iter().map(|name| format!("-i {name}.wav")).collect();
    folder.ffmpeg(&format!(
        "{} -filter_complex join=inputs=6:channel_layout=5.1:map=0.0-FL|1.0-FR|2.0-FC|3.0-LFE|4.0-BL|5.0-BR in.wav",
        inputs.join(" ")
    ));
    let mixed = |i: usize| channels.iter().map(|channel| channel[i]).sum::<f32>() / 6.0;
    let reference: Vec<f32> = (0..44_100 * 4).map(mixed).collect();
    for codec in ["ac3", "eac3"] {
        for (name, options) in [("coupled", "-b:a 384k"), ("single", "-channel_coupling 0 -b:a 448k")] {
            folder.check(
                &format!("{name}.{codec}"),
                &format!("-c:a {codec} {options} -ar 48000"),
                &reference,
            );
        }
    }
}

/// Clicks with silence between them, as of castanets. Their frequency falls, so that they are similar to themselves only
/// without a lag.
fn clicks() -> Vec<f32> {
    let click = |i: usize| {
        let since = (i % 9_000) as f32;
        0.8 * (-since / 300.0).exp() * (since * (0.3 - since * 0.000_2).max(0.1)).sin()
    };
    (0..44_100 * 3).map(click).collect()
}

/// Sets the flags of short transforms in the first block of each frame, which ffmpeg never does, and corrects the
/// checksums. The frames are AC-3 in stereo.
fn with_short_blocks(bytes: &[u8]) -> Vec<u8> {
    let mut splitter = FrameSplitter::new(AudioCoding::Ac3);
    splitter.push(bytes, None);
    splitter.finish();
    let frames = std::iter::from_fn(|| splitter.next_frame());
    let shorten = |(number, frame): (usize, AudioFrame)| {
        let mut data = frame.data;
        // The flags are the first bits after the bit stream information, which has 67 bits without optional fields.
        // Optional fields are present if one of these bits is set.
        assert_eq!((data[6] >> 5, data[6] & 0b0000_0100), (2, 0), "stereo without effects");
        let optional = flags(&data, &[59, 60, 61, 64, 65, 66]);
        assert_eq!(optional, 0, "no optional fields");
        for flag in [67, 68] {
            if number % 3 > 0 || flag == 67 {
                data[flag / 8] |= 0x80 >> (flag % 8);
            }
        }
        correct_checksums(&mut data);
        data
    };
    frames.enumerate().flat_map(shorten).collect()
}

/// Returns the number of set bits at these positions.
fn flags(bytes: &[u8], positions: &[usize]) -> usize {
    positions.iter().filter(|&&position| bytes[position / 8] & (0x80 >> (position % 8)) != 0).count()
}

/// Corrects the last checksum of a frame, which covers the frame without its sync word.
fn correct_checksums(frame: &mut [u8]) {
    let end = frame.len() - 2;
    let sum = frame[2..end].iter().fold(0_u16, |sum, &byte| {
        (0..8).fold(sum ^ u16::from(byte) << 8, |sum, _| {
            let carry = sum >> 15;
            (sum << 1) ^ (0x8005 * carry)
        })
    });
    frame[end..].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn clicks_and_short_blocks_are_decoded() {
    let folder = MediaFolder::new();
    let reference = clicks();
    write_wav_stereo(folder.path("in.wav"), &reference, &reference, 44_100, WavEncoding::Int16).unwrap();
    folder.check("clicks.ac3", "-c:a ac3 -b:a 192k -ar 48000", &reference);
    folder.check("clicks.eac3", "-c:a eac3 -b:a 192k -ar 48000", &reference);
    // ffmpeg does not encode short blocks. Its decoder must agree about frames that are declared to have them.
    folder
        .ffmpeg("-i in.wav -c:a ac3 -channel_coupling 0 -stereo_rematrixing 0 -b:a 192k -ar 44100 long.ac3");
    fs::write(folder.path("short.ac3"), with_short_blocks(&fs::read(folder.path("long.ac3")).unwrap()))
        .unwrap();
    folder.ffmpeg("-drc_scale 0 -i short.ac3 -af pan=mono|c0=0.5*c0+0.5*c1 -c:a pcm_f32le expected.wav");
    let (decoded, expected) = (folder.decode("short.ac3"), folder.decode("expected.wav"));
    let (lag, correlation) = best_lag(&decoded, &expected, MAX_LAG);
    // ffmpeg adds noise where coefficients have no bits, so the samples are not equal.
    assert!(correlation > 0.99, "correlation {correlation} at lag {lag}");
    let long = folder.decode("long.ac3");
    assert!(best_lag(&decoded, &long, MAX_LAG).1 < 0.98, "the short blocks have an effect");
}

#[test]
fn a_song_is_recognized_in_a_transport_stream() {
    for (song, codec) in [(5, "ac3"), (9, "eac3")] {
        let folder = MediaFolder::new();
        write_wav(folder.path("in.wav"), &song_catalog().songs[song], 44_100).unwrap();
        folder.ffmpeg(&format!("-i in.wav -c:a {codec} -b:a 192k -ac 2 -ar 48000 -f mpegts song.ts"));
        let (mut demuxer, mut decoder) = (TsDemuxer::new(), LiveDecoder::new());
        for piece in fs::read(folder.path("song.ts")).unwrap().chunks(1_000) {
            demuxer.push(piece);
            while let Some(frame) = demuxer.next_frame() {
                decoder.use_frames(frame.format).unwrap();
                decoder.decode(&frame.data).unwrap();
                demuxer.recycle(frame);
            }
        }
        let name = if codec == "ac3" { "AC-3" } else { "E-AC-3" };
        assert_eq!((decoder.codec(), decoder.shape()), (name, (48_000, 2)));
        let matches = find(&decoder.ready()[5 * 44_100..13 * 44_100]);
        let right = matches.found.len() == 1 && matches.found[0].track.0 as usize == song;
        assert!(right, "{}", format_matches(&matches));
        assert!((matches.found[0].reference_start - 5.0).abs() < 0.1, "{}", format_matches(&matches));
    }
}

/// Frames of both codecs, which the property test changes.
static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (folder, _) = stereo(83);
    let mut frames = Vec::new();
    for (codec, options) in
        [("ac3", "-b:a 192k"), ("eac3", "-b:a 96k"), ("ac3", "-ac 6 -b:a 256k"), ("eac3", "-ac 6 -b:a 192k")]
    {
        folder.ffmpeg(&format!("-i in.wav -t 0.3 -c:a {codec} {options} -ar 48000 frames.{codec}"));
        let mut splitter = FrameSplitter::new(AudioCoding::Ac3);
        splitter.push(&fs::read(folder.path(&format!("frames.{codec}"))).unwrap(), None);
        splitter.finish();
        frames.extend(std::iter::from_fn(|| splitter.next_frame()).map(|frame| frame.data));
    }
    assert!(frames.len() > 20);
    frames
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_frames_with_valid_checksums_never_panic_and_take_little_time(
        frame in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..20),
    ) {
        let mut data = frame.get(&FRAMES).clone();
        let end = data.len() - 2;
        for (place, near_start, byte) in &changes {
            // Most of the syntax is at the start, after the header.
            let places = if *near_start { &mut data[6..46] } else { &mut data[6..end] };
            *place.get_mut(places) = *byte;
        }
        decode_bounded(data)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_take_little_time(
        mut data in prop::collection::vec(any::<u8>(), 128),
        length in 0..4_usize,
        version in prop::sample::select(vec![0_u8, 6, 8, 11, 16]),
    ) {
        let rest: Vec<u8> = data.iter().cycle().skip(7).step_by(5).copied().take(128 * 3).collect();
        data.extend(rest);
        // Frames of 32, 40, 48 and 56 kbit/s at 48 kHz in both codecs.
        data.truncate(128 + 32 * length);
        let words = (data.len() / 2 - 1) as u8;
        let start = if version > 8 { [0x0B, 0x77, 0, words, data[4] & 0x3F] } else { [0x0B, 0x77, data[2], data[3], 2 * length as u8] };
        data[..5].copy_from_slice(&start);
        data[5] = version << 3 | data[5] & 7;
        decode_bounded(data)?;
    }
}

/// Corrects the checksum of a frame and decodes it. Checks that the decoder does not panic, that the time is bounded,
/// and that the samples are finite.
fn decode_bounded(mut frame: Vec<u8>) -> Result<(), TestCaseError> {
    correct_checksums(&mut frame);
    let mut decoder = LiveDecoder::new();
    decoder.use_frames(FrameFormat::Ac3 { rate: 48_000, samples: 1_536, enhanced: false }).unwrap();
    let start = Instant::now();
    let decoded = decoder.decode(&frame);
    // A frame takes much less than this limit, also without optimization.
    prop_assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    prop_assert!(!matches!(&decoded, Err(error) if error.to_string().contains("checksum")), "{decoded:?}");
    // The decoder is closed after a panic.
    prop_assert!(decoder.is_open(), "{decoded:?}");
    prop_assert_eq!(decoder.replaced_samples(), 0);
    prop_assert!(decoder.ready().iter().all(|sample| sample.is_finite()));
    Ok(())
}
