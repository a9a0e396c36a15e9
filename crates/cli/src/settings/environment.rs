//! Settings from environment variables: `REFRAIN_…`, `DATABASE_URL` and the variables of the replaced program.

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
    AwsTable, BucketTable, HttpTable, IvsTable, KeepTable, LogTable, MetricsTable, MonitorTable, OutboxTable,
    QueuesTable, SecretText, ServiceTable,
};
use super::url::CatalogUrl;

/// Settings from environment variables.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Path of the settings file.
    pub(super) config: Option<PathBuf>,
    /// Text that replaces the settings file.
    pub(super) text: Option<String>,
    pub(super) layer: Layer,
}

const PREFIX: &str = "REFRAIN_";

/// Variables that belong to no table, without the prefix.
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

/// Variable of the replaced program with the URL of the queue of streams. Every other source of settings overrides it.
const QUEUE_URL: &str = "STREAM_START_QUEUE_URL";
/// Variable of the replaced program with the bucket of results. Every other source of settings overrides it.
const RESULTS_BUCKET: &str = "STREAM_IDENTIFICATIONS_BUCKET";

/// Returns all known variables, without the prefix.
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

/// Variable in which many platforms pass the URL of their database.
const DATABASE_URL: &str = "DATABASE_URL";

/// Beginnings of URLs that can be catalogs. The variable is not specific to Refrain and can name another kind of database.
const SCHEMES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

/// Returns the URL in [`DATABASE_URL`] if it can be the URL of a catalog.
pub(super) fn database_url(variables: &[(OsString, OsString)]) -> Option<CatalogUrl> {
    let url = variables.iter().find(|(name, _)| name == DATABASE_URL)?.1.to_str()?;
    SCHEMES.iter().any(|scheme| url.starts_with(scheme)).then(|| url.to_owned().into())
}

/// Returns the settings from the variables of the replaced program.
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

/// Reads the variables with the prefix `REFRAIN_`. An empty variable counts as not set.
///
/// # Errors
/// If a variable is unknown or has an invalid value.
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
            "IVS_PRIVATE_KEY" => {
                layer.secrets.ivs_private_key = Some(SecretText(text(key, value)?.to_owned()));
            }
            "HTTP_API_TOKEN" => layer.secrets.http_api_token = Some(SecretText(text(key, value)?.to_owned())),
            _ if in_table(layer, key, value)? => {}
            _ => bail!("unknown environment variable {PREFIX}{key}; {}", advice(key)),
        }
    }
    Ok(environment)
}

/// Sets the key of a table from its variable. Returns false if no table has this key.
fn in_table(layer: &mut Layer, key: &str, value: &OsStr) -> Result<bool> {
    let variable = format!("{PREFIX}{key}");
    let lower = key.to_ascii_lowercase();
    // A name with lower-case letters is another variable.
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

/// Returns advice with the known variables of the same table, or with those of no table if there is no such table.
fn advice(key: &str) -> String {
    let known = known();
    let table = key.split_once('_').map_or("", |(table, _)| table);
    let mut near: Vec<_> = known.iter().filter(|one| one.starts_with(&format!("{table}_"))).collect();
    if near.is_empty() {
        near = known.iter().filter(|one| PLAIN.contains(&one.as_str())).collect();
    }
    let near: Vec<_> = near.into_iter().map(|key| format!("{PREFIX}{key}")).collect();
    format!("use one of {}; docs/service.toml lists all variables", near.join(", "))
}

/// Returns true for the variables of a Kubernetes service, which are ignored. If a namespace has a service named `refrain`,
/// Kubernetes sets `REFRAIN_SERVICE_HOST`, `REFRAIN_PORT_…` and others in every container, and for a service named
/// `refrain-database` it sets `REFRAIN_DATABASE_PORT_…`. They must not be reported as unknown variables.
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
