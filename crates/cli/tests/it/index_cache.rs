//! Tests of the files of the index cache.

use std::collections::BTreeMap;
use std::path::PathBuf;

use refrain_testkit::effects::{Noise, noise};

use crate::support::{Sandbox, music};

#[test]
fn lost_or_damaged_cache_is_rebuilt_with_one_log_line() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &music().known[2], 6.0, 8.0);
    let good = sandbox.run(&["identify", "--json", "clip.wav"]).expect(0);
    assert_eq!(good.stderr, "");
    let caches = || -> Vec<_> {
        let files = std::fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| is_cache(file)).collect();
        files.sort();
        files
    };
    caches().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    check_rebuilt(&sandbox, &good.stdout);
    // Rebuilding the cache changes the names of its files, so the loop uses their position in the list.
    let mut k = 0;
    while let Some(file) = caches().get(k) {
        k += 1;
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x55;
            std::fs::write(file, bytes).unwrap();
            let output = sandbox.run(&["identify", "--json", "clip.wav"]).expect(0);
            assert_eq!(output.stdout, good.stdout, "{}", file.display());
            assert!(output.stderr.lines().count() <= 1, "{output:#?}");
        }
    }
    let manifest = sandbox.path("catalog.db-index");
    std::fs::write(manifest, "not a manifest").unwrap();
    check_rebuilt(&sandbox, &good.stdout);
}

#[test]
fn wide_speed_range_does_not_change_index_files() {
    let sandbox = Sandbox::with_catalog();
    let hiss = noise(Noise::White, 12 * 44_100, 7);
    let hiss = sandbox.wav("noise.wav", &hiss);
    let files = || -> BTreeMap<_, _> {
        let files = std::fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().path());
        let read = |file: PathBuf| {
            let changed = std::fs::metadata(&file).unwrap().modified().unwrap();
            (file.clone(), (changed, std::fs::read(&file).unwrap()))
        };
        files.filter(|file| is_cache(file)).map(read).collect()
    };
    sandbox.run(&["identify", hiss.to_str().unwrap(), "--effort", "fast"]).expect(1);
    let before = files();
    assert!(before.len() > 1);
    for ranges in [["--speed-range", "0.3"], ["--speed-range", "0.5"], ["--pitch-range", "700"]] {
        let [flag, range] = ranges;
        let output = sandbox.run(&["identify", hiss.to_str().unwrap(), flag, range]).expect(1);
        assert_eq!(output.stderr, "", "{flag} {range}");
        assert!(files() == before, "{flag} {range}");
    }
}

/// Returns true if a file belongs to the index cache. Other files of the database (`-wal`, `-shm`) do not.
fn is_cache(file: &std::path::Path) -> bool {
    let file = file.to_str().unwrap();
    file.contains("catalog.db-index") || file.contains("catalog.db-run-")
}

fn check_rebuilt(sandbox: &Sandbox, good: &str) {
    let output = sandbox.run(&["identify", "--json", "clip.wav"]).expect(0).stderr_contains("rebuilding it");
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), (good, 1), "{output:#?}");
    assert_eq!(sandbox.run(&["identify", "--json", "clip.wav"]).expect(0).stderr, "");
}
