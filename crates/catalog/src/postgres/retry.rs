//! Retries calls while the server is unavailable.

use std::time::Duration;

use tokio::time::Instant;

use super::PostgresCatalog;
use super::open::connect;
use crate::CatalogError;

/// Pause before the first retry; each further retry doubles it. A deadlock or a dropped connection is over by then, and
/// a restart takes longer. At half this value, a call makes one more attempt during a restart; at twice this value, a
/// short failure costs 50 ms more.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Maximum pause between two retries. At half this value, each waiting call sends a restarting server twice as many
/// requests; at twice this value, a call continues up to 2 s later after the server is back.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Deadline and next pause of a call that is being retried. The deadline counts from its first failure.
#[derive(Debug)]
pub struct Retry {
    until: Option<Instant>,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Retry {
    /// Creates the state of a call that has not failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { until: None, pause: FIRST_PAUSE }
    }
}

impl PostgresCatalog {
    /// Retries an idempotent call until it succeeds, fails permanently, or the time
    /// [`PostgresSettings::retry_for`](crate::PostgresSettings::retry_for) since the first failure has passed.
    ///
    /// # Errors
    /// The last error of the call.
    pub async fn retried<T, F>(&self, call: impl Fn() -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        // The time limit starts at the first failure, so a call that waits for a lock first has the full time for
        // retries.
        let mut retry = Retry::new();
        loop {
            match self.attempt(call()).await {
                Err(error) => self.pause_before_retry(error, &mut retry).await?,
                done => return done,
            }
        }
    }

    /// Makes one attempt of `call`. If the statement timeout is not zero, the attempt fails after twice the sum of
    /// [`PostgresSettings::acquire_timeout`](crate::PostgresSettings::acquire_timeout) and the statement timeout. A
    /// network can drop all packets without an error, and TCP itself reports a failure only after a quarter of an hour.
    pub(super) async fn attempt<T>(
        &self,
        call: impl Future<Output = Result<T, CatalogError>>,
    ) -> Result<T, CatalogError> {
        if self.settings.statement_timeout.is_zero() {
            return call.await;
        }
        // An attempt waits for a connection and for the lock, then executes a few statements, each limited by the
        // server.
        let limit = (self.settings.acquire_timeout + self.settings.statement_timeout) * 2;
        let timed_out = |_| Err(self.name.unreachable(format!("no answer within {} s", limit.as_secs_f32())));
        tokio::time::timeout(limit, call).await.unwrap_or_else(timed_out)
    }

    /// Pauses before the caller repeats a call that failed with `error`.
    ///
    /// # Errors
    /// The given error without a pause, if the error is permanent or the pause would end after the deadline of `retry`.
    /// The caller must not repeat the call then.
    pub async fn pause_before_retry(
        &self,
        error: CatalogError,
        retry: &mut Retry,
    ) -> Result<(), CatalogError> {
        let error = match error {
            CatalogError::Busy { .. } => self.diagnose_busy(error).await,
            error => error,
        };
        let now = Instant::now();
        let until = *retry.until.get_or_insert(now + self.settings.retry_for);
        // An error now is better than a pause that ends after the deadline.
        if !error.is_temporary() || now + retry.pause > until {
            return Err(error);
        }
        tokio::time::sleep(retry.pause).await;
        retry.pause = (retry.pause * 2).min(MAX_PAUSE);
        Ok(())
    }

    /// Returns the actual reason why the pool timed out. The pool only reports that it had no connection in time, even
    /// while the server is unavailable and the pool keeps trying to connect.
    async fn diagnose_busy(&self, error: CatalogError) -> CatalogError {
        match connect(&self.options, &self.name).await {
            // The server accepts connections again, but the pool did not reach its size, because it was waiting for the
            // server. The error is temporary, so the call is retried.
            Ok(_) if self.pool.size() < self.settings.max_connections => {
                self.name.unreachable("it was unavailable until now")
            }
            Ok(_) => error,
            Err(reason) => reason,
        }
    }
}
