//! The `refrain` command: learn songs, find them in files.
//!
//! ```text
//! args (clap) ─► settings ─► index │ identify │ plot │ tracks │ doctor │ demo ─► output
//!                      └─ sound, metadata, search, store, work ─┘
//! ```
//! `store` is the only way to the catalogue, `search` to its index, `sound` to the decoder, `work` the only place
//! with threads, and `output` the only place that prints.

mod args;
mod demo;
mod doctor;
mod exit;
mod identify;
mod index;
mod metadata;
mod output;
mod plot;
mod search;
mod settings;
mod sound;
mod store;
mod tracks;
mod work;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Cli, Command};
use exit::Outcome;
use output::{Output, OutputError, reason, without_secrets};
use settings::Settings;

fn main() -> ExitCode {
    let output = Output::new();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error, &output),
    };
    let outcome = run(&cli, &output).unwrap_or_else(|error| {
        if matches!(error.downcast_ref(), Some(OutputError::Closed)) {
            return Outcome::Done;
        }
        output.note(&format!("refrain: {}", reason(&error)));
        Outcome::Failed
    });
    outcome.into()
}

/// Help, or what is wrong with the command line: clap quotes that, and there may be a password in it.
fn refused(error: &clap::Error, output: &Output) -> ExitCode {
    let text = error.to_string();
    if without_secrets(&text) == text {
        error.exit();
    }
    output.note(text.trim_end());
    Outcome::Failed.into()
}

fn run(cli: &Cli, output: &Output) -> Result<Outcome> {
    let variables: Vec<_> = std::env::vars_os().collect();
    match (&cli.command, Settings::resolve(cli, &variables)) {
        // What is wrong with the settings is for the doctor to say.
        (Command::Doctor(args), settings) => doctor::run(args, settings, output),
        (_, Err(error)) => Err(error),
        (Command::Index(args), Ok(settings)) => index::run(args, &settings, output),
        (Command::Identify(args), Ok(settings)) => identify::run(args, &settings, output),
        (Command::Plot(args), Ok(settings)) => plot::run(args, &settings, output),
        (Command::Tracks(args), Ok(settings)) => tracks::run(args, &settings, output),
        (Command::Demo(_), Ok(settings)) => demo::run(&settings, output),
    }
}
