//! Where settings come from.

use crate::support::{Ran, Sandbox};

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let sandbox = Sandbox::new();
    let config = sandbox.file("c.toml", "catalog = 'sqlite:file.db'\n");
    let catalog = |args: &[&str], variables: &[(&str, &str)]| -> String {
        let mut command = sandbox.command(&[args, &["tracks", "list"]].concat());
        let ran = Ran::from(command.envs(variables.iter().copied()).output().unwrap()).expect(2);
        ran.stderr.split("no catalogue ").nth(1).unwrap().split(';').next().unwrap().to_owned()
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
fn unknown_keys_and_bad_values_are_refused() {
    let sandbox = Sandbox::new();
    for (text, why) in [
        ("catalogue = 'x'\n", "unknown field `catalogue`"),
        ("jobs = 'many'\n", "jobs"),
        ("false_positive_rate = 3\n", "false_positive_rate is 3"),
        ("rule = 'no rule'\n", "is not a rule"),
        ("catalog = [", "c.toml is not valid"),
    ] {
        sandbox.file("c.toml", text);
        sandbox.run(&["--config", "c.toml", "tracks", "list"]).expect(2).says(why);
    }
    sandbox
        .run(&["--config", "gone.toml", "tracks", "list"])
        .expect(2)
        .says("cannot read settings file gone.toml");
    let mut command = sandbox.command(&["tracks", "list"]);
    let ran = Ran::from(command.env("REFRAIN_CATALOGUE", "x").output().unwrap()).expect(2);
    ran.says("REFRAIN_CATALOGUE is not known");
    sandbox.run(&["identify", "x", "--frobnicate"]).expect(2).says("--frobnicate");
    sandbox.run(&["identify"]).expect(2).says("<INPUT>");
}

#[test]
fn the_accepted_rate_reaches_the_matcher() {
    let sandbox = Sandbox::with_catalog();
    sandbox.clip("clip.wav", &crate::support::music().known[0], 6.0, 3.0);
    sandbox.run(&["identify", "clip.wav"]).expect(0);
    let ran = sandbox.run(&["identify", "clip.wav", "--all", "--false-positive-rate", "1e-300"]).expect(1);
    assert!(ran.stdout.contains("(rejected)"), "{ran:#?}");
}
