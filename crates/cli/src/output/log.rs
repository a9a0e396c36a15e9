//! Log lines: what the parts of the program tell with `tracing`, on standard error.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::secrets::without_secrets;
use crate::settings::LogSettings;

/// Where log lines go: to standard error, beside what is shown there.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Option<ProgressBar>);

impl LogWriter {
    pub(super) fn new(bar: Option<ProgressBar>) -> Self {
        Self(bar)
    }

    /// Begins to log what our own crates tell from this level on. Only the first of a process does.
    pub(crate) fn begin(self, level: LevelFilter, json: bool) {
        self.begin_with(Targets::new().with_target("refrain", level), json);
    }

    fn begin_with(self, targets: Targets, json: bool) {
        let layer = layer().with_ansi(false).with_target(false).with_writer(self);
        let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
        // Fails where somebody logs already.
        let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    }
}

/// Begins to log as the settings say, on standard error.
pub(crate) fn begin_log(settings: LogSettings) {
    LogWriter(None).begin_with(settings.targets, settings.json);
}

/// A line for standard error that is no log line, but stands among them.
pub(crate) fn raw_line(line: &str) {
    // There is nowhere to report that this failed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogWriter {
    /// A line at once, as `tracing-subscriber` writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = without_secrets(&String::from_utf8_lossy(line));
        let write = || io::stderr().lock().write_all(text.as_bytes());
        match &self.0 {
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
