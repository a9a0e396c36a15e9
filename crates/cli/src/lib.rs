//! The `refrain` command, which indexes songs and finds them in files and live streams, and its drop-in variant
//! `identifyStream`.
//!
//! This crate is a library only to share code between the two programs; nothing else links it.
//!
//! ```text
//! args (clap) ─► settings ─► index │ identify │ monitor │ plot │ tracks │ serve │ streams │ outbox │ … ─► output
//!                      └─ metadata, search, context, parallel ─┘
//! ```
//! `context` gives the commands access to the catalog, and `search` to its index. `parallel` processes inputs on
//! several threads, and `output` prints.

mod args;
mod aws;
mod context;
mod demo;
mod doctor;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue fails")]
mod documents;
mod exit;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generate;
mod identify;
mod index;
mod interrupt;
mod limited_file;
mod metadata;
mod monitor;
mod outbox;
mod output;
mod parallel;
mod plot;
mod prune;
mod request_headers;
mod s3;
mod search;
mod serve;
mod settings;
mod streams;
mod tracks;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use refrain_isolation::{CHILD_ARGUMENT, run_child};
use refrain_monitor::ChildDecoders;

use args::{Cli, Command, IdentifyStreamArgs};
use exit::CommandOutcome;
use output::{Output, OutputError, error_chain, redact_secrets};
use settings::SettingsSource;

/// Name of the program that `identifyStream` replaces, under which this program can also be started.
const DROP_IN: &str = "identifyStream";

/// Runs the `refrain` command with the arguments of this process and returns its exit status. If the program was
/// started under the name `identifyStream`, it runs the `identifyStream` command instead.
#[must_use]
pub fn refrain() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_stem().is_some_and(|name| name == DROP_IN) {
        return identify_stream();
    }
    run_program("refrain", run)
}

/// Runs the `identifyStream` command with the arguments of this process and returns its exit status.
#[must_use]
pub fn identify_stream() -> ExitCode {
    run_program(DROP_IN, |args: &IdentifyStreamArgs, output| {
        let variables: Vec<_> = std::env::vars_os().collect();
        monitor::identify_stream(args, &variables, output)
    })
}

fn run_program<A: Parser>(name: &str, run: impl FnOnce(&A, &Output) -> Result<CommandOutcome>) -> ExitCode {
    // Decoder child processes run this program too. They do not parse these arguments and do not print.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == CHILD_ARGUMENT) {
        return run_child(ChildDecoders::default());
    }
    let output = Output::new();
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => return print_usage_error(&error, &output),
    };
    // This is only a note, because trusted files can still be decoded without limits.
    if let Err(error) = refrain_isolation::enable() {
        output.note(&format!(
            "{name}: cannot find this program's file, so audio is decoded without limits: {error}"
        ));
    }
    let outcome = run(&args, &output).unwrap_or_else(|error| {
        // The program that reads the output, for example `head`, closed the pipe because it needs no more. This is not
        // an error.
        if matches!(error.downcast_ref(), Some(OutputError::Closed)) {
            return CommandOutcome::Done;
        }
        output.note(&format!("{name}: {}", error_chain(&error)));
        CommandOutcome::Failed
    });
    // Idle decoder processes are ended here, so that none of them outlives the command.
    refrain_isolation::shut_down();
    outcome.into()
}

/// Prints the help text or the usage error, and returns the exit status. Secrets are removed from errors, because clap
/// quotes arguments, and a URL among them can contain a password.
fn print_usage_error(error: &clap::Error, output: &Output) -> ExitCode {
    let text = error.to_string();
    // clap prints with colours and exits with the right status. Only text that contains a secret is printed here.
    if redact_secrets(&text) == text {
        error.exit();
    }
    output.note_lines(text.trim_end());
    CommandOutcome::Failed.into()
}

fn run(cli: &Cli, output: &Output) -> Result<CommandOutcome> {
    let variables: Vec<_> = std::env::vars_os().collect();
    let source = SettingsSource::new(cli.settings(), cli.global.config.as_deref(), variables);
    match (&cli.command, source.resolve()) {
        // `doctor` reports invalid settings as one of its checks.
        (Command::Doctor(args), settings) => doctor::run(args, settings, output),
        // These commands need no settings, so invalid settings do not prevent them.
        (Command::Completions(args), _) => generate::completions(args, output),
        (Command::Man(args), _) => generate::man(args, output),
        (_, Err(error)) => Err(error),
        (Command::Index(args), Ok(settings)) => index::run(args, &settings, output),
        (Command::Identify(args), Ok(settings)) => identify::run(args, &settings, output),
        (Command::Monitor(args), Ok(settings)) => monitor::run(args, &settings, output),
        (Command::Outbox(args), Ok(settings)) => outbox::run(args, &settings, output),
        (Command::Plot(args), Ok(settings)) => plot::run(args, &settings, output),
        (Command::Tracks(args), Ok(settings)) => tracks::run(args, &settings, output),
        (Command::Serve(args), Ok(settings)) => serve::run(args, &settings, source),
        (Command::Streams(args), Ok(settings)) => streams::run(args, &settings, output),
        (Command::Healthcheck(args), Ok(settings)) => serve::healthcheck(args, &settings, output),
        (Command::Prune(args), Ok(settings)) => prune::run(args, &settings, output),
        (Command::Demo(_), Ok(settings)) => demo::run(&settings, output),
    }
}
