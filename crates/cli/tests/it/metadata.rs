//! Tests of metadata: tags, metadata files, rules.

use crate::support::{Sandbox, music};

fn two_songs() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.clip("m/a.wav", &music().known[0], 0.0, 8.0);
    sandbox.clip("m/b/b.wav", &music().known[1], 0.0, 8.0);
    sandbox
}

#[test]
fn valid_csv_rows_are_applied_and_invalid_ones_reported() {
    let sandbox = two_songs();
    sandbox.file(
        "titles.csv",
        "File,Title,Artist,ISRC,Rule,Release Date,Territory\n\
         a.wav,\"Hello, World\",Someone,USZZ00000001,block,1999-05-01,DE\n\
         b/b.wav,Bee,,nonsense,,,\n\
         b.wav,Fallback,,,allow,,\n\
         gone.wav,Gone,,,,,\n\
         too,short\n",
    );
    let output = sandbox.run(&["index", "m", "--metadata", "titles.csv"]).expect(3);
    let output = output
        .stderr_contains("titles.csv line 3: ")
        .stderr_contains("titles.csv line 6: ")
        .stderr_contains("1 of 3 rows belong to no file");
    assert!(
        output.stdout.starts_with("2 added") && output.stdout.contains("2 invalid metadata rows"),
        "{output:#?}"
    );
    let tracks = sandbox.tracks();
    let metadata = &tracks[0]["metadata"];
    assert_eq!((&metadata["title"], &metadata["artist"]), (&"Hello, World".into(), &"Someone".into()));
    assert_eq!(
        (&metadata["isrc"], &metadata["release_date"]),
        (&"USZZ00000001".into(), &"1999-05-01".into())
    );
    assert_eq!((&metadata["extra"]["Territory"], &tracks[0]["rule"]), (&"DE".into(), &"block".into()));
    assert_eq!((&tracks[1]["metadata"]["title"], &tracks[1]["rule"]), (&"Fallback".into(), &"allow".into()));
}

#[test]
fn metadata_and_rule_are_applied_to_existing_tracks() {
    let sandbox = two_songs();
    sandbox.run(&["index", "m", "--rule", "allow"]).expect(0);
    sandbox.file("titles.jsonl", "{\"file\":\"a.wav\",\"title\":\"A\",\"rule\":\"block\",\"bpm\":120}\n");
    let output = sandbox.run(&["index", "m", "--metadata", "titles.jsonl"]).expect(0);
    assert_eq!(output.stdout, "0 added, 2 unchanged, 0 replaced, 0 failed, 1 with new metadata\n");
    let tracks = sandbox.tracks();
    assert_eq!((&tracks[0]["metadata"]["title"], &tracks[0]["rule"]), (&"A".into(), &"block".into()));
    assert_eq!(tracks[0]["metadata"]["extra"]["bpm"], "120");
    assert_eq!(
        (&tracks[1]["metadata"]["title"], &tracks[1]["rule"]),
        (&serde_json::Value::Null, &"allow".into())
    );
}

#[test]
fn tags_are_read_and_metadata_rows_matched_by_isrc() {
    let sandbox = Sandbox::new();
    let song = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/songs/");
    let song = std::fs::read_dir(song)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ogg"))
        .min()
        .unwrap();
    sandbox.file("titles.csv", "isrc,vendor\nZZREF2600001,By ISRC\n");
    sandbox.run(&["index", song.to_str().unwrap(), "--metadata", "titles.csv"]).expect(0);
    let metadata = &sandbox.tracks()[0]["metadata"];
    assert_eq!((&metadata["isrc"], &metadata["vendor"]), (&"ZZREF2600001".into(), &"By ISRC".into()));
    assert_eq!(metadata["label"], "Refrain House Band");
    assert!(metadata["title"].is_string() && metadata["artist"].is_string(), "{metadata}");
    assert_eq!(metadata["release_date"], "2026-01-15");
}

#[test]
fn invalid_metadata_files_are_rejected_before_indexing() {
    let sandbox = two_songs();
    sandbox.file("no-key.csv", "name,title\na,b\n");
    sandbox.file("strange.xls", "file\n");
    for (file, why) in [
        ("no-key.csv", "neither a `file` nor an `isrc` column"),
        ("strange.xls", "rename the file to .csv or .jsonl"),
        ("gone.csv", "cannot read metadata file gone.csv"),
    ] {
        sandbox.run(&["index", "m", "--metadata", file]).expect(2).stderr_contains(why);
    }
    assert!(!sandbox.path("catalog.db").exists());
    sandbox.run(&["index", "m", "--rule", "block it"]).expect(2).stderr_contains("is not a rule");
}
