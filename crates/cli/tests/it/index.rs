//! Tests of `refrain index`.

use std::os::unix::fs::symlink;

use refrain_testkit::effects::{crop, gain};

use crate::support::{Sandbox, best, music};

#[test]
fn unchanged_files_are_skipped_and_changed_ones_replaced() {
    let sandbox = Sandbox::new();
    let music = music();
    sandbox.clip("m/a.wav", &music.known[0], 0.0, 12.0);
    sandbox.clip("m/deep/er/b.WAV", &music.known[1], 0.0, 12.0);
    sandbox.file("m/cover.txt", "no music");
    let output = sandbox.run(&["index", "m"]).expect(0);
    assert!(
        output.stdout.starts_with("2 added, 0 unchanged, 0 replaced, 0 failed, 24.0 s of audio at "),
        "{output:#?}"
    );
    let output = sandbox.run(&["index", "m", "m/a.wav", "m/deep/../a.wav"]).expect(0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("0 added, 2 unchanged, 0 replaced, 0 failed\n", "")
    );

    let before = sandbox.tracks();
    sandbox.clip("m/a.wav", &music.known[2], 0.0, 12.0);
    let output = sandbox.run(&["index", "m"]).expect(0);
    assert!(output.stdout.starts_with("0 added, 1 unchanged, 1 replaced, 0 failed"), "{output:#?}");
    let mut ids: Vec<_> = sandbox.tracks().iter().map(|track| track["id"].clone()).collect();
    ids.reverse();
    assert_eq!(ids, before.iter().map(|track| track["id"].clone()).collect::<Vec<_>>());
    let old = sandbox.clip("old.wav", &music.known[0], 2.0, 8.0);
    let new = sandbox.clip("new.wav", &music.known[2], 2.0, 8.0);
    let (_, answers) = sandbox.identify(&[old, new]);
    assert_eq!((best(&answers[0]), best(&answers[1])), (None, Some("a.wav")));
}

#[test]
fn track_source_is_the_path_of_the_symbolic_link() {
    let sandbox = Sandbox::new();
    let file = sandbox.clip("store/0001.wav", &music().known[0], 0.0, 12.0);
    std::fs::create_dir(sandbox.path("m")).unwrap();
    symlink(&file, sandbox.path("m/song.wav")).unwrap();
    symlink(sandbox.path("m"), sandbox.path("m/cycle")).unwrap();
    sandbox.run(&["index", "m/"]).expect(0);
    let source = sandbox.tracks()[0]["source"].as_str().unwrap().to_owned();
    assert!(source.starts_with('/') && source.ends_with("/m/song.wav"), "{source}");
}

#[test]
fn near_duplicates_are_linked_and_reported() {
    let sandbox = Sandbox::new();
    let song = &music().known[0].samples;
    sandbox.wav("m/a.wav", &crop(song, 0.0, 20.0));
    sandbox.clip("m/other.wav", &music().known[1], 0.0, 20.0);
    sandbox.wav("m/z.wav", &gain(&crop(song, 1.0, 19.0), -6.0));
    let output = sandbox.run(&["index", "m"]).expect(0);
    assert!(output.stdout.contains("3 added") && output.stdout.contains("1 near-duplicates"), "{output:#?}");
    assert!(
        output.stderr.contains("m/z.wav sounds like ") && output.stderr.contains("m/a.wav for about 1"),
        "{output:#?}"
    );
    sandbox.wav("m/zz.wav", &gain(&crop(song, 0.0, 18.0), -3.0));
    let output = sandbox.run(&["index", "m"]).expect(0);
    assert!(output.stdout.contains("1 added") && output.stdout.contains("2 near-duplicates"), "{output:#?}");
    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    let output = sandbox.run(&["tracks", "show", &id]).expect(0);
    assert_eq!(output.stdout.matches("sounds like").count(), 2, "{output:#?}");
}

#[test]
fn edit_and_original_are_linked_in_either_order() {
    let song = &music().known[0].samples;
    let edit = [crop(song, 0.0, 9.0), crop(song, 15.0, 9.0)].concat();
    for order in [["edit.wav", "song.wav"], ["song.wav", "edit.wav"]] {
        let sandbox = Sandbox::new();
        sandbox.wav("edit.wav", &edit);
        sandbox.wav("song.wav", song);
        sandbox.run(&["index", order[0]]).expect(0);
        let output = sandbox.run(&["index", order[1]]).expect(0);
        assert!(output.stdout.contains("1 near-duplicates"), "{order:?} {output:#?}");
    }
}

#[test]
fn files_that_change_while_read_are_reported() {
    let sandbox = Sandbox::new();
    let path = sandbox.clip("growing.wav", &music().known[0], 0.0, 20.0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                file.write_all(&[0; 512]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let output = sandbox.run(&["index", "growing.wav"]);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        output.expect(2).stderr_contains("growing.wav: the file changed while it was read");
    });
    assert!(sandbox.run(&["index", "growing.wav"]).expect(0).stdout.starts_with("1 added"));
}
