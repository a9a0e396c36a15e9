//! What goes wrong outside.

/// Of what kind a failure is: what to do about it depends on that alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutsideErrorKind {
    /// It is not there.
    NotFound,
    /// It is there already, or is another than it was.
    Conflict,
    /// We may not.
    Denied,
    /// It is refused for good.
    Invalid,
    /// Too many calls; later it works.
    Throttled,
    /// Not reachable, too slow, or failing on its side; later it may work.
    Unavailable,
}

/// Something outside could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct OutsideError {
    kind: OutsideErrorKind,
    what: String,
    why: String,
}

impl OutsideError {
    /// `what` says what was tried on what, for example `cannot read s3://bucket/key`; `why` what was answered. Neither
    /// holds tokens.
    #[must_use]
    pub fn new(kind: OutsideErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into() }
    }

    /// Of what kind it is.
    #[must_use]
    pub fn kind(&self) -> OutsideErrorKind {
        self.kind
    }

    /// Whether the same may work later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, OutsideErrorKind::Throttled | OutsideErrorKind::Unavailable)
    }
}
