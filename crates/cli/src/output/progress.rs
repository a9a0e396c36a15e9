//! Progress bars, counters and the status line.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{LogWriter, Output, format_duration};

/// Interval at which a bar is redrawn, short enough that it seems to move continuously. With 100 ms, the terminal gets
/// twice the output, which can be slow over SSH; with 400 ms, the spinner visibly stops.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Counts processed files and decoded audio. While it exists and standard error is a terminal, it shows a progress bar.
#[derive(Debug)]
pub(crate) struct FileProgress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    files: usize,
    files_done: AtomicUsize,
    milliseconds: AtomicU64,
    started: Instant,
}

/// Creates a progress bar for `bytes` bytes. The remaining time is estimated from bytes, because their number is known
/// before any file is decoded.
pub(super) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    // The template is constant and valid. With an invalid one, the bar would keep its default style.
    if let Ok(style) = ProgressStyle::with_template("{bar:12} {percent:>3} % {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message("starting");
    bar.enable_steady_tick(REDRAW_INTERVAL);
    bar
}

impl<'a> FileProgress<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>, files: usize) -> Self {
        Self {
            output,
            bar,
            files,
            files_done: AtomicUsize::new(0),
            milliseconds: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// Counts a processed file of `bytes` bytes from which `seconds` seconds of audio were decoded.
    pub(crate) fn file_done(&self, bytes: u64, seconds: f64) {
        let files = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
        // The sum is stored as an integer in milliseconds, because there are no atomic floats.
        self.milliseconds.fetch_add((seconds * 1000.0) as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "{files}/{} files, {} of audio, {:.0} x real time",
                self.files,
                format_duration(self.seconds()),
                self.speed()
            ));
            bar.inc(bytes);
        }
    }

    /// Returns the seconds of audio that were decoded so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.milliseconds.load(Ordering::Relaxed) as f64 / 1000.0
    }

    /// Returns the decoding speed so far, in seconds of audio per second of elapsed time.
    pub(crate) fn speed(&self) -> f64 {
        // The minimum avoids a division by zero directly after the start.
        self.seconds() / self.started.elapsed().as_secs_f64().max(1e-3)
    }
}

impl Drop for FileProgress<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}

/// Creates a progress bar for `total` items, or a spinner with the count if `total` is `None`. `what` names the items.
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
    bar.enable_steady_tick(REDRAW_INTERVAL);
    bar
}

/// Counts items other than audio files. While it exists and standard error is a terminal, it shows a progress bar.
#[derive(Debug)]
pub(crate) struct ItemCounter<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    what: &'static str,
    count: AtomicU64,
}

impl<'a> ItemCounter<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>, what: &'static str) -> Self {
        Self { output, bar, what, count: AtomicU64::new(0) }
    }

    /// Counts one more item. `part` is the amount by which the bar advances, in the unit of the bar's total (items or
    /// bytes).
    pub(crate) fn advance(&self, part: u64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{count} {}", self.what));
            bar.inc(part);
        }
    }
}

impl Drop for ItemCounter<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}

/// Creates a spinner followed by a message, which is used as a status line.
pub(super) fn status() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW_INTERVAL);
    bar
}

/// A line of status text, which is shown while it exists and only if standard error is a terminal.
#[derive(Debug)]
pub(crate) struct StatusLine<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
}

impl<'a> StatusLine<'a> {
    pub(super) fn new(output: &'a Output, bar: Option<ProgressBar>) -> Self {
        Self { output, bar }
    }

    /// Returns true if the line is shown, that is, if standard error is a terminal.
    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Replaces the text of the line.
    pub(crate) fn set(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Returns a writer for log lines that hides this status line during each write.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(self.bar.clone())
    }
}

impl Drop for StatusLine<'_> {
    fn drop(&mut self) {
        self.output.end_progress();
    }
}
