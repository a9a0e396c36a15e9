//! Waiting out a server that is away.

use std::time::Duration;

use tokio::time::Instant;

use super::PostgresCatalog;
use super::open::connect;
use crate::CatalogError;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How much longer a call waits for the server, counted from its first failure.
#[derive(Debug)]
pub(super) struct Patience {
    until: Option<Instant>,
    pause: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { until: None, pause: FIRST_PAUSE }
    }
}

impl PostgresCatalog {
    /// Does something that can be done twice until the server lets it happen, or patience is at its end.
    pub(super) async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let mut patience = Patience::new();
        loop {
            match self.attempt(call()).await {
                Err(error) => self.wait_out(error, &mut patience).await?,
                done => return done,
            }
        }
    }

    /// One attempt, with an end where statements have one. A network may lose everything and say nothing; TCP
    /// itself gives up after a quarter of an hour.
    pub(super) async fn attempt<T>(
        &self,
        call: impl Future<Output = Result<T, CatalogError>>,
    ) -> Result<T, CatalogError> {
        if self.settings.statement_timeout.is_zero() {
            return call.await;
        }
        // A connection and the lock are waited for, then a few statements run. The server ends each in its time.
        let limit = (self.settings.acquire_timeout + self.settings.statement_timeout) * 2;
        let late = |_| Err(self.name.unreachable(format!("no answer within {} s", limit.as_secs_f32())));
        tokio::time::timeout(limit, call).await.unwrap_or_else(late)
    }

    /// Waits a little where the error may pass, and gives it back where it will not or has not.
    pub(super) async fn wait_out(
        &self,
        error: CatalogError,
        patience: &mut Patience,
    ) -> Result<(), CatalogError> {
        let error = match error {
            CatalogError::Busy { .. } => self.why_busy(error).await,
            error => error,
        };
        let now = Instant::now();
        let until = *patience.until.get_or_insert(now + self.settings.retry_for);
        if !error.is_passing() || now + patience.pause > until {
            return Err(error);
        }
        tokio::time::sleep(patience.pause).await;
        patience.pause = (patience.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// The pool tells only that it had no connection in time: while a server is away it keeps trying.
    async fn why_busy(&self, error: CatalogError) -> CatalogError {
        match connect(&self.options, &self.name).await {
            Ok(_) if self.pool.size() < self.settings.max_connections => {
                self.name.unreachable("it was away until now")
            }
            Ok(_) => error,
            Err(reason) => reason,
        }
    }
}
