//! Tests of `refrain monitor`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin, SegmentContainer, encode};
use refrain_testkit::{RATE, write_wav};
use serde_json::Value;

use crate::support::{CommandOutput, SONG_SECONDS, Sandbox, music};

/// Timeout of waiting for an expected state.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Silence before the first song of a broadcast, and between songs, in seconds.
const SILENCE: f64 = 4.0;

/// Returns two songs with silence before, between and after them.
pub(crate) fn broadcast() -> Vec<f32> {
    let silence = vec![0.0; (SILENCE * f64::from(RATE)) as usize];
    let songs = &music().known;
    [&silence, &songs[0].samples, &silence, &songs[1].samples, &silence].map(Vec::as_slice).concat()
}

/// The segments of a broadcast, the origin that serves them, and a sandbox.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) origin: Origin,
    pub(crate) clips: Vec<Clip>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let sandbox = Sandbox::with_catalog();
        let wav = sandbox.path("broadcast.wav");
        write_wav(&wav, &broadcast(), RATE).unwrap();
        let clips = encode(&wav, SegmentContainer::Ts, 2.0).unwrap().clips;
        Self { sandbox, origin: Origin::start().await.unwrap(), clips }
    }

    /// Creates a live stream whose first segments are published. Its playlist keeps all segments.
    pub(crate) fn live(&self, published: u64) -> (LiveStream, String) {
        self.live_at("/live", published)
    }

    /// Like [`Self::live`], but in another folder of the origin.
    pub(crate) fn live_at(&self, folder: &str, published: u64) -> (LiveStream, String) {
        let options = LiveOptions { window: 100, ..LiveOptions::default() };
        let live = LiveStream::manual(self.clips.clone(), published, options);
        let url = self.origin.live(folder, &live);
        (live, url)
    }

    /// Starts `refrain monitor` with these arguments.
    pub(crate) fn monitor(&self, args: &[&str]) -> Running {
        let mut command = self.sandbox.command(&["--catalog", &self.sandbox.catalog(), "monitor"]);
        Running::start(command.args(args))
    }

    /// Waits until the first segment is requested, which means that the stream is followed from its start.
    pub(crate) async fn joined(&self) {
        let began = Instant::now();
        while self.origin.request_count("/live/seg0.ts") == 0 {
            assert!(began.elapsed() < TIMEOUT, "the stream was not joined");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn out(&self) -> PathBuf {
        self.sandbox.path("out")
    }
}

/// A running program, which is killed when the value is dropped.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Returns the lines of its standard error as they are written.
    pub(crate) fn log(&mut self) -> impl Iterator<Item = String> + use<> {
        let errors = self.child().stderr.take().unwrap();
        BufReader::new(errors).lines().map(Result::unwrap)
    }

    /// Returns true if the program has exited.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child().try_wait().unwrap().is_some()
    }

    pub(crate) fn terminate(&mut self) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until the program exits.
    pub(crate) fn end(mut self) -> CommandOutput {
        let began = Instant::now();
        while self.child().try_wait().unwrap().is_none() {
            assert!(began.elapsed() < TIMEOUT, "the program does not exit");
            std::thread::sleep(Duration::from_millis(20));
        }
        CommandOutput::from(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "tests show what failed")]
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        let _ = child.kill();
        let output = child.wait_with_output();
        // The log of the program helps to explain a failed test.
        if let (true, Ok(output)) = (std::thread::panicking(), output) {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Returns names and contents of the responses in a folder, in the order in which they were written.
pub(crate) fn responses(folder: &Path) -> Vec<(String, Value)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    };
    files.iter().map(read).collect()
}

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

/// Returns event, song, start, duration and airing of a response, for comparison.
fn brief(response: &Value) -> (String, String, f64, f64, String) {
    assert_eq!((&response["statusCode"], &response["matches"][1]), (&2006.into(), &Value::Null));
    let found = &response["matches"][0];
    let evidence = &found["evidence"];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{response}")).to_owned();
    let song = text(&evidence["reference"]);
    (
        text(&evidence["event"]),
        song.rsplit('/').next().unwrap().to_owned(),
        found["matchTimeInUnknown"].as_f64().unwrap(),
        found["matchDurationInUnknown"].as_f64().unwrap(),
        text(&evidence["airing"]),
    )
}

/// Checks that these are the responses to a broadcast that began at `epoch`.
#[track_caller]
pub(crate) fn check_broadcast(all: &[Value], epoch: f64) {
    let mut all: Vec<_> = all.iter().map(brief).collect();
    // Two files of the same moment have no order.
    all.sort_by_key(|(event, ..)| event == "final");
    let kinds: Vec<_> = all.iter().map(|(event, song, ..)| (event.as_str(), song.as_str())).collect();
    let wanted = [("start", "one.wav"), ("final", "one.wav"), ("start", "three.wav"), ("final", "three.wav")];
    let mut sorted = kinds.clone();
    sorted.sort_by_key(|(event, song)| (*song, *event == "final"));
    assert_eq!(sorted, wanted, "{all:?}");
    for (song, start) in [("one.wav", SILENCE), ("three.wav", 2.0 * SILENCE + SONG_SECONDS)] {
        let chain: Vec<_> = all.iter().filter(|one| one.1 == song).collect();
        assert_eq!(chain[0].4, chain[1].4, "one airing");
        let (_, _, at, seconds, _) = chain[1];
        assert!((at - epoch - start).abs() < 0.5, "{song} at {}", at - epoch);
        assert!((seconds - SONG_SECONDS).abs() < 1.0, "{song} for {seconds}");
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
    let mut child = running.0.take().unwrap();
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
