//! Progress bars: files, hours of audio, speed, time left.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{LogWriter, Output, hours};

/// Time between two drawings of the bar.
const TICK: Duration = Duration::from_millis(200);

/// Counts what is done; shows it where standard error is a terminal, until dropped.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    files: usize,
    files_done: AtomicUsize,
    milliseconds: AtomicU64,
    began: Instant,
}

/// Time left follows from bytes, which are known before anything is decoded.
pub(super) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:12} {percent:>3} % {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message("starting");
    bar.enable_steady_tick(TICK);
    bar
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>, files: usize) -> Self {
        Self {
            output,
            bar,
            files,
            files_done: AtomicUsize::new(0),
            milliseconds: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// A file of so many bytes is done, and so much audio was decoded for it.
    pub(crate) fn file_done(&self, bytes: u64, seconds: f64) {
        let files = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
        self.milliseconds.fetch_add((seconds * 1000.0) as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "{files}/{} files, {} of audio, {:.0} x real time",
                self.files,
                hours(self.seconds()),
                self.speed()
            ));
            bar.inc(bytes);
        }
    }

    /// Seconds of audio decoded so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.milliseconds.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Seconds of audio per second of time.
    pub(crate) fn speed(&self) -> f64 {
        self.seconds() / self.began.elapsed().as_secs_f64().max(1e-3)
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}

/// A bar for what is counted; without a total it has no end.
pub(super) fn counter(what: &'static str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{bar:12} {percent:>3} % {msg}, {eta} left",
        None => "{spinner} {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(TICK);
    bar
}

/// Counts something other than files of sound; shows it where standard error is a terminal, until dropped.
#[derive(Debug)]
pub(crate) struct Counter<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    what: &'static str,
    count: AtomicU64,
}

impl<'a> Counter<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>, what: &'static str) -> Self {
        Self { output, bar, what, count: AtomicU64::new(0) }
    }

    /// One more, which is so much of the total.
    pub(crate) fn advance(&self, part: u64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{count} {}", self.what));
            bar.inc(part);
        }
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}

/// A line that somebody else writes.
pub(super) fn status() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Shows how something is doing where standard error is a terminal, until dropped.
#[derive(Debug)]
pub(crate) struct StatusLine<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
}

impl<'a> StatusLine<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>) -> Self {
        Self { output, bar }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Says something else.
    pub(crate) fn set(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Where log lines go, so that they do not run into it.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(self.bar.clone())
    }
}

impl Drop for StatusLine<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}
