//! Tests of the drop-in replacement `identifyStream`.

use std::process::Command;

use refrain_testkit::origin::{Fault, Times};
use serde_json::Value;

use crate::stage::{Running, Stage, check_broadcast, responses};
use crate::support::{CommandOutput, Sandbox, music};

/// Returns a command with the flags of the program that it replaces.
fn command(sandbox: &Sandbox, input: &str, config: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_identifyStream"));
    command.env_clear().env("HOME", sandbox.path("")).current_dir(sandbox.path(""));
    command.args(["-i", input, "-c", config, "-e", "st-1DcdE", "-O", "results", "-t", "tmp"]);
    std::fs::create_dir_all(sandbox.path("tmp")).unwrap();
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_of_the_old_program_is_accepted() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(stage.clips.len() as u64);
    live.change(|options| {
        options.end = true;
        options.kind = Some("VOD");
    });
    // The configuration of the old program happens to be valid TOML. Known settings apply, others are ignored.
    let config = format!("catalog = \"{}\"\nserver = \"x\"\nmode = 3\n", stage.sandbox.catalog());
    stage.sandbox.file("old.cfg", config);
    let output = Running::start(&mut command(&stage.sandbox, &url, "old.cfg")).end().expect(0);
    assert_eq!(output.stderr.matches("ignored").count(), 1, "{}", output.stderr);
    assert!(output.stderr.contains("mode, server"), "{}", output.stderr);
    let files = responses(&stage.sandbox.path("results"));
    assert!(files.iter().all(|(name, _)| name.starts_with("st-1DcdE_20") && name.ends_with(".json")));
    let all: Vec<Value> = files.into_iter().map(|(_, response)| response).collect();
    check_broadcast(&all, 1_700_000_000.0);
    assert!(all.iter().all(|response| response["unknownAssetID"] == "st-1DcdE"));
    assert_eq!(std::fs::read_dir(stage.sandbox.path("tmp")).unwrap().count(), 0);
}

#[test]
fn media_file_gives_one_response() {
    let sandbox = Sandbox::with_catalog();
    let clip = sandbox.clip("clip.wav", &music().known[0], 5.0, 12.0);
    sandbox.file("old.cfg", b"<config>\xFF not TOML</config>");
    let run = |input: &str| {
        let mut command = command(&sandbox, input, "old.cfg");
        CommandOutput::from(command.env("REFRAIN_CATALOG", sandbox.catalog()).output().unwrap())
    };
    let output = run(clip.to_str().unwrap()).expect(0).stderr_contains("old.cfg: ignored");
    assert_eq!(output.stdout, "");
    let files = responses(&sandbox.path("results"));
    let [(name, response)] = &files[..] else { panic!("{files:?}") };
    assert!(name.starts_with("st-1DcdE_20"), "{name}");
    let found = &response["matches"][0];
    assert!((response["unknownMediaFileDuration"].as_f64().unwrap() - 12.0).abs() < 0.01);
    assert!(found["matchTimeInUnknown"].as_f64().unwrap() < 0.5, "{found}");
    assert!((found["matchTimeInReference"].as_f64().unwrap() - 5.0).abs() < 0.5, "{found}");
    assert!(found["evidence"]["event"].is_null());
    // No file is written without a match.
    let unknown = sandbox.clip("unknown.wav", &music().unknown, 5.0, 12.0);
    run(unknown.to_str().unwrap()).expect(0).stderr_contains("no match");
    assert_eq!(responses(&sandbox.path("results")).len(), 1);
    run("none.mp3").expect(2);
}

#[test]
fn unreadable_configuration_is_an_error() {
    let sandbox = Sandbox::with_catalog();
    let output = CommandOutput::from(command(&sandbox, "x.wav", "none.cfg").output().unwrap()).expect(2);
    output.stderr_contains("cannot read configuration none.cfg");
}

#[test]
fn settings_of_wrong_type_are_errors_and_unknown_ones_ignored() {
    let sandbox = Sandbox::with_catalog();
    let clip = sandbox.clip("clip.wav", &music().known[0], 5.0, 12.0);
    let run = |config: &str| {
        sandbox.file("some.cfg", config);
        let mut command = command(&sandbox, clip.to_str().unwrap(), "some.cfg");
        CommandOutput::from(command.env("REFRAIN_CATALOG", sandbox.catalog()).output().unwrap())
    };
    for (config, part) in [
        ("catalog = 5\n", "catalog is invalid"),
        ("jobs = \"many\"\n", "jobs is invalid"),
        ("jobs = 0\n", "jobs is invalid"),
        ("effort = \"most\"\n", "effort is invalid"),
        ("[database]\nmax_connections = \"few\"\n", "database.max_connections is invalid"),
        ("log = \"verbose\"\n", "log is invalid"),
    ] {
        let output = run(config).expect(2).stderr_contains(part);
        assert!(!output.stderr.contains("not ours"), "{}", output.stderr);
    }
    let output =
        run("mode = 3\n[server]\nhost = \"x\"\nport = 1\n[log]\nfile = \"x\"\nlevel = \"warn\"\n").expect(0);
    assert!(output.stderr.contains("not ours: log.file, mode, server\n"), "{}", output.stderr);
}

#[test]
fn advice_names_only_options_of_this_program() {
    let sandbox = Sandbox::new();
    sandbox.file("empty.cfg", "");
    let output = CommandOutput::from(command(&sandbox, "x.wav", "empty.cfg").output().unwrap()).expect(2);
    assert!(output.stderr.contains("REFRAIN_CATALOG") && output.stderr.contains("-c"), "{}", output.stderr);
    assert!(!output.stderr.contains("--"), "{}", output.stderr);
    sandbox.file("database.cfg", "search = \"database\"\n");
    let output = CommandOutput::from(command(&sandbox, "-", "database.cfg").output().unwrap()).expect(2);
    assert!(output.stderr.contains("REFRAIN_SEARCH") && !output.stderr.contains("--"), "{}", output.stderr);
}

/// Starts the program for a stream, with these folders for results and for temporary files.
fn follow(stage: &Stage, url: &str, out: &str, temp: &str) -> Running {
    stage.sandbox.file("empty.cfg", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_identifyStream"));
    command.env_clear().env("HOME", stage.sandbox.path("")).current_dir(stage.sandbox.path(""));
    command.env("REFRAIN_CATALOG", stage.sandbox.catalog());
    Running::start(command.args(["-i", url, "-c", "empty.cfg", "-e", "st-x", "-O", out, "-t", temp]))
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_folders_are_created() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(stage.clips.len() as u64);
    live.change(|options| options.end = true);
    follow(&stage, &url, "deep/results", "no/tmp").end().expect(0);
    assert_eq!(responses(&stage.sandbox.path("deep/results")).len(), 4);
    assert_eq!(std::fs::read_dir(stage.sandbox.path("no/tmp")).unwrap().count(), 0);
    stage.sandbox.file("taken", "a file");
    let output = follow(&stage, &url, "deep/results", "taken/tmp").end().expect(2);
    assert!(output.stderr.contains("taken/tmp"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_results_folder_gives_exit_status_2_after_the_stream() {
    let stage = Stage::new().await;
    let (live, url) = stage.live(3);
    let running = follow(&stage, &url, "results", "tmp");
    stage.joined().await;
    std::fs::remove_dir(stage.sandbox.path("results")).unwrap();
    live.publish(stage.clips.len() as u64 - 3);
    live.change(|options| options.end = true);
    let output = running.end().expect(2);
    assert!(output.stderr.contains("cannot write a response to results"), "{}", output.stderr);
    assert!(output.stderr.contains("4 events could not be written"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn reason_of_a_failing_playlist_is_logged_at_once() {
    let stage = Stage::new().await;
    let url = format!("{}?token=secret", stage.origin.url("/none.m3u8"));
    let mut running = follow(&stage, &url, "results", "tmp");
    let mut log = running.log();
    let mut until_logged = |part: &str| log.find(|line| line.contains(part)).unwrap();
    let logged = until_logged("status 404");
    assert!(logged.contains("WARN") && !logged.contains("secret"), "{logged}");
    stage.origin.fault("/none.m3u8", Fault::Status(503), Times::Always);
    until_logged("status 503");
}
