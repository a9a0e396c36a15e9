//! A broadcast that is served as a live stream, and programs that follow it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use refrain_testkit::origin::{Clip, LiveOptions, LiveStream, Origin, SegmentContainer, encode};
use refrain_testkit::{RATE, write_wav};
use serde_json::Value;

use crate::support::{CommandOutput, SONG_SECONDS, Sandbox, music};

/// Timeout of waiting for an expected state.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Silence before the first song of a broadcast, and between songs, in seconds.
pub(crate) const SILENCE: f64 = 4.0;

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

    /// Returns the folder for responses.
    pub(crate) fn out(&self) -> PathBuf {
        self.sandbox.path("out")
    }
}

/// A running program, which is killed when the value is dropped.
pub(crate) struct Running(Option<Child>);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
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
        self.signal("TERM");
    }

    /// Sends the signal with this name, without SIG.
    pub(crate) fn signal(&mut self, name: &str) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Returns the program, which is no longer killed when the value is dropped.
    pub(crate) fn into_child(mut self) -> Child {
        self.0.take().unwrap()
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

/// Returns event, song, start, duration and airing of a response, for comparison.
pub(crate) fn brief(response: &Value) -> (String, String, f64, f64, String) {
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
