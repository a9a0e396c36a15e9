//! Listens for notifications of changes that other processes make.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::PostgresCatalog;
use super::error::PostgresName;
use crate::Fact;

/// Channel on which [`PostgresCatalog::notifications`] sends a notification to itself.
const PROBE_CHANNEL: &str = "refrain_doctor";

/// Maximum total time of the check in [`PostgresCatalog::notifications`]: it opens a connection that listens, sends a
/// notification and receives it. A later notification counts as lost. At half this value, notifications of a remote
/// server with TLS can be reported as lost by mistake; at twice this value, `refrain doctor` takes 6 s behind a pooler,
/// where no notification arrives.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(3);

/// Channel that writers notify in the transaction of their change.
const CHANNEL: &str = "refrain_changes";

/// Interval at which the newest position is polled without a notification. Notifications can be lost with their
/// connection, and do not arrive through PgBouncer in transaction mode. At twice this value, a change is noticed later
/// than the two seconds that [`crate::ChangeFeed::wait_for_change`] promises; at half this value, an idle process sends
/// twice as many queries.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after the connection that listens failed or was lost, before the next attempt to connect. Polling bounds the
/// delay in the meantime. At half this value, a server that restarts receives twice as many connections from waiting
/// processes; at twice this value, changes are noticed by polling for 5 s longer.
const RECONNECT_PAUSE: Duration = Duration::from_secs(5);

/// Listens for notifications from the first time that a caller waits for a change.
#[derive(Debug, Default)]
pub(super) struct LazyListener(OnceLock<ChangeListener>);

#[derive(Debug)]
struct ChangeListener {
    notified: watch::Receiver<()>,
    task: AbortHandle,
}

impl Drop for ChangeListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl LazyListener {
    /// Returns a receiver whose value is marked as changed at every notification.
    pub(super) fn notified(&self, options: &PgConnectOptions) -> watch::Receiver<()> {
        // Started by the first caller that waits, so a command that never waits opens no second connection.
        let listener = self.0.get_or_init(|| {
            let (sender, notified) = watch::channel(());
            let task = tokio::spawn(listen(options.clone(), sender)).abort_handle();
            ChangeListener { notified, task }
        });
        listener.notified.clone()
    }

    /// Stops listening and closes the connection that listens, if there is one.
    pub(super) fn stop(&self) {
        if let Some(listener) = self.0.get() {
            listener.task.abort();
        }
    }
}

impl PostgresCatalog {
    /// Checks that notifications arrive, by sending one on a separate channel.
    pub(super) async fn notifications(&self) -> Fact {
        const NAME: &str = "notifications";
        const ADVICE: &str = "changes are found by polling each second; for faster ones, connect without a pooler in \
             transaction mode, and allow the user to LISTEN";
        match tokio::time::timeout(NOTIFICATION_TIMEOUT, self.send_and_receive()).await {
            Ok(Ok(())) => Fact::fine(NAME, "arrive"),
            Ok(Err(error)) => Fact::warning(NAME, format!("cannot LISTEN: {error}"), ADVICE),
            Err(_) => Fact::warning(NAME, "do not arrive", ADVICE),
        }
    }

    async fn send_and_receive(&self) -> Result<(), sqlx::Error> {
        // A separate pool: a connection that listens must not return to the pool that other calls use.
        let pool = PgPoolOptions::new().max_connections(1).connect_with(self.options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(PROBE_CHANNEL).await?;
        let mut connection = self.pool.acquire().await?;
        let sent = self.query("SELECT pg_notify($1, '')").bind(PROBE_CHANNEL);
        sent.execute(&mut *connection).await?;
        listener.recv().await.map(drop)
    }
}

/// Listens until the task is aborted. After a failure, connects again after [`RECONNECT_PAUSE`]; until the new
/// connection listens, callers that wait for a change poll every [`POLL_INTERVAL`].
async fn listen(options: PgConnectOptions, notified: watch::Sender<()>) {
    let mut is_logged = false;
    loop {
        let mut is_listening = false;
        let Err(error) = listen_once(&options, &notified, &mut is_listening).await;
        // While a server is unavailable, every attempt fails. One log line for each time that listening stops is
        // enough.
        if is_listening || !is_logged {
            tracing::warn!(
                catalog = PostgresName::new(&options).url,
                %error,
                poll_seconds = POLL_INTERVAL.as_secs(),
                retry_seconds = RECONNECT_PAUSE.as_secs(),
                "cannot LISTEN for changes of the catalog, polling the catalog and retrying LISTEN until it succeeds"
            );
            is_logged = true;
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn listen_once(
    options: &PgConnectOptions,
    notified: &watch::Sender<()>,
    is_listening: &mut bool,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *is_listening = true;
    loop {
        // A lost connection counts as a notification, because notifications may have been missed.
        listener.try_recv().await?;
        notified.send_replace(());
    }
}
