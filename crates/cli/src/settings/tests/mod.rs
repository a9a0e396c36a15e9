//! Tests of the sources of settings, their precedence, and invalid settings.

mod document;
mod service;

use clap::Parser;

use super::*;
use crate::args::Cli;

fn resolve(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings> {
    let cli = Cli::try_parse_from([&["refrain"], arguments].concat()).unwrap();
    let variables: Vec<_> = variables.iter().map(|(k, v)| (k.into(), v.into())).collect();
    Settings::resolve(cli.settings(), cli.global.config.as_deref(), &variables)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn flags_override_environment_file_and_defaults() {
    let file = file("catalog = 'sqlite:file.db'\njobs = 3\nfalse_positive_rate = 0.03\n");
    let config = file.path().to_str().unwrap();
    let variables = [("REFRAIN_CONFIG", config), ("REFRAIN_CATALOG", "sqlite:env.db"), ("REFRAIN_JOBS", "4")];
    let settings = resolve(&["--catalog", "sqlite:flag.db", "identify", "x"], &variables).unwrap();
    assert_eq!(settings.catalog.expose(), "sqlite:flag.db");
    assert_eq!((settings.jobs, settings.false_positive_rate), (4, 0.03));
    let variables = [("REFRAIN_EFFORT", "thorough"), ("REFRAIN_TEMPO_RANGE", "0"), variables[0]];
    let settings = resolve(&["identify", "x", "--speed-range", "0.3"], &variables).unwrap();
    assert_eq!(settings.effort, Effort::Thorough);
    assert_eq!(settings.ranges, Ranges { speed: 0.3, tempo: 0.0, pitch_cents: 200.0 });
    let variables = [("REFRAIN_CONFIG", config), ("REFRAIN_CATALOG", "sqlite:env.db"), ("REFRAIN_JOBS", "4")];
    let settings = resolve(&["identify", "x", "--jobs", "5"], &variables).unwrap();
    assert_eq!((settings.catalog.expose(), settings.jobs), ("sqlite:env.db", 5));
    let settings = resolve(&["identify", "x"], &[("HOME", "/home/a")]).unwrap();
    assert_eq!(settings.catalog.expose(), "sqlite:/home/a/.local/share/refrain/catalog.db");
    assert_eq!(settings.false_positive_rate, MatchSettings::default().false_positive_rate);
}

#[test]
fn unknown_keys_and_variables_are_errors() {
    let file = file("catalogue = 'sqlite:x.db'\n");
    let error = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("catalogue"), "{error:#}");
    let error = resolve(&["demo"], &[("REFRAIN_CATALOGUE", "x")]).unwrap_err();
    assert!(format!("{error:#}").contains("REFRAIN_CATALOGUE"), "{error:#}");
}

#[test]
fn settings_of_other_programs_are_ignored_and_wrong_types_are_errors() {
    let text = "[[streams]]\nname = 'x'\n[server]\nport = 1\n[ivs]\nprivate_key = 'x'\ntoken_seconds = 60\n";
    let (layer, ignored) = file::read_loosely(file(text).path()).unwrap();
    assert_eq!(ignored, ["ivs.private_key", "server", "streams"]);
    assert_eq!((layer.ivs.token_seconds, layer.ivs.private_key), (Some(60), None));
    for text in ["streams = 5\n", "[jobs]\na = 1\n", "[[sinks]]\nkind = 'ftp'\n"] {
        let error = file::read_loosely(file(text).path()).unwrap_err();
        assert!(error.to_string().contains("is invalid"), "{error:#}");
    }
}

#[test]
fn values_out_of_range_are_errors() {
    for (arguments, part) in [
        (&["identify", "x", "--false-positive-rate", "1.5"][..], "false_positive_rate is 1.5"),
        (&["identify", "x", "--false-positive-rate", "NaN"], "false_positive_rate is NaN"),
        (&["identify", "x", "--jobs", "5000"], "jobs is 5000"),
        (&["identify", "x", "--speed-range", "0.6"], "speed_range is 0.6"),
        (&["identify", "x", "--pitch-range", "900"], "pitch_range is 900"),
    ] {
        let error = resolve(arguments, &[]).unwrap_err();
        assert!(format!("{error:#}").contains(part), "{error:#}");
    }
    let error = resolve(&["demo"], &[("REFRAIN_JOBS", "many")]).unwrap_err();
    assert!(format!("{error:#}").contains("REFRAIN_JOBS"), "{error:#}");
}

#[test]
fn database_url_is_used_if_no_catalog_is_set() {
    let file = file("catalog = 'sqlite:file.db'\n");
    let config = file.path().to_str().unwrap();
    let of = |variables: &[(&str, &str)]| resolve(&["demo"], variables).unwrap().catalog.expose().to_owned();
    for url in ["postgres://ann@db/music", "postgresql://db/music", "sqlite:other.db"] {
        assert_eq!(of(&[("DATABASE_URL", url), ("HOME", "/home/a")]), url);
        assert_eq!(of(&[("DATABASE_URL", url), ("REFRAIN_CATALOG", "sqlite:env.db")]), "sqlite:env.db");
        assert_eq!(of(&[("DATABASE_URL", url), ("REFRAIN_CONFIG", config)]), "sqlite:file.db");
    }
    for url in ["mysql://db/music", "", "music"] {
        let catalog = of(&[("DATABASE_URL", url), ("HOME", "/home/a")]);
        assert_eq!(catalog, "sqlite:/home/a/.local/share/refrain/catalog.db");
    }
}

#[test]
fn every_catalog_has_its_own_cache() {
    let prefix = |url: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["--catalog", url], arguments, &["demo"]].concat();
        let prefix = resolve(&arguments, variables).unwrap().cache_prefix();
        prefix.map(|prefix| prefix.to_str().unwrap().to_owned()).map_err(|error| error.to_string())
    };
    let home = [("HOME", "/home/a")];
    let xdg = [("HOME", "/home/a"), ("XDG_CACHE_HOME", "/fast")];
    assert_eq!(prefix("sqlite:/m/catalog.db", &[], &home).unwrap(), "/m/catalog.db");
    let music = prefix("postgres://ann:hush@db.example/music?sslmode=disable", &[], &home).unwrap();
    assert!(music.starts_with("/home/a/.cache/refrain/db.example-5432-music-"), "{music}");
    assert!(music.ends_with("/index") && !music.contains("hush"), "{music}");
    assert_eq!(music, prefix("postgresql://ann:new@db.example:5432/music", &[], &home).unwrap());
    assert_eq!(
        music.replace("/home/a/.cache", "/fast"),
        prefix("postgres://ann@db.example/music", &[], &xdg).unwrap()
    );
    for other in [
        "postgres://ann@db.example:5433/music",
        "postgres://ann@db.example/Music",
        "postgres://ann@db.example/mus%2Fic",
    ] {
        assert_ne!(music, prefix(other, &[], &home).unwrap());
    }
    let odd = prefix("postgres://ann@%2Frun%2Fpostgresql/..%2Fx", &["--cache-dir", "/c"], &[]).unwrap();
    assert!(odd.starts_with("/c/_run_postgresql-5432-.._x-") && odd.matches('/').count() == 3, "{odd}");
    assert!(prefix("postgres://ann@db/music", &[], &[]).unwrap_err().contains("--cache-dir"));
    let (a, b) = ("sqlite:/m/catalog.db", "sqlite:/n/catalog.db");
    let chosen = [("REFRAIN_CACHE_DIR", "/c")];
    assert!(prefix(a, &[], &chosen).unwrap().starts_with("/c/catalog-"));
    assert_ne!(prefix(a, &[], &chosen).unwrap(), prefix(b, &[], &chosen).unwrap());
    assert!(prefix(a, &["--cache-dir", "/d"], &chosen).unwrap().starts_with("/d/catalog-"));
}

#[test]
fn database_settings_are_applied_and_checked() {
    let file = file("[database]\nmax_connections = 3\nacquire_timeout_seconds = 4\nretry_seconds = 0\n");
    let variables =
        [("REFRAIN_CONFIG", file.path().to_str().unwrap()), ("REFRAIN_DATABASE_MAX_CONNECTIONS", "5")];
    let database = resolve(&["demo"], &variables).unwrap().database.postgres;
    let seconds = std::time::Duration::from_secs;
    assert_eq!(
        (database.max_connections, database.acquire_timeout, database.retry_for),
        (5, seconds(4), seconds(0))
    );
    assert_eq!(database.statement_timeout, refrain_catalog::PostgresSettings::default().statement_timeout);
    for (key, value) in [
        ("MAX_CONNECTIONS", "0"),
        ("ACQUIRE_TIMEOUT_SECONDS", "0"),
        ("RETRY_SECONDS", "100000"),
        ("STATEMENT_TIMEOUT_SECONDS", "-1"),
    ] {
        let error = resolve(&["demo"], &[(&format!("REFRAIN_DATABASE_{key}"), value)]).unwrap_err();
        assert!(format!("{error:#}").contains(value), "{error:#}");
    }
    // Variables that Kubernetes sets for services named refrain and refrain-database.
    for key in [
        "REFRAIN_SERVICE_HOST",
        "REFRAIN_PORT",
        "REFRAIN_PORT_8080_TCP_ADDR",
        "REFRAIN_DATABASE_SERVICE_PORT",
        "REFRAIN_DATABASE_PORT_5432_TCP",
    ] {
        resolve(&["demo"], &[(key, "tcp://10.0.0.1:5432")]).unwrap();
    }
}

#[test]
fn passwords_are_not_in_messages() {
    let url = "postgres://ann:hush@db/music";
    let cli = Cli::try_parse_from(["refrain", "--catalog", url, "demo"]).unwrap();
    let settings = resolve(&["--catalog", url, "demo"], &[]).unwrap();
    let shown = format!("{cli:?} {settings:?} {}", settings.catalog);
    assert!(shown.contains("postgres://ann@db:5432/music") && !shown.contains("hush"), "{shown}");
    for text in [format!("catalog = '{url}\n"), format!("catalog = ['{url}']\n"), format!("jobs = '{url}'\n")]
    {
        let file = file(&text);
        let error = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &[]).unwrap_err();
        assert!(
            format!("{error:#}").contains("line 1") && !format!("{error:#} {error:?}").contains("hush"),
            "{error:#}"
        );
    }
}
