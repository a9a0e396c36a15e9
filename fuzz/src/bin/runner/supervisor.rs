//! Starts workers, and restarts them after an input that ended one.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use refrain_fuzz::{TARGETS, Target};

use crate::worker::MAX_TIME;
use crate::{Args, artifacts, inputs, named};

/// Time after which a worker is killed because its input does not end. Inputs that take longer than [`MAX_TIME`] are failures
/// too. This limit is longer, so that slow inputs on a busy machine do not kill the worker.
const MAX_STALL: Duration = Duration::from_secs(3 * MAX_TIME.as_secs());

/// Pause between two checks of a worker.
const POLL: Duration = Duration::from_millis(50);

/// Number of failures after which a target is stopped.
const MAX_FAILURES: usize = 20;

#[derive(Debug, ClapArgs)]
pub(crate) struct FuzzArgs {
    /// Minutes for all targets together
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Inputs for all targets together, instead of minutes
    #[arg(long)]
    executions: Option<u64>,
    /// Only this target; may be repeated
    #[arg(long = "target")]
    targets: Vec<String>,
    /// Number of simultaneous workers; the default is the number of cores
    #[arg(long)]
    jobs: Option<usize>,
}

/// Result of a target.
#[derive(Debug, Default)]
struct Outcome {
    executions: u64,
    failures: usize,
    seconds: f64,
}

/// Result of a worker.
enum End {
    /// The worker ran all its inputs, or its time ended.
    Complete { executions: u64, failures: usize },
    /// An input ended the worker.
    Died { number: u64, kind: &'static str, text: String },
}

/// Runs all targets that are named, and prints the executions of each. Returns false if one failed.
pub(crate) fn fuzz(args: &Args, fuzz: &FuzzArgs) -> Result<bool> {
    let targets: Vec<&Target> = match fuzz.targets.as_slice() {
        [] => TARGETS.iter().collect(),
        names => names.iter().map(|name| named(name)).collect::<Result<_>>()?,
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = fuzz.jobs.unwrap_or(cores).clamp(1, targets.len());
    let share = targets.len() as f64;
    let seconds = if fuzz.executions.is_some() {
        f64::from(u32::MAX)
    } else {
        fuzz.minutes * 60.0 * jobs as f64 / share
    };
    let end = fuzz.executions.map_or(u64::MAX, |all| all.div_ceil(targets.len() as u64));
    let (next, total, all_fine) = (AtomicUsize::new(0), Mutex::new(0), Mutex::new(true));
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = fuzz_target(args, target, seconds, end)?;
                let rate = outcome.executions as f64 / outcome.seconds;
                println!(
                    "{:17} {:9} executions, {rate:7.0} per second, {} failures",
                    target.name, outcome.executions, outcome.failures
                );
                *total.lock().expect("no thread panics with this lock") += outcome.executions;
                if outcome.failures > 0 {
                    *all_fine.lock().expect("no thread panics with this lock") = false;
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("the supervisor does not panic"))
    })?;
    let total = total.into_inner().expect("no thread panics with this lock");
    println!("{total} executions over {} targets", targets.len());
    Ok(all_fine.into_inner().expect("no thread panics with this lock"))
}

fn fuzz_target(args: &Args, target: &'static Target, seconds: f64, end: u64) -> Result<Outcome> {
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut first = 0;
    loop {
        let left = seconds - began.elapsed().as_secs_f64();
        match worker(args, target, first, end, left)? {
            End::Complete { executions, failures } => {
                outcome.executions += executions;
                outcome.failures += failures;
                break;
            }
            End::Died { number, kind, text } => {
                let input = inputs(args, target)?.input(number);
                let path = artifacts::save(args, target.name, kind, number, &input)?;
                println!("failure {}: input {number}: {text}; saved as {}", target.name, path.display());
                outcome.executions += number + 1 - first;
                outcome.failures += 1;
                first = number + 1;
            }
        }
        if outcome.failures >= MAX_FAILURES || began.elapsed().as_secs_f64() >= seconds || first >= end {
            break;
        }
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Runs one worker until it ends.
fn worker(args: &Args, target: &Target, first: u64, end: u64, seconds: f64) -> Result<End> {
    let progress = std::env::temp_dir().join(format!("refrain-fuzz-{}-{}", std::process::id(), target.name));
    std::fs::write(&progress, first.to_le_bytes())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--root").arg(&args.root).args(["--seed", &args.seed.to_string()]);
    command.args(["worker", target.name, "--progress"]).arg(&progress);
    command.args(["--first", &first.to_string(), "--end", &end.to_string()]);
    command.args(["--seconds", &seconds.max(0.0).to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.context("cannot start a worker")?;
    let read = || -> u64 {
        let bytes = std::fs::read(&progress).ok().and_then(|bytes| bytes.first_chunk().copied());
        bytes.map_or(first, u64::from_le_bytes)
    };
    let ended = watch(child, first, read);
    let _ = std::fs::remove_file(&progress);
    ended
}

fn watch(mut child: Child, first: u64, read: impl Fn() -> u64) -> Result<End> {
    let (mut number, mut since, mut stalled) = (first, Instant::now(), false);
    while child.try_wait()?.is_none() {
        std::thread::sleep(POLL);
        let now = read();
        if now != number {
            (number, since) = (now, Instant::now());
        }
        if since.elapsed() > MAX_STALL {
            stalled = true;
            child.kill()?;
            break;
        }
    }
    let number = read();
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failures: Vec<&str> = said.lines().filter(|line| line.starts_with("failure ")).collect();
    failures.iter().for_each(|line| println!("{line}"));
    let complete = said.lines().find_map(|line| line.strip_prefix("executions ")?.parse().ok());
    if let Some(executions) = complete {
        return Ok(End::Complete { executions, failures: failures.len() });
    }
    if stalled {
        let text = format!("did not end within {} s", MAX_STALL.as_secs());
        return Ok(End::Died { number, kind: "stall", text });
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let reason = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Ok(End::Died { number, kind: "abort", text: format!("ended the process ({}): {reason}", output.status) })
}
