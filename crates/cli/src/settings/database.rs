//! Settings of database connections: the table `[database]` and the variables `REFRAIN_DATABASE_…`.

use std::time::Duration;

use anyhow::{Result, bail};
use refrain_catalog::{OpenSettings, PostgresSettings};

pub(super) use super::tables::DatabaseLayer;

/// Maximum number of connections of one process. PostgreSQL accepts 100 by default, so a higher number is a mistake.
const MAX_CONNECTIONS: u32 = 1000;

/// Maximum of all timeouts in seconds: one day.
const MAX_SECONDS: u32 = 86_400;

impl DatabaseLayer {
    /// Checks the values and sets defaults for missing ones.
    pub(super) fn check(&self) -> Result<OpenSettings> {
        let default = PostgresSettings::default();
        let max_connections = self.max_connections.unwrap_or(default.max_connections);
        if !(1..=MAX_CONNECTIONS).contains(&max_connections) {
            bail!("database.max_connections is {max_connections}; use 1 to {MAX_CONNECTIONS}");
        }
        let seconds = |name: &str, value: Option<u32>, min: u32, default: Duration| match value {
            None => Ok(default),
            Some(value) if (min..=MAX_SECONDS).contains(&value) => Ok(Duration::from_secs(value.into())),
            Some(value) => bail!("database.{name} is {value}; use {min} to {MAX_SECONDS}"),
        };
        Ok(OpenSettings {
            postgres: PostgresSettings {
                max_connections,
                acquire_timeout: seconds(
                    "acquire_timeout_seconds",
                    self.acquire_timeout_seconds,
                    1,
                    default.acquire_timeout,
                )?,
                statement_timeout: seconds(
                    "statement_timeout_seconds",
                    self.statement_timeout_seconds,
                    0,
                    default.statement_timeout,
                )?,
                retry_for: seconds("retry_seconds", self.retry_seconds, 0, default.retry_for)?,
            },
        })
    }
}
