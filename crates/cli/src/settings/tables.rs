//! The tables of `docs/service.toml` before they are checked, and their environment variables.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use refrain_service::settings::{DetectionOrigin, SinkFormat};
use serde::Deserialize;

use super::variable::{FromVariable, from_variable};

/// A text that is or can contain a secret. Its debug output is `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(pub(crate) String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A role in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Follow live streams
    Monitor,
    /// Identify files uploaded to the bucket
    Check,
    /// Index files uploaded to the bucket
    Index,
    /// Serve the HTTP API
    Api,
}

/// A kind of event in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventSetting {
    Start,
    Update,
    Final,
}

/// A kind of sink in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SinkKindName {
    S3,
    Sns,
    Webhook,
    Folder,
    Stdout,
}

/// Defines a table of the settings file in which every key has an environment variable: `REFRAIN_`, the name of the table,
/// `_`, the name of the key.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name { $(pub(crate) $key: Option<$kind>,)* }

        impl $name {
            /// Names of all keys.
            #[cfg_attr(not(test), allow(dead_code, reason = "sinks have variables of their own"))]
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            /// Returns this layer with missing values taken from the layer `below`.
            pub(super) fn with_fallback(self, below: Self) -> Self {
                Self { $($key: self.$key.or(below.$key),)* }
            }

            /// Sets a key from the variable with the full name `variable`. Returns false if there is no such key.
            pub(super) fn set(&mut self, key: &str, variable: &str, value: &OsStr) -> Result<bool> {
                match key {
                    $(stringify!($key) => self.$key = Some(from_variable(variable, value)?),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

table! {
    /// The table `[database]`.
    DatabaseLayer {
        max_connections: u32,
        acquire_timeout_seconds: u32,
        statement_timeout_seconds: u32,
        retry_seconds: u32,
    }
}

table! {
    /// The table `[service]`.
    ServiceTable {
        roles: Vec<Role>,
        name: String,
        capacity: u32,
        lease_seconds: u32,
        drain_seconds: u32,
    }
}

table! {
    /// The table `[aws]`.
    AwsTable {
        region: String,
        endpoint_url: String,
        endpoint_url_s3: String,
        endpoint_url_sqs: String,
        endpoint_url_sns: String,
        endpoint_url_ivs: String,
        path_style: bool,
    }
}

table! {
    /// The table `[queues]`.
    QueuesTable {
        streams: String,
        check: String,
        index: String,
        medialive: String,
    }
}

table! {
    /// The table `[bucket]`.
    BucketTable {
        source: String,
        index_prefix: String,
        check_prefix: String,
        streams_prefix: String,
        name_modifier: String,
        largest_object_gb: f64,
        segment_wait_seconds: u32,
        stream_end_seconds: u32,
    }
}

table! {
    /// The table `[monitor]`.
    MonitorTable {
        events: Vec<EventSetting>,
        update_seconds: u32,
        allow_private_addresses: bool,
        private_hosts: Vec<String>,
    }
}

table! {
    /// The table `[ivs]`.
    IvsTable {
        channels: Vec<String>,
        reconcile_seconds: u32,
        private_key_file: PathBuf,
        token_seconds: u32,
        calls_per_second: f64,
    }
}

table! {
    /// The table `[outbox]`.
    OutboxTable {
        longest_pause_seconds: u32,
        give_up_hours: u32,
        parallel: u32,
    }
}

table! {
    /// The table `[keep]`.
    KeepTable {
        detections_days: u32,
        deliveries_days: u32,
    }
}

table! {
    /// The table `[http]`.
    HttpTable {
        listen: String,
        api_token_file: PathBuf,
    }
}

table! {
    /// The table `[log]`.
    LogTable {
        json: bool,
        level: String,
    }
}

table! {
    /// The table `[metrics]`.
    MetricsTable {
        emf: bool,
        namespace: String,
        service: String,
        interval_seconds: u32,
        per_channel: bool,
    }
}

table! {
    /// An entry of `[[sinks]]`. The keys that its kind allows are checked later.
    SinkTable {
        name: String,
        kind: SinkKindName,
        bucket: String,
        key: String,
        topic: String,
        url: SecretText,
        secret_file: PathBuf,
        timeout_seconds: u32,
        allow_private: bool,
        path: PathBuf,
        format: SinkFormat,
        from: Vec<DetectionOrigin>,
    }
}

/// The table `[medialive]`.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MediaLiveTable {
    pub(crate) channels: BTreeMap<String, SecretText>,
}

/// An entry of `[[streams]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamTable {
    pub(crate) id: String,
    pub(crate) url: SecretText,
}

impl FromVariable for SecretText {
    const SHOWN: bool = false;

    fn from_variable(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}
