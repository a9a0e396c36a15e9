//! Opening of the catalog. Its server may be unavailable when a process starts.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError};
use tokio_util::sync::CancellationToken;

use super::{Health, Open};

/// Pause before the second attempt to open the catalog. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Maximum pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens the catalog. Retries without a time limit while its server is unavailable. Returns `None` if `stop` is cancelled
/// before.
pub(super) async fn catalogue(
    open: &Open,
    health: &Health,
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
                health.database_answers();
                return Ok(Some(catalog));
            }
            Err(error) => error,
        };
        let refused = matches!(error, CatalogError::LoginRefused { .. });
        if !refused && !error.is_retryable() {
            return Err(error);
        }
        tracing::warn!(%error, "catalog unavailable, retrying");
        health.database_fails(&error.to_string(), refused);
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (2 * pause).min(LONGEST_PAUSE),
        }
    }
}
