//! Settings from environment variables: `REFRAIN_…`, `DATABASE_URL` and the variables of the replaced program.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::declare::Declared;
use super::keys::{self, PREFIX};
use super::layer::Layer;
use super::network::EnvironmentProxies;
use super::tables::SecretText;
use super::url::CatalogUrl;
use super::variable::text;

/// The settings from the environment variables with the prefix `REFRAIN_`.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Path of the settings file from `REFRAIN_CONFIG`; `None` if it is not set.
    pub(super) config: Option<PathBuf>,
    /// Text from `REFRAIN_CONFIG_TOML`, which replaces the settings file; `None` if it is not set.
    pub(super) text: Option<String>,
    pub(super) layer: Layer,
}

/// Variable with the URL of the queue of streams, as in the program that `identifyStream` replaces. It has the lowest
/// precedence of all sources.
const QUEUE_URL: &str = "STREAM_START_QUEUE_URL";
/// Variable with the bucket of results, as in the program that `identifyStream` replaces. It has the lowest precedence
/// of all sources.
const RESULTS_BUCKET: &str = "STREAM_IDENTIFICATIONS_BUCKET";

/// Variable in which many platforms pass the URL of their database.
const DATABASE_URL: &str = "DATABASE_URL";

/// Beginnings of URLs that can be catalogs. `DATABASE_URL` is not specific to Refrain, and can name a database of
/// another kind.
const SCHEMES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

/// Returns the URL in [`DATABASE_URL`], or `None` if it is not set or cannot be the URL of a catalog.
pub(super) fn database_url(variables: &[(OsString, OsString)]) -> Option<CatalogUrl> {
    let url = variables.iter().find(|(name, _)| name == DATABASE_URL)?.1.to_str()?;
    SCHEMES.iter().any(|scheme| url.starts_with(scheme)).then(|| url.to_owned().into())
}

/// Returns the settings from [`QUEUE_URL`] and [`RESULTS_BUCKET`], which other sources override.
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

/// Returns the proxies in the environment. The name in lower case has precedence, as in other programs; an empty variable
/// counts as not set.
pub(super) fn proxies(variables: &[(OsString, OsString)]) -> EnvironmentProxies {
    let get = |upper: &str| {
        let find = |wanted: &str| {
            let value = variables.iter().find(|(name, _)| name == wanted)?.1.to_str()?;
            Some(value.to_owned()).filter(|value| !value.is_empty())
        };
        find(&upper.to_ascii_lowercase()).or_else(|| find(upper))
    };
    EnvironmentProxies {
        http: get("HTTP_PROXY").map(SecretText),
        https: get("HTTPS_PROXY").map(SecretText),
        no_proxy: get("NO_PROXY"),
    }
}

/// Reads all variables with the prefix `REFRAIN_`. An empty variable counts as not set.
///
/// # Errors
/// If a variable is unknown or has an invalid value. The error names the variable.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Result<Environment> {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        // Templates of containers often contain all variables, with empty values for those that are not used.
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

/// Sets a setting from its variable. `key` is the name of the variable without `REFRAIN_`, `variable` is the full name.
/// Returns false if the variable is unknown.
fn set(layer: &mut Layer, key: &str, variable: &str, value: &OsStr) -> Result<bool> {
    let lower = key.to_ascii_lowercase();
    // Variables have upper-case names only, so a name with lower-case letters is unknown.
    if lower.to_ascii_uppercase() != key {
        return Ok(false);
    }
    match lower.strip_prefix("sink_") {
        Some(key) => layer.sink_variables.set(key, variable, value),
        None => layer.set(&lower, variable, value),
    }
}

/// Returns true if a variable belongs to a Kubernetes service. `key` is its name without `REFRAIN_`. These variables
/// are ignored, and must not be reported as unknown. For a service named `refrain`, Kubernetes sets
/// `REFRAIN_SERVICE_HOST`, `REFRAIN_PORT_…` and others in every container. For a service named `refrain-database`, it
/// sets `REFRAIN_DATABASE_PORT_…`.
pub(super) fn is_service_link(key: &str) -> bool {
    let words = key.split('_').collect::<Vec<_>>();
    let service = words.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let port = words.windows(2).any(|pair| pair[0] == "PORT" && pair[1].parse::<u16>().is_ok());
    service || port || words.last() == Some(&"PORT")
}
