//! Opening of the catalog. Its server may be unavailable when a process starts.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError};
use tokio_util::sync::CancellationToken;

use super::{CatalogOpener, ProcessHealth};

/// Pause before the second attempt to open the catalog. Each further pause is twice as long. A database that starts
/// together with the service needs a few seconds, which is six attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Maximum pause between two attempts. After the database is available again, the process is ready at most this time
/// later. At half this value, a long outage causes twice the log lines; at twice this value, the process is ready up to
/// 10 s late.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Opens the catalog. Retries without a time limit while its server is unavailable. Returns `None` if `stop` is
/// cancelled before.
pub(super) async fn open_catalog(
    open: &CatalogOpener,
    health: &ProcessHealth,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn Catalog>>, CatalogError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = open() => opened,
        };
        let error = match opened {
            Ok(catalog) => {
                health.set_database_available();
                return Ok(Some(catalog));
            }
            Err(error) => error,
        };
        let refused = matches!(error, CatalogError::LoginRefused { .. });
        // A refused login is retried too, because a password is often changed in the database and in the secret one
        // after the other.
        if !refused && !error.is_retryable() {
            return Err(error);
        }
        tracing::warn!(
            %error,
            retry_seconds = pause.as_secs_f64(),
            "catalog unavailable, retrying; the service is not ready"
        );
        health.set_database_unavailable(&error.to_string(), refused);
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (2 * pause).min(MAX_PAUSE),
        }
    }
}
