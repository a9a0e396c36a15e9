//! Opens the catalog in a PostgreSQL database.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::error::PostgresName;
use super::listen::LazyListener;
use super::transaction::BeginStatements;
use super::tunnel::{self, Tunnel};
use super::{PostgresCatalog, migrate};
use crate::clock::MAX_DURATION;
use crate::{CatalogError, PostgresSettings};

/// Maximum time to connect to a server, including TLS and login. At half this value, a server under load is reported as
/// unreachable. At twice this value, a wrong host name blocks a command for 20 s, because a firewall may drop the
/// packets without an error.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Upper limit of the pool size, more than any server allows; the pool allocates memory for all of its connections.
const MAX_POOL_CONNECTIONS: u32 = 10_000;

/// URL parameter that turns prepared statements off.
const STATEMENT_CACHE_OFF: &str = "statement-cache-capacity=0";

impl PostgresCatalog {
    /// Opens the catalog in the database of `url`. If the tables are missing, they are created if `create` is true;
    /// otherwise the call fails.
    pub(crate) async fn open(
        url: &str,
        settings: &PostgresSettings,
        create: bool,
    ) -> Result<Self, CatalogError> {
        // Values of users reach this point unchecked, because `PostgresSettings` is a public type.
        let settings = bounded(settings);
        let options = options(url)?;
        let name = PostgresName::new(&options);
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        let prepared = !parameters.split('&').any(|parameter| parameter == STATEMENT_CACHE_OFF);
        // Does not use the pool, which would hide the reason why it cannot connect.
        let (mut connection, options, tunnel) = match connect(&options, &name).await {
            Err(error) if tunnel::is_needed(&options, &error) => {
                // Only after a failure: a server with a usable certificate is never connected through the tunnel.
                let (tunnel, options) = Tunnel::open(&options, &name).await?;
                (connect(&options, &name).await?, options, Some(tunnel))
            }
            connected => (connected?, options, None),
        };
        let begin = BeginStatements::new(&settings);
        let identity = migrate::ensure_current(&mut connection, begin.upgrade.clone(), create, &name).await?;
        // All queries are complete, so an error while closing the connection loses nothing.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            // A call on a dead connection is retried, so testing connections first is not worth the time.
            .test_before_acquire(false)
            // The check above has shown that the server accepts connections, so the pool opens its own when they are
            // needed.
            .connect_lazy_with(options.clone());
        Ok(Self {
            name,
            options,
            settings,
            pool,
            begin,
            prepared,
            listener: LazyListener::default(),
            _tunnel: tunnel,
            identity,
        })
    }
}

/// Clamps the settings to supported values: the pool needs at least one connection, and times must not overflow.
fn bounded(settings: &PostgresSettings) -> PostgresSettings {
    PostgresSettings {
        max_connections: settings.max_connections.clamp(1, MAX_POOL_CONNECTIONS),
        acquire_timeout: settings.acquire_timeout.min(MAX_DURATION),
        statement_timeout: settings.statement_timeout.min(MAX_DURATION),
        retry_for: settings.retry_for.min(MAX_DURATION),
    }
}

/// Opens one connection outside the pool.
pub(super) async fn connect(
    options: &PgConnectOptions,
    name: &PostgresName,
) -> Result<PgConnection, CatalogError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connected) => connected.map_err(|error| name.error(error)),
        // The time limit covers name lookup, TCP, TLS and login; the driver has none of its own.
        Err(_) => Err(name.unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
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
    // An application name in the URL or in PGAPPNAME takes precedence, so that operators can tell processes apart.
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("refrain") };
    // PgBouncer rejects this parameter, and it has no effect on numbers in the binary format.
    Ok(options.extra_float_digits(None).disable_statement_logging())
}
