//! `refrain completions` and `refrain man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::headings;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  refrain completions bash > ~/.local/share/bash-completion/completions/refrain
  refrain completions zsh > ~/.zfunc/_refrain
  refrain completions fish > ~/.config/fish/completions/refrain.fish")]
pub(crate) struct CompletionsArgs {
    /// Generate the script for this shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Print the manual page, or write a page for each command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  refrain man | man -l -
  refrain man --out ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command to this folder. Default: print the page of `refrain`
    ///
    /// The files are refrain.1, refrain-index.1 and so on. The folder is created if it does not exist.
    #[arg(long, value_name = "DIR", help_heading = headings::OUTPUT)]
    pub(crate) out: Option<PathBuf>,
}
