//! Untrusted input: truncated or changed files never cause a panic, and splits into pushes never change the output.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use refrain_core::audio::ts::{AudioFrame, TsDamage, TsDemuxer};
use refrain_core::audio::{AudioReader, Limits};

/// One small file for each demuxer and decoder.
const FILES: [&str; 29] = [
    "8ch-8k.wav",
    "alac.caf",
    "s16.aiff",
    "plain.flac",
    "flac.oga",
    "flac.mka",
    "layer2.mp2",
    "cbr.mp3",
    "vbr.mp3",
    "vorbis.ogg",
    "vorbis.webm",
    "stereo.opus",
    "5.1.m4a",
    "5.1.opus",
    "opus.webm",
    "opus.mp4",
    "faststart.m4a",
    "fragmented.mp4",
    "he-aac.m4a",
    "adts.aac",
    "aac.ts",
    "aac.m2ts",
    "latm.ts",
    "mp2.ts",
    "ima.wav",
    "stereo.ac3",
    "5.1.ac3",
    "mono.eac3",
    "eac3.ts",
];

fn fixture(file: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audio").join(file)).unwrap()
}

fn demux(bytes: &[u8], cuts: &[usize]) -> (Vec<AudioFrame>, TsDamage, bool) {
    let (mut demuxer, mut frames, mut rest) = (TsDemuxer::new(), Vec::new(), bytes);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
        demuxer.push(now);
        frames.extend(std::iter::from_fn(|| demuxer.next_frame()));
        rest = later;
    }
    demuxer.finish();
    frames.extend(std::iter::from_fn(|| demuxer.next_frame()));
    (frames, demuxer.damage(), demuxer.is_truncated())
}

/// Overwrites or removes bytes, inserts noise, or truncates the file.
fn corrupt(bytes: &mut Vec<u8>, at: f64, kind: u8, noise: &[u8]) {
    let at = (at * bytes.len() as f64) as usize;
    let end = (at + noise.len()).min(bytes.len());
    match kind {
        0 => bytes[at..end].copy_from_slice(&noise[..end - at]),
        1 => drop(bytes.drain(at..end)),
        2 => drop(bytes.splice(at..at, noise.iter().copied())),
        _ => bytes.truncate(at),
    }
}

fn corruptions() -> impl Strategy<Value = Vec<(f64, u8, Vec<u8>)>> {
    // Headers are small and at the start, so half of the changes are made there.
    let place = prop_oneof![0.0..0.02_f64, 0.0..1.0_f64];
    prop::collection::vec((place, 0..4_u8, prop::collection::vec(any::<u8>(), 1..40)), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_into_pushes_do_not_change_demuxed_frames(
        file in prop::sample::select(vec!["aac.ts", "aac.m2ts", "latm.ts", "mp3.ts", "film.ts", "lost.ts", "ac3.ts", "eac3.ts"]),
        cuts in prop::collection::vec(1..2_000_usize, 1..20),
        corruptions in prop::option::of(corruptions()),
    ) {
        let mut bytes = fixture(file);
        for (at, kind, noise) in corruptions.iter().flatten() {
            corrupt(&mut bytes, *at, *kind, noise);
        }
        prop_assert!(demux(&bytes, &cuts) == demux(&bytes, &[usize::MAX]));
    }

    #[test]
    fn damaged_files_never_panic(file in prop::sample::select(FILES.to_vec()), corruptions in corruptions()) {
        let mut bytes = fixture(file);
        for (at, kind, noise) in &corruptions {
            corrupt(&mut bytes, *at, *kind, noise);
        }
        let limits = Limits { max_seconds: 60.0, ..Limits::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::write(&path, &bytes).unwrap();
        let opened =
            [AudioReader::open(&path, &limits), AudioReader::from_source(Box::new(std::io::Cursor::new(bytes)), "it", &limits)];
        for mut reader in opened.into_iter().flatten() {
            while let Ok(Some(chunk)) = reader.next_chunk() {
                prop_assert!(chunk.iter().all(|s| s.is_finite()));
            }
        }
    }
}

#[test]
fn every_frame_has_the_right_time_stamp() {
    for (file, rate, samples) in
        [("aac.ts", 44_100, 1_024), ("mp2.ts", 48_000, 1_152), ("latm.ts", 44_100, 1_024)]
    {
        let (frames, damage, cut) = demux(&fixture(file), &[188]);
        assert_eq!((damage, cut), (TsDamage::default(), false), "{file}");
        assert!(frames.len() > 70, "{file}: {}", frames.len());
        let first = frames[0].pts.unwrap();
        for (i, frame) in frames.iter().enumerate() {
            let expected = first + i as u64 * samples * 90_000 / rate;
            assert!(
                frame.pts.unwrap().abs_diff(expected) <= 2,
                "{file}: frame {i} at {:?}, due {expected}",
                frame.pts
            );
        }
    }
}

#[test]
fn no_prefix_of_a_file_panics() {
    for file in FILES {
        let bytes = fixture(file);
        for length in (0..bytes.len().min(400)).step_by(13) {
            let source = std::io::Cursor::new(bytes[..length].to_vec());
            if let Ok(mut reader) = AudioReader::from_source(Box::new(source), file, &Limits::default()) {
                while let Ok(Some(_)) = reader.next_chunk() {}
            }
        }
    }
}
