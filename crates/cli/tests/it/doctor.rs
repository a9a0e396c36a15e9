//! Tests of `refrain doctor`.

use serde_json::Value;

use crate::support::{Ran, Sandbox};

/// Returns the output line of a check.
fn line<'a>(ran: &'a Ran, name: &str) -> &'a str {
    let named = |line: &&str| line.get(9..).is_some_and(|line| line.starts_with(name));
    ran.stdout.lines().find(named).unwrap_or_else(|| panic!("no {name}: {ran:#?}"))
}

#[test]
fn healthy_catalogs_pass_all_checks() {
    let sandbox = Sandbox::with_catalog();
    let ran = sandbox.run(&["doctor", "--thorough"]).expect(0);
    assert_eq!(ran.stderr, "");
    for (name, found) in [
        ("version", concat!("refrain ", env!("CARGO_PKG_VERSION"))),
        ("settings", "no file"),
        ("catalogue", "/catalog.db"),
        ("schema version", "7"),
        ("near-duplicates", "every track was compared with the earlier ones"),
        ("journal mode", "wal"),
        ("may write tracks", "yes"),
        ("integrity", "ok"),
        ("tracks", "3, at change 3"),
        ("cache folder", "/"),
        ("index cache", "3 tracks, up to date with the catalog"),
        ("free disk", "B for "),
    ] {
        let line = line(&ran, name);
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
    let ran = sandbox.run(&["doctor"]).expect(2);
    assert!(line(&ran, "catalogue").contains("create it with `refrain index FOLDER`"), "{ran:#?}");
    assert!(!sandbox.path("catalog.db").exists(), "doctor must not create a catalog");

    let sandbox = Sandbox::with_catalog();
    let ran = sandbox.run(&["--cache-dir", "new/cache", "doctor"]).expect(3);
    assert!(
        line(&ran, "index cache").starts_with("warning")
            && line(&ran, "cache folder").ends_with(", will be created")
    );
    assert!(line(&ran, "index cache").contains("the next search builds it"), "{ran:#?}");
    assert!(!sandbox.path("new").exists());

    let id = sandbox.tracks()[0]["id"].as_str().unwrap().to_owned();
    sandbox.run(&["tracks", "set", &id, "title=x"]).expect(0);
    let ran = sandbox.run(&["doctor"]).expect(0);
    assert!(line(&ran, "index cache").contains("1 changes behind"), "{ran:#?}");
    std::fs::write(sandbox.path("catalog.db-index"), "nonsense").unwrap();
    let ran = sandbox.run(&["doctor"]).expect(3);
    assert!(line(&ran, "index cache").contains("rebuilds it"), "{ran:#?}");

    sandbox.file("file", "");
    let ran = sandbox.run(&["--cache-dir", "file", "doctor"]).expect(2);
    assert!(line(&ran, "cache folder").starts_with("FAIL"), "{ran:#?}");
}

#[test]
fn invalid_settings_fail_the_doctor() {
    let sandbox = Sandbox::with_catalog();
    sandbox.file("bad.toml", "jobs = 'many'\n");
    let ran = sandbox.run(&["--config", "bad.toml", "doctor"]).expect(2);
    assert!(line(&ran, "settings").starts_with("FAIL") && line(&ran, "settings").contains("line 1 (jobs)"));
    let ran = sandbox.run(&["--config", "bad.toml", "doctor", "--json"]).expect(2);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["health"], &report["checks"][1]["health"]), (&"fail".into(), &"fail".into()));
    sandbox.file("good.toml", "jobs = 2\n");
    let ran = sandbox.run(&["--config", "good.toml", "doctor"]).expect(0);
    assert!(line(&ran, "settings").ends_with("from good.toml"), "{ran:#?}");
}

#[test]
fn unusable_catalogs_fail_the_doctor() {
    let sandbox = Sandbox::with_catalog();
    sandbox.sql(
        "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, execution_time \
         FROM _sqlx_migrations LIMIT 1",
    );
    let ran = sandbox.run(&["doctor"]).expect(2);
    assert!(line(&ran, "catalogue").contains("made by a newer refrain (schema 9999"), "{ran:#?}");
    let other = Sandbox::with_catalog();
    other.sql("DELETE FROM constellations WHERE track = 2");
    let ran = other.run(&["doctor", "--thorough"]).expect(2);
    assert!(line(&ran, "constellations").contains("1 tracks have none"), "{ran:#?}");

    let url = "postgres://ann:hush@127.0.0.1:1/music?sslmode=disable";
    for json in [&[][..], &["--json"]] {
        let mut command = sandbox.command(&[&["--catalog", url, "doctor"], json].concat());
        let ran = Ran::from(command.output().unwrap()).expect(2);
        assert!(ran.stdout.contains("cannot reach the server") && !ran.stdout.contains("hush"), "{ran:#?}");
    }
}
