//! Settings from the environment: `REFRAIN_…`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::database::DatabaseLayer;
use super::layer::Layer;
use super::sinks;
use super::tables::{
    AwsTable, BucketTable, Hidden, HttpTable, IvsTable, KeepTable, LogTable, MetricsTable, MonitorTable,
    OutboxTable, QueuesTable, ServiceTable,
};
use super::url::CatalogUrl;

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Where the settings file is.
    pub(super) config: Option<PathBuf>,
    /// The text of one.
    pub(super) text: Option<String>,
    pub(super) layer: Layer,
}

const PREFIX: &str = "REFRAIN_";

/// Those that belong to no table.
const PLAIN: [&str; 14] = [
    "CACHE_DIR",
    "CATALOG",
    "CONFIG",
    "CONFIG_TOML",
    "EFFORT",
    "FALSE_POSITIVE_RATE",
    "HTTP_API_TOKEN",
    "IVS_PRIVATE_KEY",
    "JOBS",
    "PITCH_RANGE",
    "RULE",
    "SEARCH",
    "SPEED_RANGE",
    "TEMPO_RANGE",
];

/// Variables of those whose programs this one replaces; they count below everything else.
const QUEUE_URL: &str = "STREAM_START_QUEUE_URL";
const RESULTS_BUCKET: &str = "STREAM_IDENTIFICATIONS_BUCKET";

/// Every variable that is known, without our prefix.
pub(super) fn known() -> Vec<String> {
    let tables: [(&str, &[&str]); 12] = [
        ("database", DatabaseLayer::KEYS),
        ("service", ServiceTable::KEYS),
        ("aws", AwsTable::KEYS),
        ("queues", QueuesTable::KEYS),
        ("bucket", BucketTable::KEYS),
        ("monitor", MonitorTable::KEYS),
        ("ivs", IvsTable::KEYS),
        ("outbox", OutboxTable::KEYS),
        ("keep", KeepTable::KEYS),
        ("http", HttpTable::KEYS),
        ("log", LogTable::KEYS),
        ("metrics", MetricsTable::KEYS),
    ];
    let of = |(table, keys): (&str, &[&str])| -> Vec<String> {
        keys.iter().map(|key| format!("{table}_{key}").to_uppercase()).collect()
    };
    let mut known: Vec<String> = tables.into_iter().flat_map(of).collect();
    known.extend(sinks::known().iter().map(|key| format!("SINK_{key}")));
    known.extend(PLAIN.map(str::to_owned));
    known.sort();
    known
}

/// What many platforms give a program whose database they run.
const DATABASE_URL: &str = "DATABASE_URL";

/// Kinds of databases that a catalogue can be in: the variable is not ours, it may name any other.
const SCHEMES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

/// The catalogue that [`DATABASE_URL`] names, if it is one.
pub(super) fn database_url(variables: &[(OsString, OsString)]) -> Option<CatalogUrl> {
    let url = variables.iter().find(|(name, _)| name == DATABASE_URL)?.1.to_str()?;
    SCHEMES.iter().any(|scheme| url.starts_with(scheme)).then(|| url.to_owned().into())
}

/// What those variables say that are not ours.
pub(super) fn fallback(variables: &[(OsString, OsString)]) -> Layer {
    let get = |wanted: &str| {
        let value = variables.iter().find(|(name, _)| name == wanted)?.1.to_str()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    };
    let mut layer = Layer::default();
    layer.queues.streams = get(QUEUE_URL);
    layer.sink_variables.bucket = get(RESULTS_BUCKET);
    layer
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
            "CONFIG_TOML" => environment.text = Some(text(key, value)?.to_owned()),
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
            "IVS_PRIVATE_KEY" => layer.secrets.ivs_private_key = Some(Hidden(text(key, value)?.to_owned())),
            "HTTP_API_TOKEN" => layer.secrets.http_api_token = Some(Hidden(text(key, value)?.to_owned())),
            _ if in_table(layer, key, value)? => {}
            _ => bail!("environment variable {PREFIX}{key} is not known; {}", advice(key)),
        }
    }
    Ok(environment)
}

/// Takes a variable of a table; false if it is of none.
fn in_table(layer: &mut Layer, key: &str, value: &OsStr) -> Result<bool> {
    let variable = format!("{PREFIX}{key}");
    let lower = key.to_ascii_lowercase();
    // What is written in part in lower case is another variable.
    let Some((table, key)) = lower.split_once('_').filter(|_| lower.to_ascii_uppercase() == key) else {
        return Ok(false);
    };
    match table {
        "database" => layer.database.set(key, &variable, value),
        "service" => layer.service.set(key, &variable, value),
        "aws" => layer.aws.set(key, &variable, value),
        "queues" => layer.queues.set(key, &variable, value),
        "bucket" => layer.bucket.set(key, &variable, value),
        "monitor" => layer.monitor.set(key, &variable, value),
        "ivs" => layer.ivs.set(key, &variable, value),
        "outbox" => layer.outbox.set(key, &variable, value),
        "keep" => layer.keep.set(key, &variable, value),
        "http" => layer.http.set(key, &variable, value),
        "log" => layer.log.set(key, &variable, value),
        "metrics" => layer.metrics.set(key, &variable, value),
        "sink" => layer.sink_variables.set(key, &variable, value),
        _ => Ok(false),
    }
}

/// Which variables there are: those of the same table, else those of none.
fn advice(key: &str) -> String {
    let known = known();
    let table = key.split_once('_').map_or("", |(table, _)| table);
    let mut near: Vec<_> = known.iter().filter(|one| one.starts_with(&format!("{table}_"))).collect();
    if near.is_empty() {
        near = known.iter().filter(|one| PLAIN.contains(&one.as_str())).collect();
    }
    let near: Vec<_> = near.into_iter().map(|key| format!("{PREFIX}{key}")).collect();
    format!("known are {}; docs/service.toml names all", near.join(", "))
}

/// Kubernetes sets `REFRAIN_SERVICE_HOST`, `REFRAIN_PORT_…` and the like in every container beside a
/// service called `refrain`, and `REFRAIN_DATABASE_PORT_…` beside one called `refrain-database`; nobody could prevent
/// that, so these are not refused.
pub(super) fn is_service_link(key: &str) -> bool {
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
