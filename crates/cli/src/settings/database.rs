//! Settings of database connections: the table `[database]` and the variables `REFRAIN_DATABASE_…`.

use std::time::Duration;

use anyhow::{Result, bail};
use refrain_catalog::{OpenSettings, PostgresSettings};

pub(super) use super::tables::DatabaseLayer;

/// Maximum number of connections of one process. PostgreSQL accepts 100 by default, so a higher number is a mistake.
const MOST_CONNECTIONS: u32 = 1000;

/// Maximum of all timeouts in seconds: one day.
const MOST_SECONDS: u32 = 86_400;

impl DatabaseLayer {
    /// Checks the values and sets defaults for missing ones.
    pub(super) fn check(&self) -> Result<OpenSettings> {
        let usual = PostgresSettings::default();
        let max_connections = self.max_connections.unwrap_or(usual.max_connections);
        if !(1..=MOST_CONNECTIONS).contains(&max_connections) {
            bail!("database.max_connections is {max_connections}; use 1 to {MOST_CONNECTIONS}");
        }
        let seconds = |name: &str, value: Option<u32>, least: u32, usual: Duration| match value {
            None => Ok(usual),
            Some(value) if (least..=MOST_SECONDS).contains(&value) => Ok(Duration::from_secs(value.into())),
            Some(value) => bail!("database.{name} is {value}; use {least} to {MOST_SECONDS}"),
        };
        Ok(OpenSettings {
            postgres: PostgresSettings {
                max_connections,
                acquire_timeout: seconds(
                    "acquire_timeout_seconds",
                    self.acquire_timeout_seconds,
                    1,
                    usual.acquire_timeout,
                )?,
                statement_timeout: seconds(
                    "statement_timeout_seconds",
                    self.statement_timeout_seconds,
                    0,
                    usual.statement_timeout,
                )?,
                retry_for: seconds("retry_seconds", self.retry_seconds, 0, usual.retry_for)?,
            },
        })
    }
}
