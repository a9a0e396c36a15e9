//! Runs inputs of one target one after the other, and writes the number of the current one to a file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;

use crate::{Args, MEMORY, artifacts, inputs, named};

/// Maximum time of one input.
pub(crate) const MAX_TIME: Duration = Duration::from_secs(10);

/// Maximum memory in bytes that one input may use at a time.
pub(crate) const MAX_BYTES: usize = 500 << 20;

/// Text of the last panic. It is not printed immediately, because panics that the program itself catches are not failures.
static PANIC: Mutex<String> = Mutex::new(String::new());

#[derive(Debug, ClapArgs)]
pub(crate) struct WorkerArgs {
    target: String,
    /// File for the number of the current input
    #[arg(long)]
    progress: PathBuf,
    /// Number of the first input
    #[arg(long)]
    first: u64,
    /// Number after the last input
    #[arg(long)]
    end: u64,
    /// Seconds after which no further input is started
    #[arg(long)]
    seconds: f64,
}

/// Runs the inputs. Prints a line for each failure, and the number of inputs at the end. Returns false if an input failed.
pub(crate) fn work(args: &Args, worker: &WorkerArgs) -> Result<bool> {
    let target = named(&worker.target)?;
    let inputs = inputs(args, target)?;
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut text) = PANIC.lock() {
            *text = panic.to_string().replace('\n', " ");
        }
    }));
    let mut progress = File::create(&worker.progress)
        .with_context(|| format!("cannot write {}", worker.progress.display()))?;
    let until = Instant::now() + Duration::from_secs_f64(worker.seconds);
    let mut failed = false;
    let mut number = worker.first;
    while number < worker.end && Instant::now() < until {
        progress.seek(SeekFrom::Start(0))?;
        progress.write_all(&number.to_le_bytes())?;
        let input = inputs.input(number);
        if let Some((kind, text)) = failure(target.run, &input) {
            let path = artifacts::save(args, target.name, kind, number, &input)?;
            println!("failure {}: input {number}: {kind}: {text}; saved as {}", target.name, path.display());
            failed = true;
        }
        number += 1;
    }
    println!("executions {}", number - worker.first);
    Ok(!failed)
}

/// Runs an input. If it fails, returns the kind of failure and its text.
fn failure(run: fn(&[u8]), input: &[u8]) -> Option<(&'static str, String)> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let began = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| run(input)));
    let (time, bytes) = (began.elapsed(), MEMORY.peak_usage().saturating_sub(before));
    if ended.is_err() {
        return Some(("panic", PANIC.lock().map(|text| text.clone()).unwrap_or_default()));
    }
    if bytes > MAX_BYTES {
        return Some(("memory", format!("{} MB allocated, the limit is {}", bytes >> 20, MAX_BYTES >> 20)));
    }
    (time > MAX_TIME)
        .then(|| ("slow", format!("{:.1} s, the limit is {}", time.as_secs_f64(), MAX_TIME.as_secs())))
}
