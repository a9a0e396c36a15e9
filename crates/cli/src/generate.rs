//! `refrain completions` and `refrain man`: shell completions and manual pages, generated from the definition of the
//! command line.

use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::CommandOutcome;
use crate::output::Output;

/// Runs `refrain completions`.
pub(crate) fn completions(args: &CompletionsArgs, output: &Output) -> Result<CommandOutcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "refrain", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(CommandOutcome::Done)
}

/// Runs `refrain man`.
pub(crate) fn man(args: &ManArgs, output: &Output) -> Result<CommandOutcome> {
    // `build` adds the global flags to each command, so that the manual page of each command lists them.
    let mut command = Cli::command();
    command.build();
    match &args.out {
        Some(folder) => write_pages(&command, folder, output)?,
        None => output.line(page(&command, "refrain")?.trim_end())?,
    }
    Ok(CommandOutcome::Done)
}

/// Writes the manual pages of a command and of all its subcommands to files in `folder`.
fn write_pages(command: &clap::Command, folder: &Path, output: &Output) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let mut pages = vec![(command.clone(), "refrain".to_owned())];
    let mut written = 0;
    while let Some((command, name)) = pages.pop() {
        let path = folder.join(format!("{name}.1"));
        std::fs::write(&path, page(&command, &name)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        written += 1;
        let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        pages.extend(visible.map(|sub| (sub.clone(), format!("{name}-{}", sub.get_name()))));
    }
    output.line(&format!("{written} manual pages written to {}", folder.display()))?;
    Ok(())
}

fn page(command: &clap::Command, name: &str) -> Result<String> {
    let mut text = Vec::new();
    // `man refrain-index` finds the page of `refrain index` by this title.
    let command = command.clone().name(name.to_owned()).bin_name(name.replace('-', " "));
    clap_mangen::Man::new(command)
        .render(&mut text)
        .with_context(|| format!("cannot render the page of {name}"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
