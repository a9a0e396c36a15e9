//! Tests of the sources of settings.

use crate::support::{CommandOutput, Sandbox};

#[test]
fn flags_override_environment_overrides_file_overrides_defaults() {
    let sandbox = Sandbox::new();
    let config = sandbox.file("c.toml", "catalog = 'sqlite:file.db'\n");
    let catalog = |args: &[&str], variables: &[(&str, &str)]| -> String {
        let mut command = sandbox.command(&[args, &["tracks", "list"]].concat());
        let output = CommandOutput::from(command.envs(variables.iter().copied()).output().unwrap()).expect(2);
        output.stderr.split("catalog ").nth(1).unwrap().split(" not found").next().unwrap().to_owned()
    };
    let config = config.to_str().unwrap();
    let both = [("REFRAIN_CONFIG", config), ("REFRAIN_CATALOG", "sqlite:env.db")];
    assert_eq!(catalog(&["--catalog", "sqlite:flag.db"], &both), "flag.db");
    assert_eq!(catalog(&[], &both), "env.db");
    assert_eq!(catalog(&[], &both[..1]), "file.db");
    assert_eq!(catalog(&["--config", config], &[]), "file.db");
    let home = sandbox.path(".local/share/refrain/catalog.db");
    assert_eq!(catalog(&[], &[]), home.to_str().unwrap());
    let data = sandbox.path("data");
    let xdg = [("XDG_DATA_HOME", data.to_str().unwrap())];
    assert_eq!(catalog(&[], &xdg), data.join("refrain/catalog.db").to_str().unwrap());
    sandbox.file(".config/refrain/config.toml", "catalog = 'sqlite:home.db'\n");
    assert_eq!(catalog(&[], &[]), "home.db");
}

#[test]
fn unknown_keys_and_invalid_values_are_rejected() {
    let sandbox = Sandbox::new();
    for (text, why) in [
        ("catalogue = 'x'\n", "unknown field `catalogue`"),
        ("jobs = 'many'\n", "jobs"),
        ("false_positive_rate = 3\n", "false_positive_rate is 3"),
        ("rule = 'no rule'\n", "is not a rule"),
        ("catalog = [", "c.toml is not valid"),
    ] {
        sandbox.file("c.toml", text);
        sandbox.run(&["--config", "c.toml", "tracks", "list"]).expect(2).stderr_contains(why);
    }
    sandbox
        .run(&["--config", "gone.toml", "tracks", "list"])
        .expect(2)
        .stderr_contains("cannot read settings file gone.toml");
    let mut command = sandbox.command(&["tracks", "list"]);
    let output = CommandOutput::from(command.env("REFRAIN_CATALOGUE", "x").output().unwrap()).expect(2);
    output.stderr_contains("unknown environment variable REFRAIN_CATALOGUE");
    sandbox.run(&["identify", "x", "--frobnicate"]).expect(2).stderr_contains("--frobnicate");
    sandbox.run(&["identify"]).expect(2).stderr_contains("<INPUT>");
}

#[test]
fn false_positive_rate_option_reaches_the_matcher() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &crate::support::music().known[0], 6.0, 3.0);
    sandbox.run(&["identify", "clip.wav"]).expect(0);
    let output = sandbox.run(&["identify", "clip.wav", "--all", "--false-positive-rate", "1e-300"]).expect(1);
    assert!(output.stdout.contains("(rejected)"), "{output:#?}");
}

#[test]
fn cache_dir_setting_determines_the_index_cache() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &crate::support::music().known[0], 6.0, 6.0);
    let beside = |sandbox: &Sandbox| {
        let files = std::fs::read_dir(sandbox.path("")).unwrap().map(|file| file.unwrap().file_name());
        files.filter(|name| name.to_str().unwrap().starts_with("catalog.db-")).count()
    };
    for name in ["catalog.db-index", "catalog.db-index.lock"] {
        let _ = std::fs::remove_file(sandbox.path(name));
    }
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command =
            sandbox.command(&[&["--catalog", &sandbox.catalog()], args, &["identify", "clip.wav"]].concat());
        CommandOutput::from(command.envs(variables.iter().copied()).output().unwrap()).expect(0)
    };
    let before = beside(&sandbox);
    run(&["--cache-dir", "cache/a"], &[]).stderr_contains("index cache not found; rebuilding it");
    run(&[], &[("REFRAIN_CACHE_DIR", "cache/b")]).stderr_contains("index cache not found; rebuilding it");
    assert_eq!(run(&["--cache-dir", "cache/a"], &[]).stderr, "");
    assert_eq!(beside(&sandbox), before, "no file may be written next to the catalog");
    for folder in ["cache/a", "cache/b"] {
        let caches: Vec<_> = std::fs::read_dir(sandbox.path(folder)).unwrap().map(Result::unwrap).collect();
        let name = caches[0].file_name().into_string().unwrap();
        assert!(caches.len() == 1 && name.starts_with("catalog-"), "{caches:?}");
        assert!(caches[0].path().join("index-index").is_file());
    }
    sandbox.file("file", "");
    let refused = sandbox.run(&["--cache-dir", "file/x", "identify", "clip.wav"]).expect(2);
    refused.stderr_contains("cannot create the folder of the index cache");
}

#[test]
fn database_url_variable_selects_the_catalog() {
    let sandbox = Sandbox::with_catalog();
    let mut command = sandbox.command(&["tracks", "list", "--json"]);
    let output =
        CommandOutput::from(command.env("DATABASE_URL", sandbox.catalog()).output().unwrap()).expect(0);
    assert_eq!(output.stdout.lines().count(), 3);
}

#[test]
fn passwords_are_never_shown() {
    let sandbox = Sandbox::new();
    // No server listens on this port.
    let url = "postgres://ann:hu%2Fsh@127.0.0.1:1/music?sslmode=disable";
    sandbox.file("bad.toml", format!("catalog = '{url}\n"));
    sandbox.file("good.toml", format!("catalog = '{url}'\n"));
    for (args, variable, part) in [
        (&["--catalog", url, "tracks", "list"][..], "", "catalog postgres://ann@127.0.0.1:1/music"),
        (&["tracks", "list"], url, "catalog postgres://ann@127.0.0.1:1/music"),
        (&["--config", "good.toml", "tracks", "list"], "", "catalog postgres://ann@127.0.0.1:1/music"),
        (&["--config", "bad.toml", "tracks", "list"], "", "line 1 (catalog)"),
        (&["tracks", "list", url], "", "postgres://ann:…@127.0.0.1:1/music"),
        (&["--catalog", "postgres://ann:hu sh@127.0.0.1:1/music", "tracks", "list"], "", "postgres"),
        (&["--catalog", "ann:hush@127.0.0.1/music", "tracks", "list"], "", "not supported"),
        (&["identify", "clip.wav", "http://ann:hush"], "", "input 2: invalid http URL: invalid port number"),
        (&["identify", "http://ann:hu sh@host:x/a.mp3"], "", "input 1: invalid http URL"),
    ] {
        let mut command = sandbox.command(args);
        let output = CommandOutput::from(command.env("REFRAIN_CATALOG", variable).output().unwrap())
            .expect(2)
            .stderr_contains(part);
        for secret in ["hush", "hu%2Fsh", "hu/sh", "hu sh"] {
            assert!(!output.stderr.contains(secret) && !output.stdout.contains(secret), "{output:#?}");
        }
    }
}
