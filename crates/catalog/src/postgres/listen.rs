//! Waits for changes that other processes make.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::PostgresCatalog;
use super::open::EVER;
use crate::{CatalogError, Fact};

/// Channel on which [`PostgresCatalog::notifications`] sends a notification to itself.
const PROBE_CHANNEL: &str = "refrain_doctor";

/// Maximum time to wait for that notification. Later ones are considered lost.
const NOTIFIED_WITHIN: Duration = Duration::from_secs(3);

/// Channel that writers notify in the transaction of their change.
pub(super) const CHANNEL: &str = "refrain_changes";

/// Interval at which the newest position is polled without a notification. Notifications can be lost with their
/// connection, and do not arrive through PgBouncer in transaction mode.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Pause after a connection failed or was lost, before the next attempt.
const CONNECT_AGAIN: Duration = Duration::from_secs(5);

/// Listens for notifications from the first time that a caller waits for a change.
#[derive(Debug, Default)]
pub(super) struct Listener(OnceLock<Ear>);

#[derive(Debug)]
struct Ear {
    heard: watch::Receiver<()>,
    task: AbortHandle,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Returns a receiver that changes with every notification.
    fn heard(&self, options: &PgConnectOptions) -> watch::Receiver<()> {
        let ear = self.0.get_or_init(|| {
            let (sender, heard) = watch::channel(());
            let task = tokio::spawn(listen(options.clone(), sender)).abort_handle();
            Ear { heard, task }
        });
        ear.heard.clone()
    }

    /// Stops listening and closes its connection.
    pub(super) fn stop(&self) {
        if let Some(ear) = self.0.get() {
            ear.task.abort();
        }
    }
}

impl PostgresCatalog {
    /// Checks that a notification arrives. It sends one on a separate channel.
    pub(super) async fn notifications(&self) -> Fact {
        const NAME: &str = "notifications";
        const ADVICE: &str = "changes are found by polling each second; for faster ones, connect without a pooler in \
             transaction mode, and allow the user to LISTEN";
        match tokio::time::timeout(NOTIFIED_WITHIN, self.notify_itself()).await {
            Ok(Ok(())) => Fact::fine(NAME, "arrive"),
            Ok(Err(error)) => Fact::warning(NAME, format!("cannot LISTEN: {error}"), ADVICE),
            Err(_) => Fact::warning(NAME, "do not arrive", ADVICE),
        }
    }

    async fn notify_itself(&self) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(PROBE_CHANNEL).await?;
        let mut connection = self.pool.acquire().await?;
        let sent = self.query("SELECT pg_notify($1, '')").bind(PROBE_CHANNEL);
        sent.execute(&mut *connection).await?;
        listener.recv().await.map(drop)
    }

    pub(super) async fn change_after(&self, position: u64, at_most: Duration) -> Result<bool, CatalogError> {
        let until = Instant::now() + at_most.min(EVER);
        let mut heard = self.listener.heard(&self.options);
        loop {
            // Marking before the query ensures that a notification that arrives after the query is not missed.
            heard.mark_unchanged();
            if self.newest_position().await? > position {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= until {
                return Ok(false);
            }
            let pause = until.min(now + LOOK_AGAIN);
            if let Ok(Err(_)) = tokio::time::timeout_at(pause, heard.changed()).await {
                // The listening task has stopped, so only polling is left.
                tokio::time::sleep_until(pause).await;
            }
        }
    }
}

/// Listens until it is aborted. A failure is tried again: callers that wait for a change poll in the meantime.
async fn listen(options: PgConnectOptions, heard: watch::Sender<()>) {
    let mut is_logged = false;
    loop {
        let mut is_listening = false;
        let Err(error) = listen_once(&options, &heard, &mut is_listening).await;
        // A server that is away fails often. One line for each time that listening stops is enough.
        if is_listening || !is_logged {
            tracing::warn!(
                %error,
                poll_seconds = LOOK_AGAIN.as_secs(),
                "cannot LISTEN for changes of the catalog, polling until it works"
            );
            is_logged = true;
        }
        tokio::time::sleep(CONNECT_AGAIN).await;
    }
}

async fn listen_once(
    options: &PgConnectOptions,
    heard: &watch::Sender<()>,
    is_listening: &mut bool,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *is_listening = true;
    loop {
        // A lost connection counts as a notification, because notifications may have been missed.
        listener.try_recv().await?;
        heard.send_replace(());
    }
}
