//! Tests that the bundled songs match their manifest and the current composer.

use std::path::Path;

use refrain_testkit::compose;

#[test]
fn manifest_lists_the_bundled_songs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/songs");
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.csv")).unwrap();
    let mut listed: Vec<String> = Vec::new();
    for line in manifest.lines().skip(1) {
        let (file, rest) = line.split_once(',').unwrap();
        let seed: u64 = rest.split(',').next().unwrap().parse().unwrap();
        let song = compose(seed, 0.1);
        let names = format!("\"{}\",\"{}\"", song.title, song.artist);
        assert!(line.contains(&names), "{file} was made by another composer: run scripts/make-songs");
        listed.push(file.to_owned());
    }
    let entries = std::fs::read_dir(&folder).unwrap().map(Result::unwrap);
    let songs = entries.filter(|entry| entry.path().extension().is_some_and(|ext| ext == "ogg"));
    let (mut found, mut bytes) = (Vec::new(), 0);
    for entry in songs {
        bytes += entry.metadata().unwrap().len();
        found.push(entry.file_name().into_string().unwrap());
    }
    found.sort();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), 12);
    assert!(bytes < 4_000_000, "{bytes} bytes");
}
