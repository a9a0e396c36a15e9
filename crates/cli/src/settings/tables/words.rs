//! Types of settings whose values are words, and the type of secret texts.

use std::fmt;

use clap::ValueEnum;
use refrain_core::matching::Effort;
use serde::Deserialize;

/// A text that can contain a secret. Its debug output is always `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(pub(crate) String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Location of the search index.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchBackend {
    /// Files on this machine, built from the catalog, the fastest
    #[default]
    Local,
    /// Rows in the PostgreSQL database of the catalog, without local files
    Database,
}

/// Search effort, the values of `--effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchEffort {
    /// Find clear audio at its original speed
    Fast,
    /// Also find audio under noise or speech, and audio with another speed, tempo or pitch
    Normal,
    /// Also find audio that is both degraded and changed. Several times slower
    Thorough,
}

impl From<SearchEffort> for Effort {
    fn from(effort: SearchEffort) -> Self {
        match effort {
            SearchEffort::Fast => Self::Fast,
            SearchEffort::Normal => Self::Normal,
            SearchEffort::Thorough => Self::Thorough,
        }
    }
}

/// A role of a service process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
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

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventSetting {
    Start,
    Update,
    Final,
    Alert,
}

/// A kind of sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SinkKindName {
    S3,
    Sns,
    Webhook,
    Folder,
    Stdout,
}
