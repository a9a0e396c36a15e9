//! Opens and closes the connections.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::error::Name;
use super::listen::Listener;
use super::transaction::Begin;
use super::tunnel::{self, Tunnel};
use super::{PostgresCatalog, migrate};
use crate::{CatalogError, PostgresSettings};

/// Maximum time to connect to a server.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Upper limit of all durations: 24 days, the largest number of milliseconds that PostgreSQL can represent.
pub(super) const EVER: Duration = Duration::from_millis(i32::MAX as u64);

/// Upper limit of the pool size, more than any server allows; the pool allocates memory for all of its connections.
const MOST_CONNECTIONS: u32 = 10_000;

/// URL parameter that turns prepared statements off.
const CACHE_OFF: &str = "statement-cache-capacity=0";

impl PostgresCatalog {
    /// Opens the catalog in the database of `url`. If there are no tables, creates them if `make` is true.
    pub(crate) async fn open(
        url: &str,
        settings: &PostgresSettings,
        make: bool,
    ) -> Result<Self, CatalogError> {
        let settings = bounded(settings);
        let options = options(url)?;
        let name = Name::new(&options);
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        let prepared = !parameters.split('&').any(|parameter| parameter == CACHE_OFF);
        // Does not use the pool, which would hide the reason why it cannot connect.
        let (mut connection, options, tunnel) = match connect(&options, &name).await {
            Err(error) if tunnel::is_needed(&options, &error) => {
                let (tunnel, options) = Tunnel::open(&options, &name).await?;
                (connect(&options, &name).await?, options, Some(tunnel))
            }
            connected => (connected?, options, None),
        };
        let begin = Begin::new(&settings);
        let identity = migrate::bring_up_to_date(&mut connection, begin.upgrade.clone(), make, &name).await?;
        // All queries are complete, so an error while closing the connection loses nothing.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            // A call on a dead connection is retried, so testing connections first is not worth the time.
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        Ok(Self {
            name,
            options,
            settings,
            pool,
            begin,
            prepared,
            listener: Listener::default(),
            _tunnel: tunnel,
            identity,
        })
    }

    /// Closes all connections, after the calls that use them have ended.
    pub(super) async fn tidy(&self) -> Result<(), CatalogError> {
        self.listener.stop();
        self.pool.close().await;
        Ok(())
    }
}

/// Clamps the settings to supported values: the pool needs at least one connection, and times must not overflow.
fn bounded(settings: &PostgresSettings) -> PostgresSettings {
    PostgresSettings {
        max_connections: settings.max_connections.clamp(1, MOST_CONNECTIONS),
        acquire_timeout: settings.acquire_timeout.min(EVER),
        statement_timeout: settings.statement_timeout.min(EVER),
        retry_for: settings.retry_for.min(EVER),
    }
}

/// Opens one connection outside the pool.
pub(super) async fn connect(options: &PgConnectOptions, name: &Name) -> Result<PgConnection, CatalogError> {
    match tokio::time::timeout(ANSWER_WAIT, options.connect()).await {
        Ok(connected) => connected.map_err(|error| name.error(error)),
        Err(_) => Err(name.unreachable(format!("no answer within {} s", ANSWER_WAIT.as_secs()))),
    }
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions, CatalogError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        // The error must not contain the URL, because the position of the password in it is unknown.
        let reason = match error {
            sqlx::Error::Configuration(reason) => reason.to_string(),
            error => error.to_string(),
        };
        CatalogError::CannotOpen { catalog: "postgres:".into(), reason: format!("invalid URL: {reason}") }
    })?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("refrain") };
    // PgBouncer rejects this parameter, and it has no effect on numbers in the binary format.
    Ok(options.extra_float_digits(None).disable_statement_logging())
}
