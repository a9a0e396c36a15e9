//! Tests of invalid inputs together with valid ones.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use refrain_testkit::effects::crop;
use serde_json::Value;

use crate::support::{CommandOutput, Sandbox, best, music};

/// Creates a WAV file with any rate, channels and sample format.
fn wav(tag: u16, rate: u32, channels: u16, bytes_per_sample: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bytes_per_sample;
    let mut wav = b"RIFF".to_vec();
    wav.extend((data.len() as u32 + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0");
    wav.extend(tag.to_le_bytes());
    wav.extend(channels.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend((rate * u32::from(frame)).to_le_bytes());
    wav.extend(frame.to_le_bytes());
    wav.extend((bytes_per_sample * 8).to_le_bytes());
    wav.extend(b"data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

fn pcm16(samples: impl Iterator<Item = f32>) -> Vec<u8> {
    samples.flat_map(|s| ((s * 32_000.0) as i16).to_le_bytes()).collect()
}

fn float(samples: impl Iterator<Item = f32>) -> Vec<u8> {
    samples.flat_map(f32::to_le_bytes).collect()
}

/// Writes valid audio in unusual formats. All of these files must be recognized.
fn unusual_audio(sandbox: &Sandbox) -> Vec<PathBuf> {
    let clip = crop(&music().known[0].samples, 4.0, 8.0);
    // Every fifth sample gives a rate of 8,820 Hz, which is close to 8 kHz. Four copies of each sample give 176.4 kHz.
    let low = wav(1, 8_820, 1, 2, &pcm16(clip.iter().step_by(5).copied()));
    let high = wav(1, 176_400, 1, 2, &pcm16(clip.iter().flat_map(|s| [*s; 4])));
    let eight = wav(1, 44_100, 8, 2, &pcm16(clip.iter().flat_map(|s| [*s; 8])));
    let deep: Vec<u8> =
        clip.iter().flat_map(|s| ((s * 8_000_000.0) as i32).to_le_bytes()[..3].to_vec()).collect();
    let holes = clip.iter().enumerate().map(|(k, s)| if k % 1000 == 0 { f32::NAN } else { *s });
    let mut cut = wav(1, 44_100, 1, 2, &pcm16(clip.iter().copied()));
    cut.truncate(cut.len() - 100_000);
    vec![
        sandbox.file("g/low-rate.wav", low),
        sandbox.file("g/high-rate.wav", high),
        sandbox.file("g/eight-channels.wav", eight),
        sandbox.file("g/24-bit.wav", wav(1, 44_100, 1, 3, &deep)),
        sandbox.file("g/nan.wav", wav(3, 44_100, 1, 4, &float(holes))),
        sandbox.file("g/truncated.wav", cut),
        sandbox.file("g/no-extension", wav(1, 44_100, 1, 2, &pcm16(clip.iter().copied()))),
    ]
}

/// Creates inputs without audio. Returns their paths, each with a part of the expected error.
fn unreadable_inputs(sandbox: &Sandbox) -> Vec<(PathBuf, &'static str)> {
    let circle = sandbox.path("b/circle.wav");
    sandbox.file("b/empty.mp3", "");
    symlink(&circle, &circle).unwrap();
    vec![
        (sandbox.file("b/empty.mp3", ""), "is empty"),
        (sandbox.file("b/text.mp3", "This is not music. ".repeat(500)), "not an audio file"),
        (sandbox.file("b/no-sound.wav", wav(1, 44_100, 1, 2, &[])), "contains no audio"),
        (circle, "circle.wav: "),
        (sandbox.path("b/gone.wav"), "gone.wav: "),
    ]
}

/// Writes audio in which nothing can be recognized.
fn silent_inputs(sandbox: &Sandbox) -> Vec<PathBuf> {
    vec![
        sandbox.wav("t/silence.wav", &[0.0; 441_000]),
        sandbox.wav("t/dc.wav", &[0.7; 441_000]),
        sandbox.file("t/all-nan.wav", wav(3, 44_100, 1, 4, &float(std::iter::repeat_n(f32::NAN, 441_000)))),
    ]
}

#[test]
fn identify_handles_valid_and_invalid_inputs_together() {
    let sandbox = Sandbox::with_catalog();
    let (good, unreadable_inputs, silent_inputs) =
        (unusual_audio(&sandbox), unreadable_inputs(&sandbox), silent_inputs(&sandbox));
    let bad_name = sandbox.path(OsStr::from_bytes(b"b/caf\xe9.wav"));
    std::fs::copy(&good[0], &bad_name).unwrap();
    let mut inputs = Vec::new();
    inputs.extend(unreadable_inputs.iter().map(|(path, _)| path.clone()));
    inputs.push(bad_name);
    inputs.push(sandbox.path("b"));
    inputs.extend(silent_inputs.clone());
    inputs.extend(good.clone());
    let (output, answers) = sandbox.identify(&inputs);
    let output = output.expect(3).stderr_contains("b/caf\\xE9.wav: the name is not UTF-8; rename the file");
    assert_eq!(answers.len(), inputs.len());
    for ((path, why), answer) in unreadable_inputs.iter().zip(&answers) {
        let (error, code) = (answer["error"].as_str().unwrap(), answer["statusCode"].as_u64().unwrap());
        assert!(error.contains(why) && (2900..2910).contains(&code), "{answer}");
        assert!(output.stderr.contains(error) && error.contains(path.to_str().unwrap()), "{output:#?}");
        assert_eq!(
            (&answer["file"], &answer["matches"]),
            (&path.to_str().unwrap().into(), &Value::Array(vec![]))
        );
    }
    let (after, rest) = answers[unreadable_inputs.len()..].split_at(2);
    assert!(after.iter().all(|answer| answer["statusCode"] == 2900), "{after:?}");
    for (path, answer) in silent_inputs.iter().zip(rest) {
        assert_eq!(answer["statusCode"], 2005, "{}: {answer}", path.display());
    }
    for (path, answer) in good.iter().zip(&rest[silent_inputs.len()..]) {
        assert_eq!(best(answer), Some("one.wav"), "{}: {answer}", path.display());
    }
    let output = sandbox.run(&["identify", "b/empty.mp3", "b/text.mp3"]).expect(2);
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 2), "{output:#?}");
}

#[test]
fn index_adds_valid_files_and_reports_invalid_ones() {
    let sandbox = Sandbox::new();
    let (good, unreadable_inputs, silent_inputs) =
        (unusual_audio(&sandbox), unreadable_inputs(&sandbox), silent_inputs(&sandbox));
    std::fs::create_dir_all(sandbox.path("no-audio")).unwrap();
    sandbox.file("no-audio/readme.txt", "x");
    std::fs::copy(&good[0], sandbox.path(OsStr::from_bytes(b"b/caf\xe9.wav"))).unwrap();
    let named = sandbox.path("b/gone.wav");
    let output = sandbox
        .run(&["index", "g", "b", "t", "no-audio", "g/no-extension", named.to_str().unwrap()])
        .expect(3);
    for (path, why) in &unreadable_inputs {
        let line =
            output.stderr.lines().find(|line| line.contains(path.file_name().unwrap().to_str().unwrap()));
        assert!(line.is_some_and(|line| line.contains(why)), "{}: {output:#?}", path.display());
    }
    for path in &silent_inputs {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(output.stderr.contains(&format!("{name}: nothing to recognize in it")), "{output:#?}");
    }
    let output = output
        .stderr_contains("no-audio: no audio files in this folder")
        .stderr_contains("caf\\xE9.wav: the name is not UTF-8");
    assert!(output.stdout.starts_with("7 added, 0 unchanged, 0 replaced, 10 failed"), "{output:#?}");
    assert_eq!(sandbox.tracks().len(), good.len());
    // If all inputs are invalid, the command fails and does not create a catalog.
    let empty = Sandbox::new();
    empty
        .run(&["index", "gone", "http://example.org/a.mp3"])
        .expect(2)
        .stderr_contains("URLs cannot be indexed");
    empty.run(&["index", "gone", "s3://bucket/songs"]).expect(2).stderr_contains("name one kind at a time");
    assert!(!empty.path("catalog.db").exists());
}

#[test]
fn newer_or_invalid_catalogs_are_not_changed() {
    let sandbox = Sandbox::with_catalog();
    let newer = "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, \
                 execution_time FROM _sqlx_migrations LIMIT 1";
    sandbox.sql(newer);
    let before = std::fs::read(sandbox.path("catalog.db")).unwrap();
    sandbox.clip("clip.wav", &music().known[0], 4.0, 8.0);
    for args in [&["index", "clip.wav"][..], &["identify", "clip.wav"], &["tracks", "list"]] {
        sandbox
            .run(args)
            .expect(2)
            .stderr_contains("was made by a newer refrain (schema 9999")
            .stderr_contains("update refrain");
    }
    assert_eq!(std::fs::read(sandbox.path("catalog.db")).unwrap(), before);
    sandbox.file("catalog.db", "Dear diary, ".repeat(1000));
    sandbox.run(&["identify", "clip.wav"]).expect(2).stderr_contains("is not a catalog");
}

#[test]
fn full_disk_stops_indexing_and_the_next_run_completes_it() {
    let sandbox = Sandbox::new();
    for k in 0..6 {
        sandbox.clip(&format!("m/{k}.wav"), &music().known[k % 3], (k / 3) as f64 * 10.0, 10.0);
    }
    // Without root permissions, a limit on file size is the best simulation of a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 60; exec {} --catalog {} index m",
        env!("CARGO_BIN_EXE_refrain"),
        sandbox.catalog()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(sandbox.path(""))
        .output()
        .unwrap();
    let output = CommandOutput::from(output);
    assert!(matches!(output.status, Some(2 | 3)), "{output:#?}");
    assert!(output.stderr.contains("catalog.db"), "{output:#?}");
    sandbox.run(&["index", "m"]).expect(0);
    assert_eq!(sandbox.tracks().len(), 6);
    let (output, answers) = sandbox.identify(&["m/0.wav", "m/5.wav"]);
    output.expect(0);
    assert_eq!((best(&answers[0]), best(&answers[1])), (Some("0.wav"), Some("5.wav")));
}

#[test]
fn database_error_during_indexing_keeps_and_reports_added_tracks() {
    let sandbox = Sandbox::new();
    for k in 0..40 {
        sandbox.clip(&format!("m/{k:02}.wav"), &music().known[k % 3], (k / 3) as f64 * 1.5, 3.0);
    }
    sandbox.run(&["index", "m/00.wav"]).expect(0);
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON tracks WHEN NEW.source LIKE '%39.wav' \
                   BEGIN SELECT RAISE(ABORT, 'enough'); END";
    sandbox.sql(trigger);
    let output = sandbox.run(&["index", "--jobs", "2", "m"]).expect(3).stderr_contains("enough");
    let number = |part: &str| -> usize {
        let of = output.stdout.split(", ").find_map(|text| text.trim().strip_suffix(part));
        of.unwrap_or_else(|| panic!("{part:?} is not in {output:#?}")).trim().parse().unwrap()
    };
    let (added, left) = (number("added"), number("not done: repeat the command"));
    assert_eq!(sandbox.tracks().len(), 1 + added, "{output:#?}");
    assert!(added >= 39 - 32 && left >= 1 && added + left == 39, "{output:#?}");
    sandbox.sql("DROP TRIGGER full");
    sandbox.run(&["index", "m"]).expect(0);
    assert_eq!(sandbox.tracks().len(), 40);
}
