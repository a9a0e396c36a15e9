//! Tests of `refrain identify`.

use std::process::Stdio;

use refrain_testkit::effects::{MixClip, crop, gain, mix, speed};
use serde_json::Value;

use crate::support::{CommandOutput, NAMES, Sandbox, best, music};

/// Replaces all numbers by 0 and removes signs, so that only the format remains.
fn form(line: &str) -> String {
    let mut out = String::new();
    let mut digits = 0;
    for c in line.chars() {
        match c {
            '0'..='9' if digits == 0 => {
                digits = 1;
                out.push('0');
            }
            '0'..='9' => digits += 1,
            '-' if out.ends_with(':') => {}
            _ => {
                digits = 0;
                out.push(c);
            }
        }
    }
    out
}

#[test]
fn json_output_has_the_format_of_identify_stream() {
    let sandbox = Sandbox::with_catalog();
    let id = sandbox.tracks()[1]["id"].as_str().unwrap().to_owned();
    let values = [
        "title=Song Title",
        "artist=Song Artist",
        "album=An Album",
        "isrc=USZZ00000001",
        "label=Song Label",
        "vendor=Song Vendor",
        "release_date=1900",
        "upc=012345678900",
        "category=Music",
        "rule=block",
        "Territory=DE",
    ];
    sandbox.run(&[&["tracks", "set", &id][..], &values].concat()).expect(0);
    let clip = sandbox.clip("clip 1.wav", &music().known[1], 5.0, 10.0);
    let (output, answers) = sandbox.identify(&[&clip]);
    output.expect(0);
    let answer = &answers[0];
    let found = &answer["matches"][0];
    let am_item_id = found["amItemID"].as_str().unwrap();
    assert!(am_item_id.starts_with(&format!("{id}_")) && am_item_id.len() == 39, "{am_item_id}");
    let near = |value: &Value, number: f64, by: f64| (value.as_f64().unwrap() - number).abs() <= by;
    assert!(near(&answer["unknownMediaFileDuration"], 10.0, 0.001), "{answer}");
    let start = found["matchTimeInUnknown"].as_f64().unwrap();
    assert!(start <= 0.5 && near(&found["matchDurationInUnknown"], 10.0, 1.0), "{answer}");
    assert!(near(&found["matchTimeInReference"], 5.0 + start, 0.05), "{answer}");
    assert!(near(&found["evidence"]["speed"], 1.0, 0.002), "{answer}");
    assert!(found["evidence"]["falsePositiveProbability"].as_f64().unwrap() < 1e-4, "{answer}");
    assert_eq!(best(answer), Some(NAMES[1]));

    let (output, _) = sandbox.identify(&["clip 1.wav"]);
    let text = form(&output.stdout).replace(&form(am_item_id), "ID");
    let reference = form(music().folder.join("songs").join(NAMES[1]).to_str().unwrap());
    let probability = text.split("Probability\":").nth(1).unwrap().split(',').next().unwrap();
    let golden = concat!(
        r#"{"statusCode":0,"statusDescription":"Status 0 (0) Match found","unknownAssetID":"clip 0","#,
        r#""unknownMediaFileDuration":0.0,"file":"clip 0.wav","matches":[{"ruleCode":"block","#,
        r#""matchType":"audio","amItemID":"ID","matchTimeInUnknown":0.0,"matchDurationInUnknown":0.0,"#,
        r#""matchTimeInReference":0.0,"metadata":{"ContentCategory":"Music","Title":"Song Title","#,
        r#""Artist":"Song Artist","Album":"An Album","ISRC":"USZZ0","Label":"Song Label","#,
        r#""Vendor":"Song Vendor","AlbumReleaseDate":"0-Jan-0","AlbumUPC":"0","SongLengthInSeconds":"0","#,
        r#""Territory":"DE"},"evidence":{"reference":"REFERENCE","falsePositiveProbability":P,"#,
        r#""alignedLandmarks":0,"matchedPeaks":0,"expectedPeaks":0,"speed":0.0,"pitchCents":0.0}}]}"#,
        "\n"
    );
    assert_eq!(text, golden.replace("REFERENCE", &reference).replace("P,", &format!("{probability},")));
}

#[test]
fn output_lines_have_the_order_of_the_inputs() {
    let sandbox = Sandbox::with_catalog();
    let music = music();
    let clips: Vec<_> = (0..24)
        .map(|k| {
            let seconds = if k % 5 == 0 { 15.0 } else { 4.0 };
            sandbox.clip(&format!("{k}.wav"), &music.known[k % 3], k as f64 * 0.3, seconds)
        })
        .collect();
    let (output, answers) = sandbox.identify(&clips);
    output.expect(0);
    assert_eq!(answers.len(), clips.len());
    for (k, (clip, answer)) in clips.iter().zip(&answers).enumerate() {
        assert_eq!(answer["file"], clip.to_str().unwrap());
        assert_eq!(answer["unknownAssetID"], k.to_string());
        assert_eq!(best(answer), Some(NAMES[k % 3]), "{answer}");
        assert_eq!(answer["matches"][0]["ruleCode"], "notSubmitted");
    }
    let one_thread = sandbox.run(&[&["identify", "--json", "--jobs", "1"][..], &paths(&clips)].concat());
    let threads = sandbox.run(&[&["identify", "--json", "--jobs", "5"][..], &paths(&clips)].concat());
    assert_eq!(one_thread.expect(0).stdout, threads.expect(0).stdout);
}

fn paths(files: &[std::path::PathBuf]) -> Vec<&str> {
    files.iter().map(|file| file.to_str().unwrap()).collect()
}

#[test]
fn matches_of_a_mix_are_listed_in_order_of_time() {
    let sandbox = Sandbox::with_catalog();
    let known = &music().known;
    let play = |song: usize, from| MixClip { samples: &known[song].samples, from, seconds: 12.0, fade: 1.0 };
    let mix = mix(&[play(2, 3.0), play(0, 0.0), play(1, 8.0)]);
    sandbox.wav("mix.wav", &mix.samples);
    let output = sandbox.run(&["identify", "mix.wav"]).expect(0);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{output:#?}");
    assert!(lines[0].starts_with("song ") && lines[0].ends_with("confidence"), "{output:#?}");
    for (line, name) in lines[1..].iter().zip([NAMES[2], NAMES[0], NAMES[1]]) {
        assert!(line.starts_with(name), "{output:#?}");
    }
    assert!(!output.stdout.contains('\x1b'), "colours are only written to terminals");
}

#[test]
fn json_matches_are_sorted_by_time_with_alternatives_after_each() {
    let sandbox = Sandbox::with_catalog();
    let known = &music().known;
    sandbox.wav("copies/copy.wav", &gain(&crop(&known[0].samples, 0.3, 23.0), -3.0));
    sandbox.run(&["index", "copies"]).expect(0);
    let play = |song: usize, from| MixClip { samples: &known[song].samples, from, seconds: 12.0, fade: 0.0 };
    sandbox.wav("mix.wav", &mix(&[play(2, 3.0), play(0, 4.0), play(1, 8.0)]).samples);
    let (_, answers) = sandbox.identify(&["mix.wav"]);
    let matches = answers[0]["matches"].as_array().unwrap();
    let mut times = Vec::new();
    let mut item = None;
    for found in matches {
        match found.get("alternativeOf") {
            Some(of) => assert_eq!(Some(of), item, "{answers:#?}"),
            None => {
                times.push(found["matchTimeInUnknown"].as_f64().unwrap());
                item = found.get("amItemID");
            }
        }
    }
    assert!(times.is_sorted() && times.len() == 3 && matches.len() == 4, "{answers:#?}");
}

#[test]
fn no_match_is_exit_status_1_with_optional_explanation() {
    let sandbox = Sandbox::with_catalog();
    sandbox.wav("silence.wav", &[0.0; 132_300]);
    sandbox.wav("quiet.wav", &gain(&music().known[0].samples[..441_000], -90.0));
    sandbox.clip("short.wav", &music().unknown, 3.0, 0.4);
    sandbox.clip("unknown.wav", &music().unknown, 3.0, 10.0);
    for (file, why) in [
        ("silence.wav", "why: silent or too quiet: every sample is zero"),
        ("quiet.wav", "why: silent or too quiet: "),
        ("short.wav", "why: too short: 0.4 s of sound"),
        ("unknown.wav", "why: n"),
    ] {
        let output = sandbox.run(&["identify", "--explain", file]).expect(1);
        assert!(output.stdout.starts_with("no match\n") && output.stdout.contains(why), "{output:#?}");
        let output = sandbox.run(&["identify", "--json", "--all", "--explain", file]).expect(1);
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((&answer["statusCode"], &answer["matches"]), (&2005.into(), &Value::Array(vec![])));
        assert!(answer["explanation"][0].is_string() && answer["rejected"].is_array(), "{answer}");
    }
}

#[test]
fn standard_input_is_an_input() {
    let sandbox = Sandbox::with_catalog();
    let clip = sandbox.clip("clip.wav", &music().known[0], 6.0, 8.0);
    let mut command = sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "--json", "-"]);
    let output =
        CommandOutput::from(command.stdin(std::fs::File::open(clip).unwrap()).output().unwrap()).expect(0);
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((answer["file"].as_str(), best(&answer)), (Some("-"), Some(NAMES[0])));
    let mut command = sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "-"]);
    CommandOutput::from(command.stdin(Stdio::null()).output().unwrap())
        .expect(2)
        .stderr_contains("standard input is empty");
    sandbox.run(&["identify", "-", "-"]).expect(2).stderr_contains("only once");
}

#[test]
fn identify_rejects_unsupported_inputs_and_catalogs() {
    let sandbox = Sandbox::with_catalog();
    sandbox
        .run(&["identify", "ftp://example.com/a.mp3"])
        .expect(2)
        .stderr_contains("ftp URLs cannot be read");
    sandbox
        .run(&["plot", "https://example.com/a.mp3"])
        .expect(2)
        .stderr_contains("https URLs cannot be read");
    let elsewhere = format!("sqlite:{}", sandbox.path("typo.db").display());
    let mut command = sandbox.command(&["--catalog", &elsewhere, "identify", "x.wav"]);
    CommandOutput::from(command.output().unwrap()).expect(2).stderr_contains("not found; create it with");
    assert!(!sandbox.path("typo.db").exists());
    let mut command = sandbox.command(&["--catalog", "mysql://u:secret@h/d", "identify", "x.wav"]);
    let output = CommandOutput::from(command.output().unwrap()).expect(2).stderr_contains("not supported");
    assert!(!output.stderr.contains("secret"), "{output:#?}");
}

#[test]
fn changed_speed_is_found_unless_disabled() {
    let sandbox = Sandbox::with_catalog();
    let faster = speed(&crop(&music().known[2].samples, 4.0, 12.0), 1.12);
    let clip = sandbox.wav("fast.wav", &crop(&faster, 0.0, 10.0));
    let clip = clip.to_str().unwrap();
    let (output, answers) = sandbox.identify(&[clip]);
    output.expect(0);
    assert_eq!(best(&answers[0]), Some(NAMES[2]));
    let evidence = &answers[0]["matches"][0]["evidence"];
    assert!((evidence["speed"].as_f64().unwrap() - 1.12).abs() < 0.0005, "{evidence}");
    assert!((evidence["pitchCents"].as_f64().unwrap() - 196.2).abs() < 5.0, "{evidence}");
    sandbox.run(&["identify", clip, "--effort", "fast"]).expect(1);
    sandbox.run(&["identify", clip, "--speed-range", "0.05", "--pitch-range", "0"]).expect(1);
    sandbox.run(&["identify", clip, "--effort", "thorough"]).expect(0);
}

#[test]
fn copies_are_listed_as_alternatives_of_the_best_match() {
    let sandbox = Sandbox::with_catalog();
    let copy = sandbox.wav("copy.wav", &gain(&music().known[1].samples[4_410..], -6.0));
    sandbox.run(&["index", copy.to_str().unwrap()]).expect(0);
    let clip = sandbox.clip("clip.wav", &music().known[1], 5.0, 10.0);
    let clip = clip.to_str().unwrap();
    let (output, answers) = sandbox.identify(&[clip]);
    output.expect(0);
    let matches = answers[0]["matches"].as_array().unwrap();
    assert_eq!(matches.len(), 2, "{answers:?}");
    assert!(matches[0].get("alternativeOf").is_none());
    assert_eq!(matches[1]["alternativeOf"], matches[0]["amItemID"]);
    assert_ne!(matches[1]["amItemID"], matches[0]["amItemID"]);
    let table = sandbox.run(&["identify", clip]).expect(0).stdout;
    assert_eq!(table.matches("(same sound)").count(), 1, "{table}");
}
