//! Tests of `refrain demo`.

use crate::support::Sandbox;

#[test]
fn demo_finds_all_songs_and_leaves_no_files() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("tmp")).unwrap();
    let mut command = sandbox.command(&["demo"]);
    let ran =
        crate::support::Ran::from(command.env("TMPDIR", sandbox.path("tmp")).output().unwrap()).expect(0);
    assert!(ran.stdout.contains("\"statusCode\": 2006"), "{ran:#?}");
    assert!(ran.stdout.contains("over a telephone") && !ran.stdout.contains("WRONG"), "{ran:#?}");
    assert_eq!(ran.stderr, "");
    assert_eq!(std::fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0);
    assert!(!sandbox.path(".local").exists());
}
