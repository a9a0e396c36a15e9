//! Query-string parameters.

use chrono::DateTime;
use refrain_catalog::{DetectionId, PageCursor};
use refrain_service::clock::{Clock, SystemClock};
use serde::Deserialize;

use super::error::ApiError;

/// Default number of rows per page. A row has about 500 bytes as JSON, so a page has 50 kB. At half this value, clients
/// need twice the requests; at twice this value, a response has twice the size.
const DEFAULT_PAGE_ROWS: u32 = 100;

/// Maximum number of rows per page. It limits a response to about 500 kB and its query to milliseconds. At half this
/// value, exports need twice the requests; at twice this value, a response needs twice the memory.
const MAX_PAGE_ROWS: u32 = 1000;

/// Default length of a time range, in milliseconds: one day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Query parameters of a request for a page of the results in a time range.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TimeQuery {
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Query parameters of a request for a page of results.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<u32>,
}

/// Query parameters of a request for a page of streams.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StreamsQuery {
    /// True to include streams that have ended.
    pub(super) all: bool,
    /// Only streams of this origin; `None`: of all origins.
    pub(super) origin: Option<String>,
    /// Id of the last stream of the previous page; `None`: the first page.
    pub(super) after: Option<String>,
    limit: Option<u32>,
}

impl TimeQuery {
    /// Returns start and end in milliseconds since 1970. By default the end is now, and the start 24 hours before the
    /// end.
    pub(super) fn times(&self) -> Result<(i64, i64), ApiError> {
        let to = self.to.as_deref().map_or_else(|| Ok(now()), parse_time)?;
        let from = self.from.as_deref().map_or_else(|| Ok(to.saturating_sub(DAY_MS)), parse_time)?;
        // Swapping both silently would hide a mistake of the caller.
        if from > to {
            return Err(ApiError::Bad("from is later than to".to_owned()));
        }
        Ok((from, to))
    }

    pub(super) fn mark(&self) -> Result<Option<PageCursor>, ApiError> {
        self.after.as_deref().map(mark).transpose()
    }

    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        limit(self.limit)
    }
}

impl PageQuery {
    pub(super) fn mark(&self) -> Result<Option<PageCursor>, ApiError> {
        self.after.as_deref().map(mark).transpose()
    }

    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        limit(self.limit)
    }
}

impl StreamsQuery {
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        limit(self.limit)
    }
}

/// Returns the current time in milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemClock.now()
}

/// Parses a time in the format of RFC 3339 or in milliseconds since 1970.
fn parse_time(text: &str) -> Result<i64, ApiError> {
    // A plus sign that was not percent-encoded arrives as a space.
    let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map(|time| time.timestamp_millis());
    time.ok().or_else(|| text.parse().ok()).ok_or_else(|| {
        ApiError::Bad(format!("invalid time {text:?}; use 2026-11-21T10:57:55Z or milliseconds since 1970"))
    })
}

/// Parses the position at which a page continues: the text that the previous page returned as `next`.
fn mark(text: &str) -> Result<PageCursor, ApiError> {
    // One closure for both parts, so that every mistake in the text gives the same message.
    let read = || {
        let (at, id) = text.split_once('_')?;
        Some(PageCursor { at: at.parse().ok()?, id: id.parse::<DetectionId>().ok()? })
    };
    read().ok_or_else(|| ApiError::Bad("after is not the value of next of an earlier page".to_owned()))
}

/// Formats the position at which the next page continues. [`mark`] parses this text.
pub(super) fn mark_text(mark: PageCursor) -> String {
    format!("{}_{}", mark.at, mark.id)
}

fn limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(DEFAULT_PAGE_ROWS) {
        limit @ 1..=MAX_PAGE_ROWS => Ok(limit),
        limit => Err(ApiError::Bad(format!("limit is {limit}; use 1 to {MAX_PAGE_ROWS}"))),
    }
}
