//! Tests that the documents and the help describe the same settings as the program.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::CommandFactory;

use super::super::declare::DefaultText;
use super::super::tables::{MediaLiveTable, SinkTable, StreamTable};
use super::super::{environment, keys, render, sinks};
use super::*;

/// Command that updates the generated documents.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p refrain documents_are_generated";

/// Marks before and after the generated table in `docs/guide.md`.
const MARKS: [&str; 2] = ["<!-- settings -->\n", "<!-- /settings -->\n"];

/// The part of `docs/service.toml` about lists such as `[[sinks]]`, which is not generated.
const LISTS: &str = include_str!("../document/lists.toml");

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

fn document() -> String {
    std::fs::read_to_string(path("service.toml")).unwrap()
}

#[test]
fn documents_are_generated() {
    let guide = std::fs::read_to_string(path("guide.md")).unwrap();
    let (before, rest) = guide.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    let guide_with_table = format!("{before}{}{}{}{after}", MARKS[0], render::guide_table(), MARKS[1]);
    for (name, old, new) in [
        ("guide.md", guide.clone(), guide_with_table),
        ("service.toml", document(), render::service_document()),
    ] {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path(name), &new).unwrap();
        } else {
            let differs = old.lines().zip(new.lines()).find(|(old, new)| old != new);
            assert!(
                old == new,
                "docs/{name} differs from the declared settings at {differs:?}; run {UPDATE}"
            );
        }
    }
}

#[test]
fn the_document_is_a_settings_file() {
    let text = document();
    // The files and variables of secrets do not exist on this machine.
    let text: String = text
        .lines()
        .filter(|line| !line.contains("_file =") && !line.contains("_variable ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let file = file(&text);
    let settings = resolve(&["--config", file.path().to_str().unwrap(), "demo"], &[]).unwrap();
    let service = settings.service(None).unwrap();
    assert_eq!((service.name.as_str(), service.streams.fixed.len()), ("worker-1", 2));
    assert_eq!(service.outbox.sinks.len(), 5);
    settings.log().unwrap();
}

#[test]
fn declared_default_texts_are_the_defaults_of_the_program() {
    let mut text = String::new();
    for table in Layer::TABLES {
        if !table.name.is_empty() {
            text += &format!("[{}]\n", table.name);
        }
        for key in table.keys {
            if let DefaultText::Toml(value) = key.default {
                text += &format!("{} = {value}\n", key.name);
            }
        }
    }
    let sink = "[[sinks]]\nkind = 's3'\nbucket = 'b'\n[[sinks]]\nkind = 'webhook'\nurl = 'https://x'\n";
    let mut explicit = sink.to_owned();
    for (kind, names) in
        [("s3", &["key", "from"][..]), ("webhook", &["timeout_seconds", "allow_private", "format"])]
    {
        let of_kind = SinkTable::TABLE.keys.iter().filter(|key| names.contains(&key.name));
        let values: String = of_kind.map(|key| format!("{} = {}\n", key.name, toml(key.default))).collect();
        explicit = explicit.replace(&format!("kind = '{kind}'\n"), &format!("kind = '{kind}'\n{values}"));
    }
    // The default name contains random characters, so it is the only default that differs between two calls.
    let variables = [("HOME", "/home/a"), ("REFRAIN_SERVICE_NAME", "a")];
    let of = |text: &str| {
        let settings =
            resolve(&["demo"], &[&variables[..], &[("REFRAIN_CONFIG_TOML", text)]].concat()).unwrap();
        let service = format!("{:?} {:?}", settings.service(None).unwrap(), settings.log().unwrap());
        (Settings { layer: Layer::default(), ..settings }, service)
    };
    assert_eq!(of(&format!("{text}{explicit}")), of(sink));
}

fn toml(default: DefaultText) -> &'static str {
    let DefaultText::Toml(text) = default else { panic!("{default:?} is not a value") };
    text
}

#[test]
fn the_document_names_every_key_of_lists() {
    let lists: toml::Table = LISTS.parse().unwrap();
    let names = |name: &str| -> BTreeSet<&str> {
        let entries = lists[name].as_array().unwrap();
        entries.iter().flat_map(|entry| entry.as_table().unwrap().keys()).map(String::as_str).collect()
    };
    let sinks: BTreeSet<_> = SinkTable::TABLE.keys.iter().map(|key| key.name).collect();
    assert_eq!(names("sinks"), sinks);
    assert_eq!(names("streams"), StreamTable::KEYS.iter().copied().collect());
    let medialive: Vec<_> = lists["medialive"].as_table().unwrap().keys().collect();
    assert_eq!(medialive, MediaLiveTable::KEYS);
}

#[test]
fn the_document_has_the_ranges_and_variables_of_sinks() {
    let lines: Vec<&str> = LISTS.lines().collect();
    for key in SinkTable::TABLE.keys {
        let Some(range) = key.limit.text() else { continue };
        let start = format!("{} = ", key.name);
        let at = lines.iter().position(|line| line.starts_with(&start)).unwrap();
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with('#'));
        let comment: String = above.chain([&lines[at]]).copied().collect();
        assert!(comment.contains(&range), "{}: {range} is not in {comment}", key.name);
    }
    for name in sinks::known() {
        let is_named = LISTS.split([' ', ',', '\n']).any(|word| word == format!("REFRAIN_SINK_{name}"));
        assert!(is_named, "REFRAIN_SINK_{name}");
    }
}

#[test]
fn flags_of_settings_have_the_declared_help() {
    let declared: Vec<_> = keys::plain_keys().iter().filter_map(|key| Some((key.flag?, key.name))).collect();
    let mut found = BTreeSet::new();
    let cli = Cli::command();
    for command in cli.get_subcommands().chain([&cli]) {
        for argument in command.get_arguments() {
            let flag = format!("--{}", argument.get_long().unwrap_or_default());
            let Some((_, name)) = declared.iter().find(|(declared, _)| *declared == flag) else { continue };
            let help = argument.get_long_help().unwrap().to_string();
            assert!(help.contains(&format!("Variable: REFRAIN_{}", name.to_uppercase())), "{flag}: {help}");
            assert!(!argument.get_help().unwrap().to_string().is_empty(), "{flag}");
            found.insert(*name);
        }
    }
    assert_eq!(found, declared.iter().map(|(_, name)| *name).collect());
}

#[test]
fn no_variable_is_one_that_kubernetes_sets() {
    for name in keys::known_variables() {
        assert!(!name.ends_with("HOST") && !name.ends_with("PORT"), "{name}");
        assert!(!environment::is_service_link(&name), "{name} would be ignored");
    }
}

#[test]
fn every_known_variable_is_accepted() {
    for name in keys::known_variables() {
        if keys::FILE_VARIABLES.contains(&name.as_str()) {
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
