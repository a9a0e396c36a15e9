//! All output of the program: results on standard output, everything else on standard error.

mod error_chain;
mod log;
mod numbers;
mod progress;
mod secrets;
mod style;
mod table;

pub(crate) use error_chain::error_chain;
pub(crate) use log::{LogWriter, begin_log, raw_line};
pub(crate) use numbers::{bytes, clock, confidence, timestamp};
pub(crate) use progress::{FileProgress, ItemCounter, StatusLine};
pub(crate) use refrain_app::audio_file::format_duration;
pub(crate) use secrets::redact_secrets;
pub(crate) use style::OutputStyle;
pub(crate) use table::{Align, Table, clean};

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

/// Error of writing to standard output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The program that reads the output has closed the pipe. The command then ends without a message.
    #[error("standard output is closed")]
    Closed,
    /// Any other error of the operating system, for example a full disk.
    #[error("cannot write to standard output: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Io(error) }
    }
}

/// Writes results to standard output, and messages and progress to standard error. All output of the commands uses it.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: Mutex<BufWriter<Stdout>>,
    bar: Mutex<Option<ProgressBar>>,
    style: OutputStyle,
}

impl Output {
    /// Creates an output to the standard streams of this process.
    pub(crate) fn new() -> Self {
        Self {
            // Without a buffer, standard output writes each line separately, which is slow for long tables.
            stdout: Mutex::new(BufWriter::new(io::stdout())),
            bar: Mutex::new(None),
            style: OutputStyle::detect(),
        }
    }

    /// Returns the text style for results on standard output.
    pub(crate) fn style(&self) -> OutputStyle {
        self.style
    }

    /// Returns true if standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes text to standard output and flushes it.
    pub(crate) fn result(&self, text: &str) -> Result<(), OutputError> {
        self.with_hidden_bar(io::stdout().is_terminal(), || {
            let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
            stdout.write_all(text.as_bytes())?;
            // The buffer is flushed, because programs that read from a pipe must get each result as soon as it is
            // complete.
            stdout.flush()?;
            Ok(())
        })
    }

    /// Writes a line to standard output and flushes it.
    pub(crate) fn line(&self, text: &str) -> Result<(), OutputError> {
        self.result(&format!("{text}\n"))
    }

    /// Writes one line to standard error. Passwords in URLs are removed. Control characters and line ends are escaped,
    /// because names of files and tracks can contain them. Errors are ignored, because there is no place to report
    /// them.
    pub(crate) fn note(&self, text: &str) {
        self.write_note(&clean(&redact_secrets(text)));
    }

    /// Like [`Self::note`], but for text of several lines.
    pub(crate) fn note_lines(&self, text: &str) {
        let lines: Vec<String> = redact_secrets(text).split('\n').map(clean).collect();
        self.write_note(&lines.join("\n"));
    }

    fn write_note(&self, text: &str) {
        self.with_hidden_bar(true, || {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    /// Creates a counter for `files` input files of `bytes` bytes in total. It shows a progress bar if standard error
    /// is a terminal.
    pub(crate) fn progress(&self, files: usize, bytes: u64) -> FileProgress<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::bar(bytes));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        FileProgress::new(self, bar, files)
    }

    /// Creates a counter for other items, which `what` names. It shows something only if standard error is a terminal:
    /// a progress bar, or only the count if `total` is `None`.
    pub(crate) fn count(&self, what: &'static str, total: Option<u64>) -> ItemCounter<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::counter(what, total));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        ItemCounter::new(self, bar, what)
    }

    /// Creates an empty status line. It is shown only if standard error is a terminal.
    pub(crate) fn status(&self) -> StatusLine<'_> {
        let bar = io::stderr().is_terminal().then(progress::status);
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        StatusLine::new(self, bar)
    }

    fn end_progress(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// Calls `write`. If `on_screen` is true, because `write` writes to the terminal, hides the progress bar during the
    /// call.
    fn with_hidden_bar<T>(&self, on_screen: bool, write: impl FnOnce() -> T) -> T {
        // The bar is cloned, so that the lock is not held during the write, which can block on a full pipe.
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            // A write to a file or a pipe does not disturb the bar.
            Some(bar) if on_screen => bar.suspend(write),
            _ => write(),
        }
    }
}
