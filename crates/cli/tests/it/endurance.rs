//! Tests of index runs that are killed at random moments, and of full disks. Run them with
//! `scripts/test -p refrain --test it -- --ignored`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use crate::support::{CommandOutput, Sandbox, music};

/// Number of different excerpts.
const EXCERPTS: usize = 18;
/// Number of files with each excerpt. All except the first are near-duplicates.
const COPIES: usize = 3;
const FILES: usize = EXCERPTS * COPIES;

fn songs(sandbox: &Sandbox) {
    for k in 0..EXCERPTS {
        let song = &music().known[k % 3];
        let first = sandbox.clip(&format!("m/{k:02}-0.wav"), song, (k / 3) as f64 * 3.0, 6.0);
        for copy in 1..COPIES {
            std::fs::copy(&first, sandbox.path(format!("m/{k:02}-{copy}.wav"))).unwrap();
        }
    }
}

/// Indexes the songs without interruption. Returns the number of links in the catalog, and the duration of the run.
fn reference_run() -> (usize, Duration) {
    let sandbox = Sandbox::new();
    songs(&sandbox);
    let began = Instant::now();
    sandbox.run(&["index", "--jobs", "1", "m"]).expect(0);
    let duration = began.elapsed();
    (sandbox.links(), duration)
}

fn check(sandbox: &Sandbox, links: usize) {
    let mut sources: Vec<_> = sandbox.tracks().iter().map(|track| track["source"].to_string()).collect();
    sources.sort();
    sources.dedup();
    assert_eq!((sources.len(), sandbox.tracks().len()), (FILES, FILES));
    assert_eq!(sandbox.links(), links);
    sandbox.run(&["doctor"]).expect(0).stdout_contains("every track was compared");
    let inputs: Vec<_> = (0..EXCERPTS).map(|k| format!("m/{k:02}-0.wav")).collect();
    let (output, answers) = sandbox.identify(&inputs);
    output.expect(0);
    for (input, answer) in inputs.iter().zip(&answers) {
        let best = crate::support::best(answer).unwrap();
        // The copies are the same recording.
        assert_eq!(input[2..4], best[..2], "{input}: {answer}");
    }
}

/// Returns a random time that is shorter than `limit`.
fn random(limit: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    limit.mul_f64(f64::from(nanos % 1_000_003) / 1_000_003.0)
}

#[test]
#[ignore = "takes 5 minutes"]
fn index_survives_fifty_kills() {
    const KILLS: usize = 50;
    let (links, whole_run) = reference_run();
    assert!(links >= EXCERPTS * (COPIES - 1), "{links}");
    let mut kills = 0;
    while kills < KILLS {
        let sandbox = Sandbox::new();
        songs(&sandbox);
        loop {
            let mut command =
                sandbox.command(&["--catalog", &sandbox.catalog(), "index", "--jobs", "1", "m"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let began = Instant::now();
            let deadline = random(whole_run);
            while began.elapsed() < deadline && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        sandbox.run(&["index", "m"]).expect(0);
        check(&sandbox, links);
    }
}

/// The catalog is on a separate file system, which first has too little space and later enough.
#[test]
#[ignore = "needs user namespaces"]
fn index_completes_after_a_full_disk() {
    let (links, _) = reference_run();
    let sandbox = Sandbox::new();
    songs(&sandbox);
    std::fs::create_dir(sandbox.path("small")).unwrap();
    let mut command = sandbox.command(&["index", "m"]);
    let program = command.get_program().to_owned();
    let script = r#"
        mount -t tmpfs -o size=1m tmpfs small || exit 99
        export TMPDIR=$PWD/small
        "$1" --catalog sqlite:small/catalog.db index m 2>first; echo $? >first.status
        mount -o remount,size=100m small || exit 99
        "$1" --catalog sqlite:small/catalog.db index m || exit
        cp small/* .
    "#;
    command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(program);
    command.current_dir(sandbox.path(".")).env("HOME", sandbox.path("."));
    CommandOutput::from(command.output().unwrap()).expect(0);
    let first = std::fs::read_to_string(sandbox.path("first")).unwrap();
    assert!(first.contains("no space left"), "{first}");
    assert_ne!(std::fs::read_to_string(sandbox.path("first.status")).unwrap().trim(), "0");
    check(&sandbox, links);
}
