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
use super::table::clean;
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
    /// Writes one log line, which `tracing-subscriber` passes as a whole, without passwords in URLs and with control
    /// characters escaped.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = printable(&String::from_utf8_lossy(line));
        let write = || io::stderr().lock().write_all(text.as_bytes());
        match &self.0 {
            // Without this, the line would be written into the bar.
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        // The length of the input, not of the written text, or the caller would write the rest again.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Returns a log line without passwords in URLs and with control characters escaped, except for its line end.
fn printable(line: &str) -> String {
    // Libraries can log URLs with passwords, and ids, names and titles can contain line ends.
    let text = redact_secrets(line);
    match text.strip_suffix('\n') {
        Some(text) => clean(text) + "\n",
        None => clean(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_have_no_line_end_or_control_character_inside() {
        assert_eq!(printable("song stream=a\nb\x1b[2J\n"), "song stream=a\\nb\\u{1b}[2J\n");
        assert_eq!(printable("open postgres://ann:hush@db/x"), "open postgres://ann:…@db/x");
    }
}
