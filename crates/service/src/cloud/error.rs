//! Errors of external services.

/// Kind of a failure. How the failure is handled depends only on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// The object does not exist.
    NotFound,
    /// The object exists already, or has been replaced.
    Conflict,
    /// Access is denied.
    Denied,
    /// The request is rejected permanently.
    Invalid,
    /// There were too many calls. A later call succeeds.
    Throttled,
    /// The service is not reachable, too slow, or has an internal failure. A later call may succeed.
    Unavailable,
}

/// A failed operation of an external service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct CloudError {
    kind: CloudErrorKind,
    what: String,
    why: String,
}

impl CloudError {
    /// Creates an error. `what` names the failed operation and its object, for example `cannot read s3://bucket/key`;
    /// `why` is the reason that the service returned. Neither may contain tokens.
    #[must_use]
    pub fn new(kind: CloudErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into() }
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn kind(&self) -> CloudErrorKind {
        self.kind
    }

    /// Returns true if the same operation may succeed later without intervention.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // Missing rights are not transient: a retry within seconds would fail the same way. Callers that wait for
        // people decide by the kind.
        matches!(self.kind, CloudErrorKind::Throttled | CloudErrorKind::Unavailable)
    }
}
