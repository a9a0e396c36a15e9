//! Tests of `refrain demo`.

use crate::support::Sandbox;

#[test]
fn demo_finds_all_songs_and_leaves_no_files() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("tmp")).unwrap();
    let mut command = sandbox.command(&["demo"]);
    let output =
        crate::support::CommandOutput::from(command.env("TMPDIR", sandbox.path("tmp")).output().unwrap())
            .expect(0);
    assert!(output.stdout.contains("\"statusCode\": 2006"), "{output:#?}");
    assert!(output.stdout.contains("over a telephone") && !output.stdout.contains("WRONG"), "{output:#?}");
    assert_eq!(output.stderr, "");
    assert_eq!(std::fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0);
    assert!(!sandbox.path(".local").exists());
}
