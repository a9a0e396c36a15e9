//! The time of day of a process. Tests replace the clock.

use std::fmt::Debug;

use chrono::{DateTime, Local};

/// Source of the time of day. Leases and due times of messages do not use this clock, but the clock of the database.
pub trait Clock: Debug + Send + Sync {
    /// Returns the current time in the time zone of the process. Names of files contain this local time.
    fn local(&self) -> DateTime<Local>;

    /// Returns the current time in milliseconds since 1970.
    fn now(&self) -> i64 {
        self.local().timestamp_millis()
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn local(&self) -> DateTime<Local> {
        Local::now()
    }
}

/// Converts seconds to milliseconds, rounded to an integer. NaN becomes 0; a value out of range becomes the nearest
/// limit of `i64`.
pub(crate) fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64 // `as` saturates, and converts NaN to 0
}

/// A clock that a test sets.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualClock(std::sync::atomic::AtomicI64);

#[cfg(test)]
impl ManualClock {
    /// Sets the time, in milliseconds since 1970.
    pub(crate) fn set(&self, now: i64) {
        self.0.store(now, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn local(&self) -> DateTime<Local> {
        let now = self.0.load(std::sync::atomic::Ordering::Relaxed);
        DateTime::from_timestamp_millis(now).unwrap().with_timezone(&Local)
    }
}
