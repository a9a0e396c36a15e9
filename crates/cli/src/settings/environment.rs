//! Settings from the environment: `REFRAIN_…`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::layer::Layer;
use super::url::CatalogUrl;

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Where the settings file is.
    pub(super) config: Option<PathBuf>,
    pub(super) layer: Layer,
}

const PREFIX: &str = "REFRAIN_";

const KNOWN: [&str; 15] = [
    "CACHE_DIR",
    "CATALOG",
    "CONFIG",
    "DATABASE_ACQUIRE_TIMEOUT_SECONDS",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_RETRY_SECONDS",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS",
    "EFFORT",
    "FALSE_POSITIVE_RATE",
    "JOBS",
    "PITCH_RANGE",
    "RULE",
    "SEARCH",
    "SPEED_RANGE",
    "TEMPO_RANGE",
];

/// What many platforms give a program whose database they run.
const DATABASE_URL: &str = "DATABASE_URL";

/// Kinds of databases that a catalogue can be in: the variable is not ours, it may name any other.
const SCHEMES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

/// The catalogue that [`DATABASE_URL`] names, if it is one.
pub(super) fn database_url(variables: &[(OsString, OsString)]) -> Option<CatalogUrl> {
    let url = variables.iter().find(|(name, _)| name == DATABASE_URL)?.1.to_str()?;
    SCHEMES.iter().any(|scheme| url.starts_with(scheme)).then(|| url.to_owned().into())
}

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
            "CATALOG" => layer.catalog = Some(text(key, value)?.to_owned().into()),
            "CACHE_DIR" => layer.cache_dir = Some(value.into()),
            "JOBS" => layer.jobs = Some(parse(key, value)?),
            "FALSE_POSITIVE_RATE" => layer.false_positive_rate = Some(parse(key, value)?),
            "EFFORT" => layer.effort = Some(choice(key, value)?),
            "SEARCH" => layer.search = Some(choice(key, value)?),
            "SPEED_RANGE" => layer.speed_range = Some(parse(key, value)?),
            "TEMPO_RANGE" => layer.tempo_range = Some(parse(key, value)?),
            "PITCH_RANGE" => layer.pitch_range = Some(parse(key, value)?),
            "RULE" => layer.rule = Some(parse(key, value)?),
            _ => match key.strip_prefix("DATABASE_") {
                Some("MAX_CONNECTIONS") => layer.database.max_connections = Some(parse(key, value)?),
                Some("ACQUIRE_TIMEOUT_SECONDS") => {
                    layer.database.acquire_timeout_seconds = Some(parse(key, value)?);
                }
                Some("STATEMENT_TIMEOUT_SECONDS") => {
                    layer.database.statement_timeout_seconds = Some(parse(key, value)?);
                }
                Some("RETRY_SECONDS") => layer.database.retry_seconds = Some(parse(key, value)?),
                _ => bail!(
                    "environment variable {PREFIX}{key} is not known; known are {}",
                    KNOWN.map(|key| format!("{PREFIX}{key}")).join(", ")
                ),
            },
        }
    }
    Ok(environment)
}

/// Kubernetes sets `REFRAIN_SERVICE_HOST`, `REFRAIN_PORT_…` and the like in every container beside a
/// service called `refrain`, and `REFRAIN_DATABASE_PORT_…` beside one called `refrain-database`; nobody could prevent
/// that, so these are not refused.
fn is_service_link(key: &str) -> bool {
    let words = key.split('_').collect::<Vec<_>>();
    let service = words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = words.windows(2).any(|pair| pair[0] == "PORT" && pair[1].parse::<u16>().is_ok());
    service || port || words.last() == Some(&"PORT")
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
