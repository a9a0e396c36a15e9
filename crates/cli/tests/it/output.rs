//! Tests of output: closed pipes, full disks, help.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::support::{CommandOutput, Sandbox, music};

#[test]
fn closed_output_pipe_ends_without_an_error() {
    let sandbox = Sandbox::with_catalog();
    let clips: Vec<_> =
        (0..30).map(|k| sandbox.clip(&format!("{k}.wav"), &music().known[0], 4.0, 3.0)).collect();
    let mut command = sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "--json"]);
    let mut child = command.args(&clips).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    assert!(first.contains("\"file\""));
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_errors_name_the_file() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &music().known[0], 4.0, 3.0);
    let mut command = sandbox.command(&["--catalog", &sandbox.catalog(), "identify", "clip.wav"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = CommandOutput::from(command.stdout(full).output().unwrap()).expect(2);
    output.stderr_contains("cannot write to standard output: No space left");
    sandbox.run(&["tracks", "export", "/dev/full/x"]).expect(2).stderr_contains("cannot write /dev/full/x");
    // A device is opened for writing and is not replaced by a file.
    std::os::unix::fs::symlink("/dev/full", sandbox.path("full")).unwrap();
    sandbox.run(&["tracks", "export", "full"]).expect(2).stderr_contains("cannot write full: No space left");
    assert!(std::fs::symlink_metadata(sandbox.path("full")).unwrap().is_symlink());
}

#[test]
fn help_has_examples_for_every_command() {
    let sandbox = Sandbox::new();
    for words in [
        &["index"][..],
        &["identify"],
        &["outbox"],
        &["outbox", "list"],
        &["outbox", "retry"],
        &["plot"],
        &["tracks"],
        &["tracks", "list"],
        &["tracks", "show"],
        &["tracks", "set"],
        &["tracks", "remove"],
        &["tracks", "export"],
        &["tracks", "import"],
        &["doctor"],
        &["prune"],
        &["demo"],
    ] {
        let output = sandbox.run(&[words, &["--help"]].concat()).expect(0);
        assert!(output.stdout.contains("Example"), "{words:?}");
        assert!(output.stdout.contains(&format!("refrain {}", words.join(" "))), "{words:?}");
    }
    assert!(sandbox.run(&["--version"]).expect(0).stdout.starts_with("refrain "));
}
