//! Settings from the environment: `REFRAIN_…`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::Layer;

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Where the settings file is.
    pub(super) config: Option<PathBuf>,
    pub(super) layer: Layer,
}

const PREFIX: &str = "REFRAIN_";

/// Reads the variables with our prefix; an empty one counts as not set, an unknown one is refused.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Result<Environment> {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if value.is_empty() || is_service_link(key) {
            continue;
        }
        let layer = &mut environment.layer;
        match key {
            "CONFIG" => environment.config = Some(value.into()),
            "CATALOG" => layer.catalog = Some(text(key, value)?.to_owned()),
            "JOBS" => layer.jobs = Some(parse(key, value)?),
            "FALSE_POSITIVE_RATE" => layer.false_positive_rate = Some(parse(key, value)?),
            "EFFORT" => layer.effort = Some(choice(key, value)?),
            "SPEED_RANGE" => layer.speed_range = Some(parse(key, value)?),
            "TEMPO_RANGE" => layer.tempo_range = Some(parse(key, value)?),
            "PITCH_RANGE" => layer.pitch_range = Some(parse(key, value)?),
            "RULE" => layer.rule = Some(parse(key, value)?),
            _ => bail!(
                "environment variable {PREFIX}{key} is not known; known are {PREFIX}CATALOG, {PREFIX}CONFIG, \
                 {PREFIX}EFFORT, {PREFIX}FALSE_POSITIVE_RATE, {PREFIX}JOBS, {PREFIX}PITCH_RANGE, {PREFIX}RULE, \
                 {PREFIX}SPEED_RANGE and {PREFIX}TEMPO_RANGE"
            ),
        }
    }
    Ok(environment)
}

/// Kubernetes sets `REFRAIN_SERVICE_HOST`, `REFRAIN_PORT_…` and the like in every container beside a
/// service called `refrain`; nobody could prevent that, so these are not refused.
fn is_service_link(key: &str) -> bool {
    key.starts_with("SERVICE_") || key == "PORT" || key.starts_with("PORT_")
}

fn text<'a>(key: &str, value: &'a OsStr) -> Result<&'a str> {
    value.to_str().with_context(|| format!("environment variable {PREFIX}{key} is not UTF-8"))
}

fn choice<T: ValueEnum>(key: &str, value: &OsStr) -> Result<T> {
    let text = text(key, value)?;
    T::from_str(text, false).map_err(|_| {
        let known: Vec<_> = T::value_variants().iter().filter_map(T::to_possible_value).collect();
        let known: Vec<&str> = known.iter().map(PossibleValue::get_name).collect();
        anyhow!("environment variable {PREFIX}{key} is {text:?}; use one of {}", known.join(", "))
    })
}

fn parse<T: FromStr>(key: &str, value: &OsStr) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    let text = text(key, value)?;
    text.parse().map_err(|error| anyhow!("environment variable {PREFIX}{key}: {error} (it is {text:?})"))
}
