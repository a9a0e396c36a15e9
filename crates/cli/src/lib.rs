//! The `refrain` command: learn songs, find them in files and live streams. And `identifyStream`, the drop-in.
//!
//! A library only so that both programs share it; nothing else links it.
//!
//! ```text
//! args (clap) ─► settings ─► index │ identify │ monitor │ plot │ tracks │ doctor │ demo ─► output
//!                      └─ sound, metadata, search, store, work ─┘
//! ```
//! `store` is the only way to the catalogue, `search` to its index, `sound` to the decoder, `work` the only place
//! with threads, and `output` the only place that prints.

mod args;
mod aws;
mod demo;
mod doctor;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
mod documents;
mod exit;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identify;
mod index;
mod interrupt;
mod metadata;
mod monitor;
mod objects;
mod outbox;
mod output;
mod plot;
mod prune;
mod search;
mod serve;
mod settings;
mod store;
mod streams;
mod tracks;
mod work;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use refrain_isolation::{CHILD_ARGUMENT, run_child};
use refrain_service::monitor::StreamDecoders;

use args::{Cli, Command, IdentifyStreamArgs};
use exit::Outcome;
use output::{Output, OutputError, reason, without_secrets};
use settings::Settings;

/// The program that the drop-in takes the place of.
const DROP_IN: &str = "identifyStream";

/// The `refrain` command, from its arguments to its exit status. Called by the name `identifyStream`, it is that.
#[must_use]
pub fn refrain() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_stem().is_some_and(|name| name == DROP_IN) {
        return identify_stream();
    }
    program("refrain", run)
}

/// The `identifyStream` command, from its arguments to its exit status.
#[must_use]
pub fn identify_stream() -> ExitCode {
    program(DROP_IN, |args: &IdentifyStreamArgs, output| {
        let variables: Vec<_> = std::env::vars_os().collect();
        monitor::identify_stream(args, &variables, output)
    })
}

fn program<A: Parser>(name: &str, run: impl FnOnce(&A, &Output) -> Result<Outcome>) -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == CHILD_ARGUMENT) {
        return run_child(StreamDecoders::default());
    }
    let output = Output::new();
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => return refused(&error, &output),
    };
    if let Err(error) = refrain_isolation::enable() {
        output
            .note(&format!("{name}: cannot find this program, so audio is decoded without limits: {error}"));
    }
    let outcome = run(&args, &output).unwrap_or_else(|error| {
        if matches!(error.downcast_ref(), Some(OutputError::Closed)) {
            return Outcome::Done;
        }
        output.note(&format!("{name}: {}", reason(&error)));
        Outcome::Failed
    });
    refrain_isolation::shut_down();
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
        (Command::Monitor(args), Ok(settings)) => monitor::run(args, &settings, output),
        (Command::Outbox(args), Ok(settings)) => outbox::run(args, &settings, output),
        (Command::Plot(args), Ok(settings)) => plot::run(args, &settings, output),
        (Command::Tracks(args), Ok(settings)) => tracks::run(args, &settings, output),
        (Command::Serve(args), Ok(settings)) => serve::run(args, &settings),
        (Command::Streams(args), Ok(settings)) => streams::run(args, &settings, output),
        (Command::Healthcheck(args), Ok(settings)) => serve::healthcheck(args, &settings, output),
        (Command::Prune(args), Ok(settings)) => prune::run(args, &settings, output),
        (Command::Demo(_), Ok(settings)) => demo::run(&settings, output),
    }
}
