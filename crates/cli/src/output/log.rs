//! Log output: writes `tracing` events to standard error.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::secrets::redact_secrets;
use crate::settings::LogSettings;

/// Writer of log lines to standard error. It hides a progress bar while it writes.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Option<ProgressBar>);

impl LogWriter {
    pub(super) fn new(bar: Option<ProgressBar>) -> Self {
        Self(bar)
    }

    /// Starts to log the events of Refrain's own crates from this level on. Only the first call in a process has an effect.
    pub(crate) fn begin(self, level: LevelFilter, json: bool) {
        self.begin_with(Targets::new().with_target("refrain", level), json);
    }

    fn begin_with(self, targets: Targets, json: bool) {
        let layer = layer().with_ansi(false).with_target(false).with_writer(self);
        let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
        // Fails if logging was started already.
        let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    }
}

/// Starts to log to standard error as configured in the settings.
pub(crate) fn begin_log(settings: LogSettings) {
    LogWriter(None).begin_with(settings.targets, settings.json);
}

/// Writes a line to standard error that is not a log line, such as metrics in embedded metric format.
pub(crate) fn raw_line(line: &str) {
    // An error cannot be reported anywhere.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogWriter {
    /// Writes one log line, which `tracing-subscriber` passes as a whole, without passwords in URLs.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = redact_secrets(&String::from_utf8_lossy(line));
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
