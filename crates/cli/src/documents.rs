//! Tests that the commands, settings and values in the documents are valid.
//!
//! This module parses the commands of Refrain. `scripts/check-docs` checks commands of other programs,
//! `scripts/check-names` checks names of files and of code, and `tests/it/documents.rs` runs the commands of README and
//! guide.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::args::{Cli, IdentifyStreamArgs};
use crate::settings::Settings;

/// Languages that code blocks may have. This module checks `sh`, `toml` and `json` blocks. The tests of PostgreSQL or
/// an operator run `sql` blocks; `text` blocks are not checked.
const LANGUAGES: [&str; 5] = ["sh", "toml", "json", "sql", "text"];

/// Prefix of the location of a command in prose, which distinguishes it from a command in a code block.
const PROSE: &str = "prose of ";

/// A code block of a document.
#[derive(Debug)]
struct Block {
    place: String,
    language: String,
    text: String,
}

fn documents() -> Vec<(PathBuf, String)> {
    let root = root();
    let names = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "examples/README.md",
        "fuzz/README.md",
    ];
    let mut paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (path, text) in documents() {
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(language), None) => {
                    let place = format!("{}:{}", path.display(), number + 1);
                    open = Some(Block { place, language: language.to_owned(), text: String::new() });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.text += line;
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a code block has no end", path.display());
    }
    blocks
}

/// Returns all code between single backticks outside of code blocks, as pairs of location and code.
fn inline_code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in documents() {
        // After splitting at the fences, every second part is outside of a code block.
        let outside: String = text.split("```").step_by(2).collect::<Vec<_>>().join("\n").replace('\n', " ");
        let code = outside.split('`').skip(1).step_by(2);
        // In cells of tables, pipes are escaped.
        found.extend(code.map(|code| (path.display().to_string(), code.replace("\\|", "|"))));
    }
    found
}

/// Splits a shell script into simple commands, each as a list of words. Bodies of here-documents are left out.
fn commands(script: &str) -> Vec<Vec<String>> {
    let (mut commands, mut open) = (Vec::new(), String::new());
    let mut until: Option<String> = None;
    // A backslash at the end of a line joins it with the next line.
    for line in script.replace("\\\n", " ").lines() {
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            continue;
        }
        if let Some((_, end)) = line.split_once("<<") {
            until = Some(end.trim().trim_matches('\'').to_owned());
        }
        open += line;
        // A line with an unclosed quote cannot be split, because its command continues on the next line.
        let Some(words) = shlex::split(&open) else {
            open.push('\n');
            continue;
        };
        open.clear();
        let separators = ["|", "&&", "||", ";", "&", "(", ")", "{", "}"];
        commands.extend(words.split(|word| separators.contains(&word.as_str())).map(<[String]>::to_vec));
    }
    assert!(open.is_empty(), "a quote has no end: {open}");
    commands.retain(|words| !words.is_empty());
    commands
}

/// Parses a command with the argument parser of its program, and panics with `place` if it is invalid. Returns false
/// for commands of other programs, which are not checked.
fn check(words: &[String], place: &str) -> bool {
    let assignment = |word: &&String| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let words: Vec<&String> = words.iter().skip_while(assignment).collect();
    let redirect = words.iter().position(|word| word.starts_with('>') || word.starts_with('<'));
    let words = &words[..redirect.unwrap_or(words.len())];
    let Some((program, mut arguments)) = words.split_first() else { return false };
    let mut program = program.as_str();
    let separator = arguments.iter().position(|word| *word == "--");
    if let Some(separator) = separator.filter(|_| program == "cargo" && arguments[0] == "run") {
        let (options, rest) = arguments.split_at(separator);
        // `cargo run` starts `refrain` if no other program is named.
        if !options.iter().any(|word| *word == "-p" || *word == "--bin") {
            (program, arguments) = ("refrain", &rest[1..]);
        }
    }
    let all = std::iter::once("program").chain(arguments.iter().map(|word| word.as_str()));
    let parsed = match program {
        "refrain" => Cli::try_parse_from(all).map(drop),
        // docs/deploy.md defines `run`, which runs a command of `refrain` in a task.
        "run" if place.contains("deploy.md") => Cli::try_parse_from(all).map(drop),
        "identifyStream" => IdentifyStreamArgs::try_parse_from(all).map(drop),
        _ => return false,
    };
    match parsed {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => true,
        // Prose names commands without their arguments, or with placeholders in capital letters.
        Err(error) if place.starts_with(PROSE) && is_incomplete(&error) => true,
        Err(error)
            if error.kind() == ErrorKind::ValueValidation
                && words.iter().any(|word| word.chars().all(|c| c.is_ascii_uppercase())) =>
        {
            true
        }
        Err(error) => panic!("{place}: {words:?}: {error}"),
    }
}

fn is_incomplete(error: &clap::Error) -> bool {
    use ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand};
    matches!(
        error.kind(),
        MissingRequiredArgument | MissingSubcommand | DisplayHelpOnMissingArgumentOrSubcommand
    )
}

#[test]
fn every_code_block_names_its_language() {
    for block in blocks() {
        assert!(LANGUAGES.contains(&block.language.as_str()), "{}: {:?}", block.place, block.language);
    }
}

#[test]
fn commands_in_code_blocks_are_accepted_by_the_argument_parser() {
    let scripts = blocks().into_iter().filter(|block| block.language == "sh");
    let checked = scripts
        .flat_map(|block| commands(&block.text).into_iter().map(move |words| (words, block.place.clone())));
    let count = checked.filter(|(words, place)| check(words, place)).count();
    // This assertion fails if a change of the documents, or of `commands`, leaves almost nothing to check.
    assert!(count >= 15, "only {count} commands were found");
}

#[test]
fn commands_in_the_prose_are_accepted_by_the_argument_parser() {
    let mut count = 0;
    for (place, code) in inline_code() {
        let programs = ["refrain ", "run ", "identifyStream ", "cargo run "];
        let is_command = |part: &str| programs.iter().any(|program| part.starts_with(program));
        // An ellipsis replaces arguments.
        let parts = code.split('|').map(str::trim).filter(|part| is_command(part) && !part.contains('…'));
        let checked = parts.flat_map(commands).filter(|words| check(words, &format!("{PROSE}{place}")));
        count += checked.count();
    }
    assert!(count >= 40, "only {count} commands were found");
}

/// Adds the long options of a command and its subcommands to `found`.
fn add_options(command: &clap::Command, found: &mut BTreeSet<String>) {
    let names = command.get_arguments().filter_map(clap::Arg::get_long);
    found.extend(names.map(|name| format!("--{name}")));
    command.get_subcommands().for_each(|command| add_options(command, found));
}

#[test]
fn options_in_the_prose_exist() {
    let mut known: BTreeSet<String> = ["--help", "--version"].map(str::to_owned).into();
    add_options(&Cli::command(), &mut known);
    // These are options of cargo and pg_dump.
    known.extend(["--features", "--exclude-table-data"].map(str::to_owned));
    let mut count = 0;
    for (place, code) in inline_code() {
        // Options in docs/deploy.md and docs/spread.md are mostly those of other programs, which scripts/check-docs
        // checks.
        let is_of_others =
            ["deploy.md", "spread.md", "fuzz/README.md"].iter().any(|name| place.ends_with(name));
        let words: Vec<&str> = code.split_whitespace().collect();
        if is_of_others || !words.first().is_some_and(|word| word.starts_with("--") || *word == "tracks") {
            continue;
        }
        for name in
            words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap())
        {
            assert!(known.contains(name), "{place}: {code}: no command has the option {name}");
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} options were found");
}

#[cfg(unix)]
#[test]
fn scripts_in_documents_have_valid_syntax() {
    for block in blocks().into_iter().filter(|block| block.language == "sh") {
        let child = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), block.text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn settings_in_documents_are_valid() {
    for block in blocks().into_iter().filter(|block| block.language == "toml") {
        let cli = Cli::try_parse_from(["refrain", "doctor"]).unwrap();
        let variables =
            [("HOME".into(), "/nowhere".into()), ("REFRAIN_CONFIG_TOML".into(), block.text.into())];
        let settings =
            Settings::resolve(cli.settings(), None, &variables).and_then(|settings| settings.service(None));
        settings.unwrap_or_else(|error| panic!("{}: {error:#}", block.place));
    }
}

#[test]
fn json_in_documents_is_valid() {
    for block in blocks().into_iter().filter(|block| block.language == "json") {
        let values = serde_json::Deserializer::from_str(&block.text).into_iter::<serde_json::Value>();
        values.for_each(|value| drop(value.unwrap_or_else(|error| panic!("{}: {error}", block.place))));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn architecture_names_the_newest_schema() {
    let root = root();
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    for database in ["sqlite", "postgres"] {
        let count = std::fs::read_dir(root.join("migrations").join(database)).unwrap().count();
        let named = format!("schema {count} ");
        assert!(
            architecture.matches(&named).count() >= 2,
            "{database} has {count} migrations; ARCHITECTURE.md lacks {named:?}"
        );
    }
}
