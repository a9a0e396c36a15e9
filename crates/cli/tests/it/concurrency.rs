//! Tests with several processes, and with killed processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Sandbox, best, music};

/// Writes twelve different short songs.
fn songs(sandbox: &Sandbox) {
    for k in 0..12 {
        let song = &music().known[k % 3];
        sandbox.clip(&format!("m/{k:02}.wav"), song, (k / 3) as f64 * 6.0, 6.0);
    }
}

fn check(sandbox: &Sandbox) {
    let mut sources: Vec<_> = sandbox.tracks().iter().map(|track| track["source"].clone()).collect();
    assert_eq!(sources.len(), 12);
    sources.sort_by_key(ToString::to_string);
    sources.dedup();
    assert_eq!(sources.len(), 12, "a track was added twice");
    let inputs: Vec<_> = (0..12).map(|k| format!("m/{k:02}.wav")).collect();
    let (output, answers) = sandbox.identify(&inputs);
    let output = output.expect(0);
    assert_eq!(output.stderr, "");
    for (input, answer) in inputs.iter().zip(&answers) {
        assert_eq!(best(answer), input.strip_prefix("m/"), "{answer}");
    }
}

#[test]
fn index_resumes_after_kills() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    for pause in [20, 60, 120, 200, 300] {
        let mut child = sandbox.command(&["--catalog", &sandbox.catalog(), "index", "--jobs", "1", "m"]);
        let quiet = std::process::Stdio::null;
        let mut child = child.stdout(quiet()).stderr(quiet()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let output = sandbox.run(&["index", "m"]).expect(0);
    let counts: Vec<usize> = output
        .stdout
        .split(", ")
        .take(2)
        .map(|part| part.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(counts[0] + counts[1], 12, "{output:#?}");
    check(&sandbox);
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < until, "timeout waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the number of tracks in the catalog; 0 if the catalog does not exist yet.
fn count(sandbox: &Sandbox) -> usize {
    let output = sandbox.run(&["tracks", "list", "--json"]);
    if output.status == Some(0) { output.stdout.lines().count() } else { 0 }
}

#[test]
fn ctrl_c_keeps_indexed_tracks_and_reports_remaining_files() {
    const COPIES: usize = 20;
    let sandbox = Sandbox::new();
    songs(&sandbox);
    // There are so many files that the run cannot be complete when its first tracks are written.
    for copy in 1..COPIES {
        for k in 0..12 {
            std::fs::copy(sandbox.path(format!("m/{k:02}.wav")), sandbox.path(format!("m/{copy}-{k}.wav")))
                .unwrap();
        }
    }
    let mut child = sandbox.command(&["--catalog", &sandbox.catalog(), "index", "--jobs", "1", "m"]);
    let child =
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("a track is written", || count(&sandbox) > 0);
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = crate::support::CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(output.status, Some(3), "{output:#?}");
    assert!(output.stdout.contains("not done: repeat the command"), "{output:#?}");
    let indexed = count(&sandbox);
    assert!((1..12 * COPIES).contains(&indexed), "{indexed}");
    sandbox.run(&["doctor"]).expect(0).stdout_contains("every track was compared");
}

/// A song and its copy are linked even if the run was killed several times before.
#[test]
fn near_duplicates_are_linked_after_kills() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    for k in 0..12 {
        std::fs::copy(sandbox.path(format!("m/{k:02}.wav")), sandbox.path(format!("m/{k:02}-copy.wav")))
            .unwrap();
    }
    // The reference is indexed without interruption.
    let reference = Sandbox::new();
    songs(&reference);
    for k in 0..12 {
        std::fs::copy(sandbox.path(format!("m/{k:02}.wav")), reference.path(format!("m/{k:02}-copy.wav")))
            .unwrap();
    }
    reference.run(&["index", "m"]).expect(0);
    let expected = reference.links();
    assert!(expected >= 12, "{expected}");
    for tracks in [1, 8, 16] {
        let mut child = sandbox.command(&["--catalog", &sandbox.catalog(), "index", "--jobs", "1", "m"]);
        let quiet = std::process::Stdio::null;
        let mut child = child.stdout(quiet()).stderr(quiet()).spawn().unwrap();
        until("tracks are written", || count(&sandbox) >= tracks || child.try_wait().unwrap().is_some());
        let _ = child.kill();
        child.wait().unwrap();
    }
    sandbox.run(&["index", "m"]).expect(0);
    assert_eq!(sandbox.links(), expected);
    sandbox.run(&["doctor"]).expect(0).stdout_contains("every track was compared");
}

/// A run completes the comparisons of tracks that earlier runs did not finish.
#[test]
fn unfinished_comparisons_are_completed_by_the_next_run() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    std::fs::copy(sandbox.path("m/00.wav"), sandbox.path("m/copy.wav")).unwrap();
    sandbox.run(&["index", "m"]).expect(0);
    let expected = sandbox.links();
    assert!(expected >= 1);
    // The state after a kill between the transaction that adds tracks and their comparison.
    sandbox.sql("DELETE FROM near_duplicates; INSERT INTO pending_comparisons SELECT number FROM tracks");
    let doctor = sandbox.run(&["doctor"]).expect(3);
    doctor.stdout_contains("13 tracks were not compared with the earlier ones yet");
    sandbox.run(&["index", "m"]).expect(0);
    assert_eq!(sandbox.links(), expected);
    sandbox.run(&["doctor"]).expect(0);
}

#[test]
fn two_index_runs_can_share_a_catalog() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    let runs = std::thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(|| sandbox.run(&["index", "m"])));
        threads.map(|thread| thread.join().unwrap())
    });
    for output in runs {
        output.expect(0);
    }
    check(&sandbox);
}

/// Writes a file to a pipe in a separate thread, because the write blocks until a process reads from the pipe.
pub(crate) fn feed(pipe: &Path, file: &Path) {
    let (bytes, pipe) = (std::fs::read(file).unwrap(), pipe.to_owned());
    std::thread::spawn(move || std::fs::write(pipe, bytes));
}

#[test]
fn long_identify_run_notices_catalog_changes() {
    const INPUTS: usize = 40;
    let sandbox = Sandbox::with_catalog();
    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    let known = sandbox.clip("known.wav", &music().known[0], 4.0, 6.0);
    let new = sandbox.clip("new.wav", &music().unknown, 4.0, 6.0);
    sandbox.clip("m/unknown.wav", &music().unknown, 0.0, 12.0);
    let pipes: Vec<_> = (0..INPUTS).map(|k| sandbox.path(format!("pipe{k}"))).collect();
    assert!(std::process::Command::new("mkfifo").args(&pipes).status().unwrap().success());
    let mut child = sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "--json", "--jobs", "1"]);
    let mut child = child.args(&pipes).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut pipes = pipes.iter();
    let mut identify_clip = |clip: &Path| -> serde_json::Value {
        feed(pipes.next().expect("the run did not notice the change"), clip);
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(best(&identify_clip(&known)), Some("one.wav"));
    assert_eq!(best(&identify_clip(&new)), None);
    // The process has cached the track with its old title.
    sandbox.run(&["tracks", "set", &id, "title=Renamed"]).expect(0);
    while identify_clip(&known)["matches"][0]["metadata"]["Title"] != "Renamed" {
        std::thread::sleep(Duration::from_millis(300));
    }
    sandbox.run(&["index", "m"]).expect(0);
    while best(&identify_clip(&new)) != Some("unknown.wav") {
        std::thread::sleep(Duration::from_millis(300));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
