//! Connecting and parting.

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

/// How long a server may take to answer at all.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// As long as anybody waits: 24 days, the longest that PostgreSQL has a number for.
pub(super) const EVER: Duration = Duration::from_millis(i32::MAX as u64);

/// More than any server has; the pool reserves room for all of them.
const MOST_CONNECTIONS: u32 = 10_000;

/// The parameter of a URL that turns prepared statements off.
const CACHE_OFF: &str = "statement-cache-capacity=0";

impl PostgresCatalog {
    /// Opens the catalogue in the database that `url` names; where there are no tables, makes them if it is to.
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
        // Not through the pool, which would keep why it cannot connect to itself.
        let (mut connection, options, tunnel) = match connect(&options, &name).await {
            Err(error) if tunnel::is_needed(&options, &error) => {
                let (tunnel, options) = Tunnel::open(&options, &name).await?;
                (connect(&options, &name).await?, options, Some(tunnel))
            }
            connected => (connected?, options, None),
        };
        let begin = Begin::new(&settings);
        let identity = migrate::bring_up_to_date(&mut connection, begin.upgrade.clone(), make, &name).await?;
        // What was asked is answered; a farewell that fails loses nothing.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(settings.acquire_timeout)
            // A call on a connection that died meanwhile is done again, so asking before is not worth the time.
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

    /// Ends all connections, once the calls that use them are over.
    pub(super) async fn tidy(&self) -> Result<(), CatalogError> {
        self.listener.stop();
        self.pool.close().await;
        Ok(())
    }
}

/// As what follows can reckon with: without a pool that is empty for ever, or a time beyond the end of clocks.
fn bounded(settings: &PostgresSettings) -> PostgresSettings {
    PostgresSettings {
        max_connections: settings.max_connections.clamp(1, MOST_CONNECTIONS),
        acquire_timeout: settings.acquire_timeout.min(EVER),
        statement_timeout: settings.statement_timeout.min(EVER),
        retry_for: settings.retry_for.min(EVER),
    }
}

/// One connection beside the pool.
pub(super) async fn connect(options: &PgConnectOptions, name: &Name) -> Result<PgConnection, CatalogError> {
    match tokio::time::timeout(ANSWER_WAIT, options.connect()).await {
        Ok(connected) => connected.map_err(|error| name.error(error)),
        Err(_) => Err(name.unreachable(format!("no answer within {} s", ANSWER_WAIT.as_secs()))),
    }
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions, CatalogError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        // Nothing of the URL may be repeated while it is not known which part is the password.
        let reason = match error {
            sqlx::Error::Configuration(reason) => reason.to_string(),
            error => error.to_string(),
        };
        CatalogError::CannotOpen {
            catalog: "postgres:".into(),
            reason: format!("its URL is wrong: {reason}"),
        }
    })?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("refrain") };
    // PgBouncer refuses this parameter, and numbers come in binary anyway.
    Ok(options.extra_float_digits(None).disable_statement_logging())
}
