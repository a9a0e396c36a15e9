//! `refrain serve` and `refrain healthcheck`.

mod healthcheck;

use anyhow::Result;

use crate::args::{HealthcheckArgs, ServeArgs};
use crate::exit::Outcome;
use crate::output::Output;
use crate::settings::Settings;

/// Runs `refrain healthcheck`.
pub(crate) fn healthcheck(args: &HealthcheckArgs, settings: &Settings, output: &Output) -> Result<Outcome> {
    healthcheck::run(args, settings, output)
}

/// Runs `refrain serve`.
pub(crate) fn run(args: &ServeArgs, settings: &Settings, _output: &Output) -> Result<Outcome> {
    let roles = (!args.role.is_empty()).then_some(args.role.as_slice());
    let _ = (settings.service(roles)?, settings.aws(), settings.log()?);
    anyhow::bail!("not built yet")
}
