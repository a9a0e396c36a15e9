//! Text styles. They are used only if the output is a terminal and the environment does not disable them.

use std::io::IsTerminal;

/// Text style of standard output, which is either enabled or plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputStyle {
    on: bool,
}

impl OutputStyle {
    /// Enables styles if all conditions are true: standard output is a terminal, `TERM` is not `dumb`, and `NO_COLOR`
    /// is empty or not set.
    pub(super) fn detect() -> Self {
        // By the convention of no-color.org, an empty value has no effect.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { on: std::io::stdout().is_terminal() && !no_color && !dumb }
    }

    /// Returns the text in bold, for headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Returns the text dimmed, for less important parts.
    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
