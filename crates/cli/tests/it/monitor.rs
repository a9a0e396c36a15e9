//! Tests of `refrain monitor`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use refrain_testkit::origin::{Fault, Times};
use serde_json::Value;

use crate::stage::{Running, SILENCE, Stage, TIMEOUT, brief, broadcast, check_broadcast, responses};
use crate::support::{SONG_SECONDS, Sandbox};

/// Waits until a folder contains `count` responses.
async fn wait_for(folder: &Path, count: usize) -> Vec<(String, Value)> {
    let began = Instant::now();
    loop {
        let all = responses(folder);
        if all.len() >= count {
            return all;
        }
        assert!(began.elapsed() < TIMEOUT, "{} of {count} responses were written", all.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_stream_gives_start_and_final_files_of_each_song() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let out = stage.out();
    let running = stage.monitor(&[&url, "--id", "a/../b", "--out", out.to_str().unwrap()]);
    stage.joined().await;
    // The start of the first song is reported while it plays.
    live.publish(6);
    let first = wait_for(&out, 1).await;
    let (name, response) = &first[0];
    assert_eq!(brief(response).0, "start");
    assert_eq!(response["unknownAssetID"], "a/../b");
    let (id, time) = name.split_at("a_.._b_".len());
    assert_eq!(id, "a_.._b_");
    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
    let form: String = time.chars().map(digits).collect();
    assert!(form == "0000_00_00T00_00_00+0000.json" || form == "0000_00_00T00_00_00-0000.json", "{name}");
    // Publish the other segments, and end the playlist.
    live.publish(stage.clips.len() as u64 - 9);
    live.change(|options| options.end = true);
    let output = running.end().expect(0);
    assert_eq!(output.stdout, "");
    let all: Vec<Value> = responses(&out).into_iter().map(|(_, response)| response).collect();
    check_broadcast(&all, 1_700_000_000.0);
    let evidence = &all[3]["matches"][0]["evidence"];
    assert_eq!(evidence["clock"], "programDateTime");
    assert!(evidence["clockOffset"].as_f64().unwrap() > 1e6, "the dates are years old");
    assert!((evidence["timeInStream"].as_f64().unwrap() - 2.0 * SILENCE - SONG_SECONDS).abs() < 0.5);
    assert!(evidence["matchedPeaks"].as_u64() <= evidence["expectedPeaks"].as_u64());
    assert!(all[0]["unknownMediaFileDuration"].is_null() && all[0]["file"].is_null());
    // All temporary files were deleted.
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4);
    assert!(output.stderr.contains("stream status") && output.stderr.contains("ended"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_requires_headers_and_a_cookie_is_followed() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(stage.clips.len() as u64);
    live.change(|options| options.end = true);
    stage.origin.add_header("/live/index.m3u8", "set-cookie", "session=1; Path=/");
    stage.origin.require_header("/live/seg*", "cookie", "session=1");
    stage.origin.require_header("/live/*", "authorization", "Bearer hush");
    stage.origin.require_header("/live/*", "referer", "https://player.example/");
    let secrets = stage.sandbox.file("headers", "# token of the provider\nAuthorization: Bearer hush\n");
    let headers =
        ["--header", "Referer: https://player.example/", "--header-file", secrets.to_str().unwrap()];
    let running =
        stage.monitor(&[&[url.as_str(), "--id", "x", "--json", "--verbose"][..], &headers[..]].concat());
    let output = running.end().expect(0);
    assert_eq!(output.stdout.lines().count(), 4, "{output:?}");
    assert!(!output.stderr.contains("hush"), "{}", output.stderr);
    let refused = stage.monitor(&[&["input.wav"][..], &headers[..]].concat()).end().expect(2);
    assert!(
        refused.stderr.contains("input.wav") || refused.stderr.contains("remove --header"),
        "{refused:?}"
    );
    let invalid = stage.monitor(&[&url, "--header", "hush"]).end().expect(2);
    assert!(invalid.stderr.contains("'Name: value'") && !invalid.stderr.contains("hush"), "{invalid:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_writes_pending_finals_and_exits_successfully() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let out = stage.out();
    let args = [&url, "--id", "x", "--out", out.to_str().unwrap(), "--log-json", "--json"];
    let mut running = stage.monitor(&args);
    stage.joined().await;
    live.publish(6);
    wait_for(&out, 1).await;
    running.terminate();
    let output = running.end().expect(0);
    let all = responses(&out);
    let events: Vec<_> = all.iter().map(|(_, response)| brief(response).0).collect();
    assert_eq!(events, ["start", "final"]);
    // Standard output has the same responses as lines, and the log is JSON.
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Vec<Value> = all.into_iter().map(|(_, response)| response).collect();
    assert_eq!(lines, files);
    let logs: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = logs.iter().rfind(|log| log["message"] == "stream status").unwrap();
    assert_eq!((&last["stream"], &last["state"]), (&"x".into(), &"ended: it was stopped".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn monitor_retries_while_the_output_folder_is_missing() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let (out, away) = (stage.out(), stage.sandbox.path("away"));
    let mut running = stage.monitor(&[&url, "--id", "x", "--out", out.to_str().unwrap()]);
    let mut errors = running.log();
    stage.joined().await;
    std::fs::rename(&out, &away).unwrap();
    live.publish(stage.clips.len() as u64 - 3);
    live.change(|options| options.end = true);
    let what = loop {
        let line = errors.next().unwrap();
        if line.contains("cannot write a response") {
            break line;
        }
    };
    assert!(what.contains("make the folder") && what.contains("retrying"), "{what}");
    std::fs::rename(&away, &out).unwrap();
    let _rest = std::thread::spawn(move || errors.for_each(drop));
    running.child().stderr = None;
    let mut child = running.into_child();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let all: Vec<Value> = responses(&out).into_iter().map(|(_, response)| response).collect();
    check_broadcast(&all, 1_700_000_000.0);
}

#[test]
fn monitor_accepts_pcm_and_files_on_standard_input() {
    let sandbox = Sandbox::with_catalog();
    let wav = sandbox.wav("broadcast.wav", &broadcast());
    let pcm = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&wav)
        .args(["-ar", "48000", "-ac", "2", "-f", "s16le", "-"])
        .output()
        .unwrap();
    for (format, bytes) in [(Some("s16le:48000:2"), pcm.stdout), (None, std::fs::read(&wav).unwrap())] {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let mut command = sandbox.command(&["--catalog", &sandbox.catalog(), "monitor", "-"]);
        command.args(format.map(|format| ["--pcm", format]).into_iter().flatten()).stdin(Stdio::piped());
        let mut running = Running::start(&mut command);
        let mut stdin = running.child().stdin.take().unwrap();
        let writing = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = running.end().expect(0);
        writing.join().unwrap().unwrap();
        let lines: Vec<Value> =
            output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        // The time of standard input is the time at which the audio arrives.
        let evidence = &lines[0]["matches"][0]["evidence"];
        assert_eq!((&evidence["clock"], &lines[0]["unknownAssetID"]), (&"arrival".into(), &"stdin".into()));
        let at = lines[0]["matches"][0]["matchTimeInUnknown"].as_f64().unwrap();
        let origin = at - evidence["timeInStream"].as_f64().unwrap();
        assert!((0.0..60.0).contains(&(origin - now)), "{origin} {now}");
        check_broadcast(&lines, origin);
    }
}

#[test]
fn events_option_selects_the_events() {
    let sandbox = Sandbox::with_catalog();
    let wav = sandbox.wav("broadcast.wav", &broadcast());
    let file = wav.to_str().unwrap();
    let events = |args: &[&str]| -> Vec<String> {
        let args = [&["monitor", file, "--json"], args].concat();
        let output = sandbox.run(&args).expect(0);
        output.stdout.lines().map(|line| brief(&serde_json::from_str(line).unwrap()).0).collect()
    };
    assert_eq!(events(&["--events", "final"]), ["final", "final"]);
    assert!(events(&["--events", "none"]).is_empty());
    let all = events(&["--update-every", "5"]);
    assert_eq!(all.iter().filter(|kind| *kind == "start").count(), 2);
    assert!(all.iter().filter(|kind| *kind == "update").count() >= 4, "{all:?}");
}

#[test]
fn alerts_about_the_audio_are_events() {
    let sandbox = Sandbox::with_catalog();
    // A second with a tone, three silent seconds, and two seconds with a tone.
    let sample = |n: u32| {
        let is_tone = !(48_000..4 * 48_000).contains(&n);
        if is_tone { (f64::from(n) * 0.05).sin() * 8_000.0 } else { 0.0 }
    };
    let pcm: Vec<u8> = (0..6 * 48_000).flat_map(|n| (sample(n) as i16).to_le_bytes()).collect();
    let mut command =
        sandbox.command(&["--catalog", &sandbox.catalog(), "monitor", "-", "--events", "alert"]);
    command.args(["--pcm", "s16le:48000:1", "--id", "desk"]).stdin(Stdio::piped());
    command.env("REFRAIN_HEALTH_SILENCE_SECONDS", "2").env("REFRAIN_HEALTH_END_SECONDS", "1");
    let mut running = Running::start(&mut command);
    let mut stdin = running.child().stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(&pcm));
    let output = running.end().expect(0);
    writing.join().unwrap().unwrap();
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let brief: Vec<_> = lines.iter().map(|line| (line["event"].as_str(), line["kind"].as_str())).collect();
    assert_eq!(brief, [(Some("alert.start"), Some("silence")), (Some("alert.end"), Some("silence"))]);
    assert_eq!((&lines[0]["stream"], &lines[0]["threshold"]), (&"desk".into(), &(-60.0).into()));
    assert_eq!(lines[0]["reason"], "no audio above -60 dBFS for 2 s");
    assert_eq!(lines[0]["since"], lines[1]["since"]);
}

#[test]
fn monitor_explains_unusable_inputs() {
    let sandbox = Sandbox::with_catalog();
    sandbox.run(&["monitor", "none.ts"]).expect(2).stderr_contains("cannot open none.ts");
    sandbox.run(&["monitor", "rtmp://host/app"]).expect(2).stderr_contains("ffmpeg -i rtmp://");
    sandbox.run(&["monitor", "udp://nowhere"]).expect(2).stderr_contains("udp://239.1.2.3:5000");
    sandbox.run(&["monitor", "-", "--pcm", "mp3"]).expect(2).stderr_contains("s16le:48000:2");
    let text = sandbox.file("text.ts", "This is no music at all. ".repeat(1000));
    sandbox.run(&["monitor", text.to_str().unwrap()]).expect(2).stderr_contains("cannot follow");
    let output = sandbox.run(&["--search", "database", "monitor", "-"]).expect(2);
    output.stderr_contains("--search local");
    Sandbox::new().run(&["monitor", "-"]).expect(2).stderr_contains("not found; create it with");
}

/// Returns true if a line is a warning or an error.
fn is_warning(line: &str) -> bool {
    ["WARN", "ERROR"].iter().any(|level| line.contains(level))
}

#[tokio::test(flavor = "multi_thread")]
async fn resource_that_is_no_stream_ends_with_its_kind_and_status_2() {
    let stage = Stage::new().await;
    for (path, kind, body) in [
        ("/page", "text/html", "<!doctype html><html><body>Please log in</body></html>"),
        ("/state.json", "application/json", "{\"online\": true}"),
        ("/feed", "text/xml", "<?xml version=\"1.0\"?><rss version=\"2.0\"></rss>"),
    ] {
        stage.origin.put(path, body, kind);
        let output = stage.monitor(&[&stage.origin.url(path), "--id", "x"]).end().expect(2);
        let last = output.stderr.lines().last().unwrap();
        assert!(last.starts_with("refrain: cannot follow http://127.0.0.1:"), "{output:?}");
        // A media type, or the name of the kind.
        let names = [kind, kind.rsplit('/').next().unwrap()];
        assert!(names.iter().any(|name| last.to_lowercase().contains(name)), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_without_decodable_audio_ends_with_one_warning_and_status_2() {
    let stage = Stage::new().await;
    let playlist = "#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:2\n\
                    #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.example\"\n\
                    #EXTINF:2,\na.ts\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST\n";
    stage.origin.put("/x.m3u8", playlist, "");
    let output = stage.monitor(&[&stage.origin.url("/x.m3u8"), "--id", "x"]).end().expect(2);
    let warnings: Vec<&str> = output.stderr.lines().filter(|line| is_warning(line)).collect();
    assert!(!warnings.is_empty() && warnings.len() <= 2, "one for the reason, one for the end: {output:?}");
    assert!(warnings.iter().all(|line| line.contains("SAMPLE-AES")), "{output:?}");
    let status = output.stderr.lines().rfind(|line| line.contains("stream status")).unwrap();
    assert!(status.contains("missing_seconds=4"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_starting_ends_without_later_warnings() {
    let stage = Stage::new().await;
    // The first request never gets an answer, so no request has failed yet.
    stage.origin.fault("/late.m3u8", Fault::Late(TIMEOUT), Times::Always);
    stage.origin.fault("/none.m3u8", Fault::Status(404), Times::Always);
    for (path, status) in [("/late.m3u8", 0), ("/none.m3u8", 2)] {
        let mut running = stage.monitor(&[&stage.origin.url(path), "--id", "x"]);
        let began = Instant::now();
        while stage.origin.request_count(path) < 1 {
            assert!(began.elapsed() < TIMEOUT, "the stream was not requested");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = running.log();
        let lines: Vec<String> = if status == 0 {
            running.terminate();
            log.collect()
        } else {
            let mut has_failed = false;
            let mut terminate = |line: &String| {
                if !has_failed && line.contains("404") {
                    has_failed = true;
                    running.terminate();
                }
            };
            log.inspect(|line| terminate(line)).collect()
        };
        running.end().expect(status);
        let last = lines.iter().rposition(|line| line.contains("stream status")).unwrap();
        assert!(!lines[last..].iter().any(|line| is_warning(line)), "{lines:?}");
        assert!(lines[last].contains("ended: it was stopped"), "{lines:?}");
    }
}
