//! Log of received requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::header::HeaderMap;

use super::fault::Fault;

/// Maximum number of logged requests. The oldest are dropped. The limit bounds the memory of long tests.
const MAX_LOG: usize = 100_000;

/// A received request.
#[derive(Debug, Clone)]
pub struct LoggedRequest {
    /// Path, without the query.
    pub path: String,
    /// Query, without its question mark; empty for a URL without a query.
    pub query: String,
    /// Headers of the request.
    pub headers: HeaderMap,
    /// Body of the request.
    pub body: Bytes,
    /// The fault that changed the response; `None` for a regular response.
    pub fault: Option<Fault>,
    /// Time at which the request was received.
    pub at: Instant,
}

/// The requests that a server received.
#[derive(Debug, Default)]
pub(super) struct RequestLog(Mutex<VecDeque<LoggedRequest>>);

impl RequestLog {
    pub(super) fn lock(&self) -> MutexGuard<'_, VecDeque<LoggedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, request: LoggedRequest) {
        let mut log = self.lock();
        if log.len() >= MAX_LOG {
            log.pop_front();
        }
        log.push_back(request);
    }
}
