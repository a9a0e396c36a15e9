//! Settings from environment variables: `REFRAIN_…`, `DATABASE_URL` and the variables of the replaced program.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::declare::Declared;
use super::keys::{self, PREFIX};
use super::layer::Layer;
use super::url::CatalogUrl;
use super::variable::text;

/// Settings from environment variables.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Path of the settings file.
    pub(super) config: Option<PathBuf>,
    /// Text that replaces the settings file.
    pub(super) text: Option<String>,
    pub(super) layer: Layer,
}

/// Variable of the replaced program with the URL of the queue of streams. Every other source of settings overrides it.
const QUEUE_URL: &str = "STREAM_START_QUEUE_URL";
/// Variable of the replaced program with the bucket of results. Every other source of settings overrides it.
const RESULTS_BUCKET: &str = "STREAM_IDENTIFICATIONS_BUCKET";

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
        // Templates of containers often list every variable, with empty values for those that are not used.
        if value.is_empty() || is_service_link(key) {
            continue;
        }
        let variable = format!("{PREFIX}{key}");
        match key {
            "CONFIG" => environment.config = Some(value.into()),
            "CONFIG_TOML" => environment.text = Some(text(&variable, value)?.to_owned()),
            _ if set(&mut environment.layer, key, &variable, value)? => {}
            _ => bail!(
                "unknown environment variable {variable}; use one of {}; docs/service.toml lists all variables",
                keys::similar_variables(key).join(", ")
            ),
        }
    }
    Ok(environment)
}

/// Sets a setting from its variable. `key` is the name of the variable without the prefix. Returns false if it is unknown.
fn set(layer: &mut Layer, key: &str, variable: &str, value: &OsStr) -> Result<bool> {
    let lower = key.to_ascii_lowercase();
    // A name with lower-case letters is another variable.
    if lower.to_ascii_uppercase() != key {
        return Ok(false);
    }
    match lower.strip_prefix("sink_") {
        Some(key) => layer.sink_variables.set(key, variable, value),
        None => layer.set(&lower, variable, value),
    }
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
