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

/// Error of a write to standard output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The reader has closed the pipe. The command then ends without a message.
    #[error("standard output is closed")]
    Closed,
    /// Any other error, for example a full disk.
    #[error("cannot write to standard output: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Io(error) }
    }
}

/// Access to the standard streams. All output of the commands goes through it.
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
            // Standard output writes each line separately, which is slow for long tables.
            stdout: Mutex::new(BufWriter::new(io::stdout())),
            bar: Mutex::new(None),
            style: OutputStyle::detect(),
        }
    }

    /// Returns the text style of results.
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
            // Programs that read from a pipe must get each result when it is complete.
            stdout.flush()?;
            Ok(())
        })
    }

    /// Writes a line to standard output and flushes it.
    pub(crate) fn line(&self, text: &str) -> Result<(), OutputError> {
        self.result(&format!("{text}\n"))
    }

    /// Writes one line to standard error, without passwords in URLs. Control characters are escaped, line ends included,
    /// because names of files and tracks can contain them. An error of the write is ignored, because it cannot be reported
    /// anywhere.
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

    /// Creates a progress counter for `files` files of `bytes` bytes in total. It shows a bar if standard error is a
    /// terminal.
    pub(crate) fn progress(&self, files: usize, bytes: u64) -> FileProgress<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::bar(bytes));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        FileProgress::new(self, bar, files)
    }

    /// Creates a counter of other items. It shows a progress bar if standard error is a terminal, or only the count if the
    /// total is unknown.
    pub(crate) fn count(&self, what: &'static str, total: Option<u64>) -> ItemCounter<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::counter(what, total));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        ItemCounter::new(self, bar, what)
    }

    /// Creates a status line. It is shown if standard error is a terminal.
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

    /// Runs `write`. If it writes to the terminal (`on_screen`), a progress bar is hidden during the call.
    fn with_hidden_bar<T>(&self, on_screen: bool, write: impl FnOnce() -> T) -> T {
        // Cloned, so that the lock is not held during the write, which can block on a full pipe.
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            // A write to a file or a pipe does not disturb the bar.
            Some(bar) if on_screen => bar.suspend(write),
            _ => write(),
        }
    }
}
