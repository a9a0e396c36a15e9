//! Runs the fuzz targets without cargo-fuzz: `scripts/fuzz` builds and starts it under limits of memory and stack.
//!
//! Each target runs in worker processes, because an abort or a stack overflow ends a process. The supervisor saves the input
//! that ended a worker and starts another one behind it.

mod artifacts;
mod supervisor;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use refrain_fuzz::{Corpus, Inputs, TARGETS, Target, target};
use refrain_isolation::{CHILD_ARGUMENT, run_child};
use refrain_service::monitor::StreamDecoders;

/// Counts the bytes that an input allocates.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Stack of the thread that runs a target, bytes: that of the main thread of most systems.
const STACK_BYTES: usize = 8 << 20;

/// Run fuzz targets on stored, mutated and generated inputs
#[derive(Debug, Parser)]
struct Args {
    /// Root of the repository
    #[arg(long, default_value = ".", global = true)]
    root: PathBuf,
    /// Seed of the inputs; the same seed gives the same inputs
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run targets and save the inputs that end them in fuzz/artifacts
    Fuzz(supervisor::FuzzArgs),
    /// Run one target on files
    Run { target: String, files: Vec<PathBuf> },
    /// Write one input to a file
    Input { target: String, number: u64, file: PathBuf },
    /// Write the parts of the corpus that a program makes
    Corpus,
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == CHILD_ARGUMENT) {
        return run_child(StreamDecoders::default());
    }
    let args = Args::parse();
    match act(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("runner: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command; returns false if a target failed.
fn act(args: &Args) -> Result<bool> {
    match &args.command {
        Action::Fuzz(fuzz) => supervisor::fuzz(args, fuzz),
        Action::Worker(worker) => {
            refrain_isolation::enable()?;
            with_stack(|| worker::work(args, worker))
        }
        Action::Run { target, files } => {
            let target = named(target)?;
            refrain_isolation::enable()?;
            for file in files {
                let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                with_stack(|| {
                    (target.run)(&bytes);
                    Ok(())
                })?;
            }
            Ok(true)
        }
        Action::Input { target, number, file } => {
            let input = inputs(args, named(target)?)?.input(*number);
            std::fs::write(file, input).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(true)
        }
        Action::Corpus => artifacts::write_corpus(args).map(|()| true),
    }
}

fn named(name: &str) -> Result<&'static Target> {
    let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    target(name).with_context(|| format!("there is no target {name}; known are {}", known()))
}

fn inputs(args: &Args, target: &'static Target) -> Result<Inputs> {
    Ok(Inputs::new(target, Corpus::read(&args.root, target)?, args.seed))
}

/// Runs on a thread with a stack of [`STACK_BYTES`].
fn with_stack<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run)?;
        match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("the target panicked"),
        }
    })
}
