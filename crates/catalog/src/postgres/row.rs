//! Conversion of rows of `tracks`.

use std::str::FromStr;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::PostgresName;
use crate::{CatalogError, ContentHash, Metadata, Rule, Track, TrackId, TrackNumber};

/// A query of whole tracks, with the columns that [`track`] reads.
macro_rules! select_tracks {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, source, content, seconds, title, artist, album, isrc, label, vendor, upc, \
             release_date, category, extra, rule, added_at, removed_at FROM refrain.tracks ",
            $rest
        )
    };
}
pub(super) use select_tracks;

/// Converts a row of [`select_tracks`].
pub(super) fn track(row: &PgRow, name: &PostgresName) -> Result<Track, CatalogError> {
    read_track(row).map_err(|error| name.error(error))
}

fn read_track(row: &PgRow) -> Result<Track, sqlx::Error> {
    let extra: Option<&str> = row.try_get("extra")?;
    // Parsed again, because other programs can write to the database.
    let rule: Option<&str> = row.try_get("rule")?;
    Ok(Track {
        number: number(row.try_get("number")?)?,
        id: TrackId(row.try_get("id")?),
        source: row.try_get("source")?,
        content: ContentHash(row.try_get::<&[u8], _>("content")?.try_into().map_err(damaged)?),
        seconds: row.try_get("seconds")?,
        metadata: Metadata {
            title: row.try_get("title")?,
            artist: row.try_get("artist")?,
            album: row.try_get("album")?,
            isrc: row.try_get("isrc")?,
            label: row.try_get("label")?,
            vendor: row.try_get("vendor")?,
            upc: row.try_get("upc")?,
            release_date: row.try_get("release_date")?,
            category: row.try_get("category")?,
            extra: extra.map(serde_json::from_str).transpose().map_err(damaged)?.unwrap_or_default(),
        },
        rule: rule.map(Rule::from_str).transpose().map_err(damaged)?,
        added_at: row.try_get("added_at")?,
        removed_at: row.try_get("removed_at")?,
    })
}

/// Converts a stored track number.
pub(super) fn number(stored: i64) -> Result<TrackNumber, sqlx::Error> {
    u32::try_from(stored).map(TrackNumber).map_err(damaged)
}

/// Converts a stored count of 32 bits.
pub(super) fn count(stored: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(stored).map_err(damaged)
}

fn damaged(reason: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(reason))
}

/// Returns the content of the `extra` column, or `None` if there are no other values.
pub(super) fn extra(metadata: &Metadata, name: &PostgresName) -> Result<Option<String>, CatalogError> {
    // NULL instead of `{}` takes no space in the row.
    if metadata.extra.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(&metadata.extra);
    text.map(Some).map_err(|error| name.invalid(format!("free values of the metadata: {error}")))
}
