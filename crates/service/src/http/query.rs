//! What stands behind the question mark.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use refrain_catalog::{DetectionId, PageMark};
use serde::Deserialize;

use super::error::ApiError;

/// Rows of a page where nobody says how many.
const PAGE: u32 = 100;

/// Most rows of a page.
const LARGEST_PAGE: u32 = 1000;

/// Milliseconds in a day, the time that is asked for where nobody says which.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A stretch of time and a page of what is in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TimeQuery {
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// A page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PageQuery {
    after: Option<String>,
    limit: Option<u32>,
}

/// Which streams.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct StreamsQuery {
    /// Those that are over too.
    pub(super) all: bool,
    pub(super) origin: Option<String>,
    pub(super) after: Option<String>,
    limit: Option<u32>,
}

impl TimeQuery {
    /// From and to, milliseconds since 1970; the last 24 hours by default.
    pub(super) fn times(&self) -> Result<(i64, i64), ApiError> {
        let to = self.to.as_deref().map_or_else(|| Ok(now()), moment)?;
        let from = self.from.as_deref().map_or_else(|| Ok(to.saturating_sub(DAY)), moment)?;
        if from > to {
            return Err(ApiError::Bad("from is later than to".to_owned()));
        }
        Ok((from, to))
    }

    pub(super) fn mark(&self) -> Result<Option<PageMark>, ApiError> {
        self.after.as_deref().map(mark).transpose()
    }

    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        limit(self.limit)
    }
}

impl PageQuery {
    pub(super) fn mark(&self) -> Result<Option<PageMark>, ApiError> {
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

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as RFC 3339 or as milliseconds since 1970.
fn moment(text: &str) -> Result<i64, ApiError> {
    // A plus that was not escaped arrives as a blank.
    let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map(|time| time.timestamp_millis());
    time.ok().or_else(|| text.parse().ok()).ok_or_else(|| {
        ApiError::Bad(format!("{text:?} is no time; use 2026-11-21T10:57:55Z or milliseconds since 1970"))
    })
}

/// Where a page goes on, as the page before said.
fn mark(text: &str) -> Result<PageMark, ApiError> {
    let read = || {
        let (at, id) = text.split_once('_')?;
        Some(PageMark { at: at.parse().ok()?, id: id.parse::<DetectionId>().ok()? })
    };
    read().ok_or_else(|| ApiError::Bad("after is not what a page gave as next".to_owned()))
}

/// What [`mark`] reads.
pub(super) fn mark_text(mark: PageMark) -> String {
    format!("{}_{}", mark.at, mark.id)
}

fn limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=LARGEST_PAGE => Ok(limit),
        limit => Err(ApiError::Bad(format!("limit is {limit}; use 1 to {LARGEST_PAGE}"))),
    }
}
