//! The tables of the settings file. `settings!` in `declare.rs` derives their environment variables, range checks and
//! documents.

mod aws;
mod database;
mod health;
mod network;
mod service;
mod sinks;
mod streams;
mod words;

pub(crate) use aws::{AwsTable, BucketTable, QueuesTable};
pub(crate) use database::DatabaseTable;
pub(crate) use health::{HealthTable, thresholds};
pub(crate) use network::NetworkTable;
pub(crate) use service::{HttpTable, KeepTable, LogTable, MetricsTable, OutboxTable, ServiceTable};
pub(crate) use sinks::SinkTable;
pub(crate) use streams::{IvsTable, MediaLiveTable, MonitorTable, StreamTable};
pub(crate) use words::{EventSetting, Role, SearchBackend, SearchEffort, SecretText, SinkKindName};
