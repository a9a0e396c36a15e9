//! Several processes, and processes that die.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use crate::support::{Sandbox, best, music};

/// Twelve different short songs.
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
    assert_eq!(sources.len(), 12, "a track was doubled");
    let inputs: Vec<_> = (0..12).map(|k| format!("m/{k:02}.wav")).collect();
    let (ran, answers) = sandbox.identify(&inputs);
    let ran = ran.expect(0);
    assert_eq!(ran.stderr, "");
    for (input, answer) in inputs.iter().zip(&answers) {
        assert_eq!(best(answer), input.strip_prefix("m/"), "{answer}");
    }
}

#[test]
fn an_index_run_that_was_killed_goes_on_where_it_was() {
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
    let ran = sandbox.run(&["index", "m"]).expect(0);
    let counts: Vec<usize> =
        ran.stdout.split(", ").take(2).map(|part| part.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(counts[0] + counts[1], 12, "{ran:#?}");
    check(&sandbox);
}

#[test]
fn ctrl_c_ends_in_good_order() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    let mut child = sandbox.command(&["--catalog", &sandbox.catalog(), "index", "--jobs", "1", "m"]);
    let child =
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = crate::support::Ran::from(child.wait_with_output().unwrap());
    // It may have been done before the signal came, or not yet have listened for it.
    assert!(matches!(ran.status, Some(0 | 2 | 3) | None), "{ran:#?}");
    if ran.status == Some(3) {
        assert!(ran.stdout.contains("not done: run the same again"), "{ran:#?}");
    }
    sandbox.run(&["index", "m"]).expect(0);
    check(&sandbox);
}

#[test]
fn two_index_runs_share_a_catalogue() {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    let runs = std::thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(|| sandbox.run(&["index", "m"])));
        threads.map(|thread| thread.join().unwrap())
    });
    for ran in runs {
        ran.expect(0);
    }
    check(&sandbox);
}

/// Writes a file into a pipe as soon as somebody reads from that; whoever waits for an answer need not wait here.
pub(crate) fn feed(pipe: &Path, file: &Path) {
    let (bytes, pipe) = (std::fs::read(file).unwrap(), pipe.to_owned());
    std::thread::spawn(move || std::fs::write(pipe, bytes));
}

#[test]
fn a_long_identify_run_sees_what_others_change() {
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
    let mut ask = |clip: &Path| -> serde_json::Value {
        feed(pipes.next().expect("it never saw the change"), clip);
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(best(&ask(&known)), Some("one.wav"));
    assert_eq!(best(&ask(&new)), None);
    // The first answer is in the process's memory now, under its old name.
    sandbox.run(&["tracks", "set", &id, "title=Renamed"]).expect(0);
    while ask(&known)["matches"][0]["metadata"]["Title"] != "Renamed" {
        std::thread::sleep(Duration::from_millis(300));
    }
    sandbox.run(&["index", "m"]).expect(0);
    while best(&ask(&new)) != Some("unknown.wav") {
        std::thread::sleep(Duration::from_millis(300));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
