//! Tests that the commands, settings and values in the documents are valid.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, IdentifyStreamArgs};
use crate::settings::Settings;

/// Languages of code blocks. Each one but `text` and `sql` is checked here; sql blocks are run by the tests of PostgreSQL or by
/// an operator.
const LANGUAGES: [&str; 5] = ["sh", "toml", "json", "sql", "text"];

/// Prefix of the places of commands in prose.
const PROSE: &str = "prose of ";

/// A code block of a document.
#[derive(Debug)]
struct Block {
    place: String,
    language: String,
    text: String,
}

fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = vec![root.join("README.md"), root.join("SECURITY.md"), root.join("fuzz/README.md")];
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

/// Code between single backticks outside of blocks, with its place.
fn inline_code() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let outside: String = text.split("```").step_by(2).collect::<Vec<_>>().join("\n").replace('\n', " ");
        let code = outside.split('`').skip(1).step_by(2);
        found.extend(code.map(|code| (path.display().to_string(), code.to_owned())));
    }
    found
}

/// The simple commands of a shell script as words, without the bodies of here-documents.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut until: Option<String> = None;
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
        // A line with an open quote cannot be split. No command of Refrain in the documents has one.
        let words = shlex::split(line).unwrap_or_default();
        let separators = ["|", "&&", "||", ";", "&", "(", ")", "{", "}"];
        commands.extend(words.split(|word| separators.contains(&word.as_str())).map(<[String]>::to_vec));
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// Parses a command with the argument parser of its program. Returns false for commands of other programs, which are not
/// checked.
fn check(words: &[String], place: &str) -> bool {
    let assignment = |word: &&String| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let words: Vec<&String> = words.iter().skip_while(assignment).collect();
    let redirect = words.iter().position(|word| word.starts_with('>') || word.starts_with('<'));
    let words = &words[..redirect.unwrap_or(words.len())];
    let Some((program, arguments)) = words.split_first() else { return false };
    let all = std::iter::once("program").chain(arguments.iter().map(|word| word.as_str()));
    let parsed = match program.as_str() {
        // docs/deploy.md defines `run`, which runs a command of `refrain` in a task.
        "refrain" | "run" => Cli::try_parse_from(all).map(drop),
        "identifyStream" => IdentifyStreamArgs::try_parse_from(all).map(drop),
        _ => return false,
    };
    match parsed {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => true,
        // Prose names commands without their arguments, or with placeholders in capitals.
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
    assert!(count >= 15, "only {count} commands were found");
}

#[test]
fn commands_in_the_prose_are_accepted_by_the_argument_parser() {
    let mut count = 0;
    for (place, code) in inline_code() {
        // An ellipsis replaces arguments.
        if code.starts_with("refrain ") && !code.contains('…') {
            commands(&code)
                .iter()
                .for_each(|words| count += usize::from(check(words, &format!("{PROSE}{place}"))));
        }
    }
    assert!(count > 10, "only {count} commands were found");
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
        let settings = Settings::resolve(&cli, &variables).and_then(|settings| settings.service(None));
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

/// Adds all files with this extension in and below a folder to `found`.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns true for a name in upper camel case with at least two parts, as types and template resources have.
fn is_type_name(code: &str) -> bool {
    let capitals = code.chars().filter(char::is_ascii_uppercase).count();
    code.starts_with(|c: char| c.is_ascii_uppercase())
        && code.chars().all(|c| c.is_ascii_alphanumeric())
        && (2..code.len()).contains(&capitals)
        && code.chars().any(|c| c.is_ascii_lowercase())
}

#[test]
fn names_and_paths_in_documents_exist() {
    let root = root();
    let mut sources = vec![root.join("template.yml")];
    ["crates", "benches", "fuzz"].iter().for_each(|folder| files(&root.join(folder), "rs", &mut sources));
    let known: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut codes = inline_code();
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let outside: String = architecture.split("```").step_by(2).collect();
    codes.extend(
        outside.split('`').skip(1).step_by(2).map(|code| ("ARCHITECTURE.md".to_owned(), code.to_owned())),
    );
    for (place, code) in codes {
        assert!(!is_type_name(&code) || known.contains(&code), "{place}: {code} does not exist");
        let is_path = ["crates/", "benches/", "scripts/", "migrations/", "testdata/", "fuzz/", "docs/"]
            .iter()
            .any(|folder| code.starts_with(folder));
        let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        // A part in capitals is a placeholder.
        let plain = plain && !code.split('/').any(|part| part.len() > 1 && part == part.to_ascii_uppercase());
        // The fuzz runner creates these folders.
        let made = code.starts_with("fuzz/artifacts") || code.starts_with("fuzz/target");
        assert!(!is_path || !plain || made || root.join(&code).exists(), "{place}: {code} does not exist");
    }
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
