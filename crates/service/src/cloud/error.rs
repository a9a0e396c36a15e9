//! Errors of external services.

/// Kind of a failure. Callers decide by the kind alone if they retry the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloudErrorKind {
    /// The object, bucket, topic, queue or channel of the operation does not exist.
    NotFound,
    /// A write found that the object exists already, or a read found that the object has been replaced.
    Conflict,
    /// Access is denied.
    Denied,
    /// The service rejects the request permanently: the same request would be rejected again.
    Invalid,
    /// The service rejected the call because there were too many calls. A later call can succeed.
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
        // Denied access is not transient: a retry within seconds fails in the same way. A caller that retries until a
        // person has granted the access checks the kind instead.
        matches!(self.kind, CloudErrorKind::Throttled | CloudErrorKind::Unavailable)
    }
}
