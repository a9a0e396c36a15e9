//! Settings of database connections.

use std::time::Duration;

use anyhow::Result;
use refrain_catalog::{OpenSettings, PostgresSettings};

use super::declare::Declared;
use super::tables::DatabaseTable;

impl DatabaseTable {
    /// Checks the values and returns them, with defaults for missing values.
    pub(super) fn open_settings(&self) -> Result<OpenSettings> {
        let table = self.checked()?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Ok(OpenSettings {
            postgres: PostgresSettings {
                max_connections: table.max_connections(),
                acquire_timeout: seconds(table.acquire_timeout_seconds()),
                statement_timeout: seconds(table.statement_timeout_seconds()),
                retry_for: seconds(table.retry_seconds()),
            },
        })
    }
}
