//! Tests of `refrain tracks`.

use refrain_testkit::effects::{crop, gain};

use crate::support::{NAMES, Sandbox, best, music};

#[test]
fn tracks_are_listed_shown_and_changed() {
    let sandbox = Sandbox::with_catalog();
    let tracks = sandbox.tracks();
    let (id, am) = (tracks[0]["id"].as_str().unwrap(), tracks[0]["amItemID"].as_str().unwrap());
    assert_eq!(tracks.len(), 3);
    sandbox.run(&["tracks", "set", am, "title=Ünïcode 夜", "rule=block", "Mood=calm"]).expect(0);
    let shown = sandbox.run(&["tracks", "show", id]).expect(0).stdout;
    for part in
        ["title     Ünïcode 夜", "rule      block", "Mood      calm", "length    0:24.0", "/songs/one.wav"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    let list = sandbox.run(&["tracks", "list", "--text", "ünï", "--rule", "block"]).expect(0).stdout;
    assert!(list.lines().count() == 2 && list.contains("夜"), "{list}");
    sandbox.run(&["tracks", "set", id, "title=", "rule=", "Mood="]).expect(0);
    assert_eq!(sandbox.tracks(), tracks);

    sandbox.run(&["tracks", "set", id, "isrc=1"]).expect(2).stderr_contains("invalid ISRC");
    sandbox.run(&["tracks", "set", id, "title"]).expect(2).stderr_contains("KEY=VALUE");
    sandbox.run(&["tracks", "set", id, "source=x"]).expect(2).stderr_contains("cannot be set");
    sandbox.run(&["tracks", "show", "0"]).expect(2).stderr_contains("several tracks begin with 0");
    sandbox
        .run(&["tracks", "show", "ffffffffffff"])
        .expect(2)
        .stderr_contains("track ffffffffffff not found");
    sandbox.run(&["tracks", "show", "one"]).expect(2).stderr_contains("is not a track ID");
    sandbox.run(&["tracks", "show", &format!("{id}_zzzzzz")]).expect(2).stderr_contains("zzzzzz not found");
}

#[test]
fn removed_tracks_are_not_found() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("0.wav", &music().known[0], 4.0, 8.0);
    sandbox.clip("1.wav", &music().known[1], 4.0, 8.0);
    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    let source = music().folder.join("songs").join(NAMES[1]);
    let output = sandbox.run(&["tracks", "remove", &id, "--source", source.to_str().unwrap()]).expect(0);
    assert_eq!(output.stdout.lines().count(), 2, "{output:#?}");
    let (output, answers) = sandbox.identify(&["0.wav", "1.wav"]);
    output.expect(1);
    assert!(answers.iter().all(|answer| best(answer).is_none()), "{answers:?}");
    assert_eq!(sandbox.tracks().len(), 1);
    assert_eq!(
        sandbox.run(&["tracks", "list", "--removed"]).expect(0).stdout.matches("(removed)").count(),
        2
    );
    let other = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    sandbox
        .run(&["tracks", "remove", &id, &other])
        .expect(3)
        .stderr_contains("not found; `refrain tracks list`");
    sandbox.run(&["tracks", "remove", &id]).expect(2).stderr_contains("not found; `refrain tracks list`");
}

#[test]
fn import_of_an_export_restores_the_catalog() {
    let from = Sandbox::with_catalog();
    let id = from.tracks()[2]["id"].as_str().unwrap().to_owned();
    from.run(&["tracks", "set", &id, "title=Carried", "rule=block"]).expect(0);
    from.run(&["tracks", "export", "all.jsonl"]).expect(0);
    let text = std::fs::read_to_string(from.path("all.jsonl")).unwrap();
    assert_eq!(from.run(&["tracks", "export"]).expect(0).stdout, text);
    assert!(text.starts_with("{\"format\":\"refrain-tracks\",\"version\":2}\n"), "{text:.200}");

    let to = Sandbox::new();
    let output = to.run(&["tracks", "import", from.path("all.jsonl").to_str().unwrap()]).expect(0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("3 added, 0 unchanged, 0 replaced, 0 skipped\n", "")
    );
    let facts = |sandbox: &Sandbox| -> Vec<_> {
        let tracks = sandbox.tracks();
        tracks
            .iter()
            .map(|t| [&t["id"], &t["metadata"], &t["rule"], &t["source"]].map(Clone::clone))
            .collect()
    };
    assert_eq!(facts(&to), facts(&from));
    let clip = to.clip("clip.wav", &music().known[2], 4.0, 8.0);
    let (restored, original) = (to.identify(&[&clip]), from.identify(&[&clip]));
    assert_eq!(restored.0.expect(0).stdout, original.0.expect(0).stdout);
    assert_eq!(restored.1[0]["matches"][0]["metadata"]["Title"], "Carried");
    let again = to.run(&["tracks", "import", from.path("all.jsonl").to_str().unwrap()]).expect(0);
    assert_eq!(again.stdout, "0 added, 3 unchanged, 0 replaced, 0 skipped\n");
}

#[test]
fn damaged_export_lines_are_reported_and_skipped() {
    let from = Sandbox::with_catalog();
    let text = from.run(&["tracks", "export"]).expect(0).stdout;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = lines[1].replacen("one.wav", "six.wav", 1);
    lines[3].truncate(500);
    let to = Sandbox::new();
    to.file("damaged.jsonl", lines.join("\n"));
    let output = to.run(&["tracks", "import", "damaged.jsonl"]).expect(3);
    let output =
        output.stderr_contains("line 2: damaged: the checksum is wrong").stderr_contains("line 4: damaged");
    assert_eq!(output.stdout, "1 added, 0 unchanged, 0 replaced, 2 skipped\n");
    assert!(!output.stderr.contains("incomplete"), "all lines are there: {output:#?}");
    to.file("newer.jsonl", "{\"format\":\"refrain-tracks\",\"version\":99}\n");
    to.run(&["tracks", "import", "newer.jsonl"]).expect(2).stderr_contains("update refrain");
    to.file("none.jsonl", "hello\n");
    to.run(&["tracks", "import", "none.jsonl"]).expect(2).stderr_contains("not an export of tracks");
}

#[test]
fn import_reports_the_first_bad_lines_and_counts_the_others() {
    let sandbox = Sandbox::new();
    let header = "{\"format\":\"refrain-tracks\",\"version\":2}\n";
    sandbox.file("bad.jsonl", header.to_owned() + &"{}\n".repeat(50));
    let output = sandbox.run(&["tracks", "import", "bad.jsonl"]).expect(3);
    assert_eq!(output.stdout, "0 added, 0 unchanged, 0 replaced, 50 skipped\n");
    let is_of_one_line = |line: &&str| line.ends_with("; skipped");
    assert_eq!(output.stderr.lines().filter(is_of_one_line).count(), 20, "{output:#?}");
    output.stderr_contains("line 21: damaged").stderr_contains("bad.jsonl: 30 more lines skipped");
}

#[test]
fn export_and_import_preserve_links_between_tracks() {
    let from = Sandbox::new();
    let song = &music().known[0].samples;
    from.wav("m/a.wav", &crop(song, 0.0, 20.0));
    from.wav("m/b.wav", &gain(&crop(song, 1.0, 19.0), -6.0));
    from.wav("m/c.wav", &gain(&crop(song, 0.0, 18.0), -3.0));
    from.run(&["index", "m"]).expect(0);
    let text = from.run(&["tracks", "export"]).expect(0).stdout;
    let links: Vec<serde_json::Value> = (text.lines().map(|line| serde_json::from_str(line).unwrap()))
        .filter(|line: &serde_json::Value| line["nearDuplicate"].is_object())
        .collect();
    let id = |track: usize| from.tracks()[track]["id"].clone();
    assert!(!links.is_empty());
    assert_eq!((&links[0]["nearDuplicate"]["track"], &links[0]["nearDuplicate"]["of"]), (&id(1), &id(0)));

    let to = Sandbox::new();
    let file = to.file("all.jsonl", &text);
    let output = to.run(&["tracks", "import", file.to_str().unwrap()]).expect(0);
    let expected_line =
        format!("3 added, 0 unchanged, 0 replaced, 0 skipped, {} near-duplicates\n", links.len());
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (expected_line.as_str(), ""));
    assert_eq!(without_times(&to.run(&["tracks", "export"]).expect(0).stdout), without_times(&text));
    let first = id(0);
    let sounds_like = |sandbox: &Sandbox| -> Vec<String> {
        let shown = sandbox.run(&["tracks", "show", first.as_str().unwrap()]).expect(0).stdout;
        shown.lines().filter(|line| line.starts_with("sounds like")).map(str::to_owned).collect()
    };
    assert_eq!((sounds_like(&to), sounds_like(&to).is_empty()), (sounds_like(&from), false));

    // A link to a track that could not be read is reported.
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1] = "{}";
    let partly = Sandbox::new();
    partly.file("partly.jsonl", lines.join("\n"));
    let output = partly.run(&["tracks", "import", "partly.jsonl"]).expect(3);
    output
        .stderr_contains("line 2: damaged")
        .stderr_contains(&format!("track {} of the link not found", first.as_str().unwrap()));
}

/// Parses an export, without the times at which tracks were added, and without the checksums, which include these times.
fn without_times(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .map(|mut line| {
            line["checksum"].take();
            line["track"]["added_at"].take();
            line["end"]["checksum"].take();
            line
        })
        .collect()
}

#[test]
fn incomplete_exports_are_reported() {
    let from = Sandbox::with_catalog();
    let text = from.run(&["tracks", "export"]).expect(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    let import = |lines: &[&str]| {
        let to = Sandbox::new();
        to.file("part.jsonl", lines.join("\n"));
        to.run(&["tracks", "import", "part.jsonl"])
    };
    assert_eq!(import(&lines).expect(0).stderr, "");
    let output =
        import(&lines[..3]).expect(3).stderr_contains("part.jsonl is incomplete: the last line is missing");
    assert_eq!(output.stdout, "2 added, 0 unchanged, 0 replaced, 0 skipped\n");
    import(&lines[..1]).expect(3).stderr_contains("the last line is missing");
    let output = import(&[lines[0], lines[1], lines[3], lines[4]]).expect(3);
    assert_eq!(
        output.stderr_contains("1 of its 3 lines are missing").stdout,
        "2 added, 0 unchanged, 0 replaced, 0 skipped\n"
    );
    let exchanged = [lines[0], lines[2], lines[1], lines[3], lines[4]];
    import(&exchanged).expect(3).stderr_contains("or have another order");
    import(&[lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]])
        .expect(3)
        .stderr_contains("differ from those that were written");
    let twice = [&lines[..], &lines[1..]].concat();
    import(&twice).expect(3).stderr_contains("line 6: comes after the end");

    // Exports of format version 1 have no end line.
    let first = lines[0].replace("\"version\":2", "\"version\":1");
    let output = import(&[first.as_str(), lines[1], lines[2]]).expect(0);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("2 added, 0 unchanged, 0 replaced, 0 skipped\n", "")
    );
    let output = import(&[lines[0], lines[4]]).expect(3);
    output.stderr_contains("3 of its 3 lines are missing");
    let empty = Sandbox::new();
    empty.run(&["tracks", "import", from.file("none.jsonl", lines[0]).to_str().unwrap()]).expect(3);
    let nothing = empty.run(&["tracks", "export"]).expect(0).stdout;
    empty.file("nothing.jsonl", nothing);
    empty.run(&["tracks", "import", "nothing.jsonl"]).expect(0);
}

#[test]
fn database_error_during_an_import_keeps_added_tracks() {
    let from = Sandbox::with_catalog();
    from.run(&["tracks", "export", "all.jsonl"]).expect(0);
    let to = Sandbox::new();
    let file = from.path("all.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    to.file("first.jsonl", text.lines().take(2).collect::<Vec<_>>().join("\n"));
    to.run(&["tracks", "import", "first.jsonl"]).expect(3);
    to.sql("CREATE TRIGGER full BEFORE INSERT ON tracks BEGIN SELECT RAISE(ABORT, 'enough'); END");
    to.run(&["tracks", "import", file.to_str().unwrap()]).expect(2).stderr_contains("enough");
    assert_eq!(to.tracks().len(), 1);
    to.sql("DROP TRIGGER full");
    let output = to.run(&["tracks", "import", file.to_str().unwrap()]).expect(0);
    assert_eq!(output.stdout, "2 added, 1 unchanged, 0 replaced, 0 skipped\n");
}

#[test]
fn prune_deletes_old_detections_and_streams() {
    let sandbox = Sandbox::with_catalog();
    // One detection and one stream of 2001, and one of each of 2100.
    sandbox.sql(
        "INSERT INTO detections SELECT randomblob(16), 1, 'stream', 1, randomblob(16), 0, 9, last, last, 0, 1, 0, 0, 1, 1, \
         last, last, 1, NULL, NULL FROM (SELECT 1000000000000 AS last UNION ALL SELECT 4102444800000)",
    );
    sandbox.sql(
        "INSERT INTO streams (id, url, origin, state, created_at, started_at, updated_at, ended_at) \
         SELECT 'over' || last, '', '', 'ended', 0, 0, last, last \
         FROM (SELECT 1000000000000 AS last UNION ALL SELECT 4102444800000)",
    );
    let output = sandbox.run(&["prune", "--days", "30"]).expect(0);
    assert_eq!(output.stdout, "1 detections, 0 messages and 1 streams deleted\n");
    let output = sandbox.run(&["prune", "--days", "30"]).expect(0);
    assert_eq!(output.stdout, "0 detections, 0 messages and 0 streams deleted\n");
    sandbox.run(&["prune"]).expect(2);
}
