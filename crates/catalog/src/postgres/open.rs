//! Connecting and parting.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::error::Name;
use super::listen::Listener;
use super::{PostgresCatalog, migrate};
use crate::{CatalogError, PostgresSettings};

/// How long a server may take to answer at all.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long a transaction may stand still before the server ends it: a writer whose machine died would stop all
/// others, and the server alone cannot see that.
const IDLE_WAIT: Duration = Duration::from_secs(60);

impl PostgresCatalog {
    /// Opens the catalogue in the database that `url` names; makes its tables where there are none.
    pub(crate) async fn open(url: &str, settings: &PostgresSettings) -> Result<Self, CatalogError> {
        let options = options(url)?;
        let name = Name::new(&options);
        // Not through the pool, which would keep why it cannot connect to itself.
        let mut connection = connect(&options, &name).await?;
        let identity = migrate::bring_up_to_date(&mut connection, &name).await?;
        // What was asked is answered; a farewell that fails loses nothing.
        let _ = connection.close().await;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections.max(1))
            .acquire_timeout(settings.acquire_timeout)
            // A call on a connection that died meanwhile is done again, so asking before is not worth the time.
            .test_before_acquire(false)
            .connect_lazy_with(options.clone());
        Ok(Self {
            name,
            options,
            settings: settings.clone(),
            pool,
            begin: begin(settings),
            listener: Listener::default(),
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

/// Begins every transaction. Nothing is set for longer than that: behind PgBouncer the next one may run on
/// another connection, and somebody else's on this one.
fn begin(settings: &PostgresSettings) -> Arc<str> {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
         SET LOCAL idle_in_transaction_session_timeout = {}",
        milliseconds(settings.statement_timeout),
        milliseconds(settings.acquire_timeout),
        milliseconds(IDLE_WAIT),
    )
    .into()
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
