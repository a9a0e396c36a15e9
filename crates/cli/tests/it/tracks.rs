//! `refrain tracks …`.

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

    sandbox.run(&["tracks", "set", id, "isrc=1"]).expect(2).says("no ISRC");
    sandbox.run(&["tracks", "set", id, "title"]).expect(2).says("KEY=VALUE");
    sandbox.run(&["tracks", "set", id, "source=x"]).expect(2).says("cannot be set");
    sandbox.run(&["tracks", "show", "0"]).expect(2).says("several tracks begin with 0");
    sandbox.run(&["tracks", "show", "ffffffffffff"]).expect(2).says("there is no track ffffffffffff");
    sandbox.run(&["tracks", "show", "one"]).expect(2).says("is no track ID");
    sandbox.run(&["tracks", "show", &format!("{id}_zzzzzz")]).expect(2).says("there is no track");
}

#[test]
fn what_is_removed_is_not_found() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("0.wav", &music().known[0], 4.0, 8.0);
    sandbox.clip("1.wav", &music().known[1], 4.0, 8.0);
    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    let source = music().folder.join("songs").join(NAMES[1]);
    let ran = sandbox.run(&["tracks", "remove", &id, "--source", source.to_str().unwrap()]).expect(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:#?}");
    let (ran, answers) = sandbox.identify(&["0.wav", "1.wav"]);
    ran.expect(1);
    assert!(answers.iter().all(|answer| best(answer).is_none()), "{answers:?}");
    assert_eq!(sandbox.tracks().len(), 1);
    assert_eq!(
        sandbox.run(&["tracks", "list", "--removed"]).expect(0).stdout.matches("(removed)").count(),
        2
    );
    let other = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    sandbox.run(&["tracks", "remove", &id, &other]).expect(3).says("there is no track");
    sandbox.run(&["tracks", "remove", &id]).expect(2).says("there is no track");
}

#[test]
fn an_export_is_a_catalogue_elsewhere() {
    let from = Sandbox::with_catalog();
    let id = from.tracks()[2]["id"].as_str().unwrap().to_owned();
    from.run(&["tracks", "set", &id, "title=Carried", "rule=block"]).expect(0);
    from.run(&["tracks", "export", "all.jsonl"]).expect(0);
    let text = std::fs::read_to_string(from.path("all.jsonl")).unwrap();
    assert_eq!(from.run(&["tracks", "export"]).expect(0).stdout, text);
    assert!(text.starts_with("{\"format\":\"refrain-tracks\",\"version\":1}\n"), "{text:.200}");

    let to = Sandbox::new();
    let ran = to.run(&["tracks", "import", from.path("all.jsonl").to_str().unwrap()]).expect(0);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
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
    let (there, here) = (to.identify(&[&clip]), from.identify(&[&clip]));
    assert_eq!(there.0.expect(0).stdout, here.0.expect(0).stdout);
    assert_eq!(there.1[0]["matches"][0]["metadata"]["Title"], "Carried");
    let again = to.run(&["tracks", "import", from.path("all.jsonl").to_str().unwrap()]).expect(0);
    assert_eq!(again.stdout, "0 added, 3 unchanged, 0 replaced, 0 skipped\n");
}

#[test]
fn damaged_lines_of_an_export_are_named_and_skipped() {
    let from = Sandbox::with_catalog();
    let text = from.run(&["tracks", "export"]).expect(0).stdout;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[1] = lines[1].replacen("one.wav", "six.wav", 1);
    lines[3].truncate(500);
    let to = Sandbox::new();
    to.file("damaged.jsonl", lines.join("\n"));
    let ran = to.run(&["tracks", "import", "damaged.jsonl"]).expect(3);
    let ran = ran.says("line 2: damaged: its checksum is wrong").says("line 4: damaged");
    assert_eq!(ran.stdout, "1 added, 0 unchanged, 0 replaced, 2 skipped\n");
    to.file("newer.jsonl", "{\"format\":\"refrain-tracks\",\"version\":99}\n");
    to.run(&["tracks", "import", "newer.jsonl"]).expect(2).says("update refrain");
    to.file("none.jsonl", "hello\n");
    to.run(&["tracks", "import", "none.jsonl"]).expect(2).says("not an export of tracks");
}
