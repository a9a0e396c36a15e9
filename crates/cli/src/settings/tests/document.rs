//! Tests that `docs/service.toml` and the program have the same keys and variables.

use std::collections::BTreeSet;

use super::super::tables::*;
use super::super::{environment, sinks};
use super::*;

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/service.toml")).unwrap()
}

#[test]
fn the_document_is_a_settings_file() {
    let text = document();
    // Secrets are files that are not on this machine.
    let text: String =
        text.lines().filter(|line| !line.contains("_file =")).map(|line| format!("{line}\n")).collect();
    let file = file(&text);
    let settings = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &[]).unwrap();
    let service = settings.service(None).unwrap();
    assert_eq!((service.name.as_str(), service.streams.fixed.len()), ("worker-1", 1));
    assert_eq!(service.outbox.sinks.len(), 5);
    settings.log().unwrap();
}

/// Returns the tables and keys of the document, without those whose names are data.
fn keys() -> BTreeSet<(String, String)> {
    let table: toml::Table = document().parse().unwrap();
    let mut keys = BTreeSet::new();
    let mut add = |name: &str, table: &toml::Table| {
        keys.extend(table.keys().map(|key| (name.to_owned(), key.clone())));
    };
    for (name, value) in &table {
        match value {
            toml::Value::Table(table) => add(name, table),
            toml::Value::Array(tables) if tables.iter().all(toml::Value::is_table) => {
                tables.iter().for_each(|table| add(name, table.as_table().unwrap()));
            }
            // These keys are in no table, and every command has them.
            _ => assert!(["catalog", "cache_dir", "jobs"].contains(&name.as_str()), "{name}"),
        }
    }
    keys
}

#[test]
fn the_document_names_every_key() {
    let tables: [(&str, &[&str]); 15] = [
        ("database", DatabaseLayer::KEYS),
        ("service", ServiceTable::KEYS),
        ("aws", AwsTable::KEYS),
        ("queues", QueuesTable::KEYS),
        ("bucket", BucketTable::KEYS),
        ("monitor", MonitorTable::KEYS),
        ("ivs", IvsTable::KEYS),
        ("outbox", OutboxTable::KEYS),
        ("keep", KeepTable::KEYS),
        ("http", HttpTable::KEYS),
        ("log", LogTable::KEYS),
        ("metrics", MetricsTable::KEYS),
        ("sinks", SinkTable::KEYS),
        ("medialive", &["channels"]),
        ("streams", &["id", "url"]),
    ];
    let known: BTreeSet<_> = tables
        .iter()
        .flat_map(|(table, keys)| keys.iter().map(move |key| ((*table).to_owned(), (*key).to_owned())))
        .collect();
    assert_eq!(keys(), known);
}

/// Returns the variables that the document names, including those that it abbreviates: the endpoints of AWS services ("and
/// so on") and the variables of sinks.
fn variables() -> BTreeSet<String> {
    let text = document();
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("REFRAIN_") {
        let rest = &text[at + "REFRAIN_".len()..];
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
        // Of the variables of a sink, the document has the full name of the first and the last parts of the others.
        if let Some((kind, _)) = name.strip_prefix("SINK_").and_then(|name| name.split_once('_')) {
            let line = rest.lines().next().unwrap();
            let others = line.split([' ', ',']).filter(|word| word.starts_with('_'));
            found.extend(others.map(|word| format!("SINK_{kind}{word}")));
        }
        if name.starts_with("SINK_STDOUT") {
            let line = rest.lines().next().unwrap();
            let others = line.split([' ', ',']).filter(|word| word.starts_with('_'));
            found.extend(others.map(|word| format!("SINK_STDOUT{word}")));
        }
        if !name.is_empty() {
            found.insert(name);
        }
    }
    for service in ["SQS", "SNS", "IVS"] {
        found.insert(format!("AWS_ENDPOINT_URL_{service}"));
    }
    found
}

#[test]
fn the_document_names_every_variable() {
    // Variables of other commands are in docs/guide.md and in `refrain --help`.
    let others =
        ["EFFORT", "FALSE_POSITIVE_RATE", "PITCH_RANGE", "RULE", "SEARCH", "SPEED_RANGE", "TEMPO_RANGE"];
    let mut known: BTreeSet<_> = environment::known().into_iter().collect();
    for name in others.into_iter().chain(["CONFIG"]) {
        assert!(known.remove(name), "{name}");
    }
    let mut documented = variables();
    documented.remove("CONFIG");
    assert_eq!(documented, known);
    assert!(sinks::known().iter().all(|name| known.contains(&format!("SINK_{name}"))));
}

#[test]
fn no_variable_is_one_that_kubernetes_sets() {
    for name in environment::known() {
        assert!(!name.ends_with("HOST") && !name.ends_with("PORT"), "{name}");
        assert!(!environment::is_service_link(&name), "{name} would be ignored");
    }
}

#[test]
fn every_known_variable_is_accepted() {
    for name in environment::known() {
        if ["CONFIG", "CONFIG_TOML"].contains(&name.as_str()) {
            continue;
        }
        // Each variable accepts at least one of these values.
        let values = ["1", "x", "true", "start", "api", "live", "song", "fast", "local", "0.5"];
        let variable = format!("REFRAIN_{name}");
        let accepted = values.iter().filter(|value| {
            let pair = vec![(OsString::from(&variable), OsString::from(value))];
            environment::read(&pair).is_ok()
        });
        assert!(accepted.count() > 0, "{variable}");
    }
}
