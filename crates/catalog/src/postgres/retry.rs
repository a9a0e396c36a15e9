//! Waiting out a server that is away.

use std::time::Duration;

use tokio::time::Instant;

use super::PostgresCatalog;
use super::open::connect;
use crate::CatalogError;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How much longer a call waits for the server.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
}

impl PostgresCatalog {
    pub(super) fn patience(&self) -> Patience {
        Patience { until: Instant::now() + self.settings.retry_for, pause: FIRST_PAUSE }
    }

    /// Does something that can be done twice until the server lets it happen, or patience is at its end.
    pub(super) async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let mut patience = self.patience();
        loop {
            match call().await {
                Err(error) => self.wait_out(error, &mut patience).await?,
                done => return done,
            }
        }
    }

    /// Waits a little where the error may pass, and gives it back where it will not or has not.
    pub(super) async fn wait_out(
        &self,
        error: CatalogError,
        patience: &mut Patience,
    ) -> Result<(), CatalogError> {
        let error = match error {
            // While a server is away, the pool keeps trying, and does not say so.
            CatalogError::Busy { .. } => match connect(&self.options, &self.name).await {
                Ok(_) => error,
                Err(reason) => reason,
            },
            error => error,
        };
        if !error.is_passing() || Instant::now() + patience.pause > patience.until {
            return Err(error);
        }
        tokio::time::sleep(patience.pause).await;
        patience.pause = (patience.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
