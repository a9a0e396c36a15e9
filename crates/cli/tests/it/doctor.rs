//! Tests of `refrain doctor`.

use serde_json::Value;

use crate::support::{CommandOutput, Sandbox};

/// Returns the output line of a check.
fn line<'a>(output: &'a CommandOutput, name: &str) -> &'a str {
    let named = |line: &&str| line.get(9..).is_some_and(|line| line.starts_with(name));
    output.stdout.lines().find(named).unwrap_or_else(|| panic!("no {name}: {output:#?}"))
}

#[test]
fn healthy_catalogs_pass_all_checks() {
    let sandbox = Sandbox::with_catalog();
    let output = sandbox.run(&["doctor", "--thorough"]).expect(0);
    assert_eq!(output.stderr, "");
    for (name, found) in [
        ("version", concat!("refrain ", env!("CARGO_PKG_VERSION"))),
        ("settings", "no file"),
        ("catalog", "/catalog.db"),
        ("schema version", "9"),
        ("near-duplicates", "every track was compared with the earlier ones"),
        ("journal mode", "wal"),
        ("may write tracks", "yes"),
        ("integrity", "ok"),
        ("tracks", "3, at change 3"),
        ("cache folder", "/"),
        ("index cache", "3 tracks, up to date with the catalog"),
        ("free disk", "B for "),
    ] {
        let line = line(&output, name);
        assert!(line.starts_with("ok ") && line.contains(found), "{line}");
    }
    let quick = sandbox.run(&["doctor", "--json"]).expect(0);
    let report: Value = serde_json::from_str(&quick.stdout).unwrap();
    assert_eq!(report["health"], "ok");
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["health"] == "ok" && check.get("advice").is_none()), "{report}");
    assert!(checks.iter().any(|check| check["name"] == "tracks" && check["found"] == "3, at change 3"));
    assert!(
        checks.iter().all(|check| check["name"] != "integrity"),
        "integrity is checked only with --thorough"
    );
}

#[test]
fn doctor_gives_advice_on_missing_and_outdated_parts() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["doctor"]).expect(2);
    assert!(line(&output, "catalog").contains("create it with `refrain index FOLDER`"), "{output:#?}");
    assert!(!sandbox.path("catalog.db").exists(), "doctor must not create a catalog");

    let sandbox = Sandbox::with_catalog();
    let output = sandbox.run(&["--cache-dir", "new/cache", "doctor"]).expect(3);
    assert!(
        line(&output, "index cache").starts_with("warning")
            && line(&output, "cache folder").ends_with(", will be created")
    );
    assert!(line(&output, "index cache").contains("the next search builds it"), "{output:#?}");
    assert!(!sandbox.path("new").exists());

    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    sandbox.run(&["tracks", "set", &id, "title=x"]).expect(0);
    let output = sandbox.run(&["doctor"]).expect(0);
    assert!(line(&output, "index cache").contains("1 changes behind"), "{output:#?}");
    std::fs::write(sandbox.path("catalog.db-index"), "nonsense").unwrap();
    let output = sandbox.run(&["doctor"]).expect(3);
    assert!(line(&output, "index cache").contains("rebuilds it"), "{output:#?}");

    sandbox.file("file", "");
    let output = sandbox.run(&["--cache-dir", "file", "doctor"]).expect(2);
    assert!(line(&output, "cache folder").starts_with("FAIL"), "{output:#?}");
}

#[test]
fn invalid_settings_fail_the_doctor() {
    let sandbox = Sandbox::with_catalog();
    sandbox.file("bad.toml", "jobs = 'many'\n");
    let output = sandbox.run(&["--config", "bad.toml", "doctor"]).expect(2);
    assert!(
        line(&output, "settings").starts_with("FAIL") && line(&output, "settings").contains("line 1 (jobs)")
    );
    let output = sandbox.run(&["--config", "bad.toml", "doctor", "--json"]).expect(2);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&report["health"], &report["checks"][1]["health"]), (&"fail".into(), &"fail".into()));
    sandbox.file("good.toml", "jobs = 2\n");
    let output = sandbox.run(&["--config", "good.toml", "doctor"]).expect(0);
    assert!(line(&output, "settings").ends_with("from good.toml"), "{output:#?}");
}

#[test]
fn unusable_catalogs_fail_the_doctor() {
    let sandbox = Sandbox::with_catalog();
    sandbox.sql(
        "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, execution_time \
         FROM _sqlx_migrations LIMIT 1",
    );
    let output = sandbox.run(&["doctor"]).expect(2);
    assert!(line(&output, "catalog").contains("made by a newer refrain (schema 9999"), "{output:#?}");
    let other = Sandbox::with_catalog();
    other.sql("DELETE FROM constellations WHERE track = 2");
    let output = other.run(&["doctor", "--thorough"]).expect(2);
    assert!(line(&output, "constellations").contains("1 tracks have none"), "{output:#?}");

    let url = "postgres://ann:hush@127.0.0.1:1/music?sslmode=disable";
    for json in [&[][..], &["--json"]] {
        let mut command = sandbox.command(&[&["--catalog", url, "doctor"], json].concat());
        let output = CommandOutput::from(command.output().unwrap()).expect(2);
        assert!(
            output.stdout.contains("cannot reach the server") && !output.stdout.contains("hush"),
            "{output:#?}"
        );
    }
}
