//! Everything that is printed: results on standard output, the rest on standard error.

mod log;
mod numbers;
mod progress;
mod reason;
mod secrets;
mod style;
mod table;

pub(crate) use log::{LogWriter, begin_log, raw_line};
pub(crate) use numbers::{bytes, clock, confidence, timestamp};
pub(crate) use progress::{Counter, Progress, StatusLine};
pub(crate) use reason::reason;
pub(crate) use refrain_service::sound::hours;
pub(crate) use secrets::without_secrets;
pub(crate) use style::Style;
pub(crate) use table::{Align, Table, clean};

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

/// Standard output could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The reader went away, which is its right: the command ends quietly.
    #[error("standard output is closed")]
    Closed,
    /// Anything else, for example a full disk.
    #[error("cannot write to standard output: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Io(error) }
    }
}

/// The one place that prints.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: Mutex<BufWriter<Stdout>>,
    bar: Mutex<Option<ProgressBar>>,
    style: Style,
}

impl Output {
    /// Output to this process's standard streams.
    pub(crate) fn new() -> Self {
        Self {
            stdout: Mutex::new(BufWriter::new(io::stdout())),
            bar: Mutex::new(None),
            style: Style::detect(),
        }
    }

    /// How results are coloured.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Whether a person reads standard output.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes text to standard output, at once.
    pub(crate) fn result(&self, text: &str) -> Result<(), OutputError> {
        self.beside_bar(io::stdout().is_terminal(), || {
            let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
            stdout.write_all(text.as_bytes())?;
            stdout.flush()?;
            Ok(())
        })
    }

    /// Writes a line to standard output, at once.
    pub(crate) fn line(&self, text: &str) -> Result<(), OutputError> {
        self.result(&format!("{text}\n"))
    }

    /// Writes a line to standard error. There is nowhere to report that this failed.
    pub(crate) fn note(&self, text: &str) {
        let text = without_secrets(text);
        let text: Vec<String> = text.split('\n').map(clean).collect();
        let text = text.join("\n");
        self.beside_bar(true, || {
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }

    /// A progress bar over `bytes` of input, where standard error is a terminal.
    pub(crate) fn progress(&self, files: usize, bytes: u64) -> Progress<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::bar(bytes));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        Progress::new(self, bar, files)
    }

    /// A progress bar over anything else, where standard error is a terminal; without a total it only counts.
    pub(crate) fn count(&self, what: &'static str, total: Option<u64>) -> Counter<'_> {
        let bar = io::stderr().is_terminal().then(|| progress::counter(what, total));
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&bar);
        Counter::new(self, bar, what)
    }

    /// A line that shows how something is doing, where standard error is a terminal.
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

    /// Runs `write` while no bar is on the screen.
    fn beside_bar<T>(&self, on_screen: bool, write: impl FnOnce() -> T) -> T {
        let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) if on_screen => bar.suspend(write),
            _ => write(),
        }
    }
}
