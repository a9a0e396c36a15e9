//! The catalogue, which may be away when a process starts.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError};
use tokio_util::sync::CancellationToken;

use super::{Health, Open};

/// First pause before the catalogue is opened again; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens the catalogue, and waits for a server that is away as long as it takes. `None` if the end comes first.
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
        tracing::warn!(%error, "the catalogue is waited for");
        health.database_fails(&error.to_string(), refused);
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (2 * pause).min(LONGEST_PAUSE),
        }
    }
}
