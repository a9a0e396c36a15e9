//! Completion scripts and manual pages.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::Sandbox;

#[test]
fn completion_scripts_name_every_command_and_are_valid() {
    let sandbox = Sandbox::new();
    let bash = sandbox.run(&["completions", "bash"]);
    assert_eq!(bash.status, Some(0), "{}", bash.stderr);
    for word in ["identify", "monitor", "tracks", "completions", "--false-positive-rate"] {
        assert!(bash.stdout.contains(word), "{word}");
    }
    let mut checker = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    checker.stdin.take().unwrap().write_all(bash.stdout.as_bytes()).unwrap();
    assert!(checker.wait().unwrap().success(), "bash rejects the script");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert_eq!(sandbox.run(&["completions", shell]).status, Some(0), "{shell}");
    }
}

#[test]
fn man_writes_a_page_for_each_command() {
    let sandbox = Sandbox::new();
    let one = sandbox.run(&["man"]);
    assert!(one.stdout.contains(".TH refrain 1"), "{}", one.stdout);
    let folder = sandbox.path("man1");
    let all = sandbox.run(&["man", "--out", folder.to_str().unwrap()]);
    assert_eq!(all.status, Some(0), "{}", all.stderr);
    for name in ["refrain", "refrain-index", "refrain-tracks-import", "refrain-streams-add"] {
        let page = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{name}");
        assert!(page.contains("\\-\\-catalog"), "{name} lacks the global flags");
    }
}

#[test]
fn invalid_settings_do_not_prevent_completions() {
    let sandbox = Sandbox::new();
    let done = sandbox.run(&["--config", "/nonexistent/settings.toml", "completions", "fish"]);
    assert_eq!(done.status, Some(0), "{}", done.stderr);
}
