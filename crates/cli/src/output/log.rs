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

/// Writer of log lines to standard error. If it has a progress bar, it hides the bar during each write.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Option<ProgressBar>);

impl LogWriter {
    pub(super) fn new(bar: Option<ProgressBar>) -> Self {
        Self(bar)
    }

    /// Starts logging of Refrain's own events of at least this level, as JSON or text. Only the first call in a process
    /// has an effect.
    pub(crate) fn begin(self, level: LevelFilter, json: bool) {
        self.begin_with(Targets::new().with_target("refrain", level), json);
    }

    fn begin_with(self, targets: Targets, json: bool) {
        let layer = layer().with_ansi(false).with_target(false).with_writer(self);
        let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
        // This fails if logging was already started, which is intended.
        let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
    }
}

/// Starts logging to standard error with the format and levels of the settings.
pub(crate) fn begin_log(settings: LogSettings) {
    LogWriter(None).begin_with(settings.targets, settings.json);
}

/// Writes a line to standard error in its own format, for example metrics in embedded metric format.
pub(crate) fn raw_line(line: &str) {
    // An error is ignored, because there is no place to report it.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogWriter {
    /// Writes one log line. `tracing-subscriber` passes each line in one call. Passwords in URLs are removed and
    /// control characters are escaped.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = printable(&String::from_utf8_lossy(line));
        let write = || io::stderr().lock().write_all(text.as_bytes());
        match &self.0 {
            // Without this, the progress bar and the line would be mixed on the terminal.
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        // The length of the input is returned, not that of the written text. Otherwise the caller would write the rest
        // again.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Returns a log line without passwords in URLs and with control characters escaped. The line end is kept.
fn printable(line: &str) -> String {
    // Libraries can log URLs with passwords. Ids, names and titles can contain line ends.
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
