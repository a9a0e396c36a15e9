//! Tests of several processes that share streams: each stream is followed by one process, taken over and released.

mod many_streams;
mod one_stream;

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, worker_name};

use crate::process::rows;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// Minimum lease duration of the settings.
const SHORT: Duration = Duration::from_secs(3);

/// Returns the number of streams whose lease this worker has.
async fn owned(catalog: &Arc<dyn Catalog>, owner: &str) -> usize {
    rows(catalog)
        .await
        .iter()
        .filter(|row| row.lease_owner.as_deref().map(worker_name) == Some(owner))
        .count()
}
