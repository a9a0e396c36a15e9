//! `refrain demo`.

use anyhow::Result;

use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;

/// Runs the command.
pub(crate) fn run(_settings: &Settings, _output: &Output) -> Result<Outcome> {
    Ok(Outcome::Done)
}
