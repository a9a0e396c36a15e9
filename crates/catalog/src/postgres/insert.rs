//! Writes many rows at once.

use sqlx::PgConnection;

use super::PostgresCatalog;
use super::copy::copy_in;
use super::plan::{BatchTrack, PlannedInsert};
use crate::{Metadata, Rule, search};

/// Total size in bytes from which constellations are written by `COPY` and not by `INSERT`. Measured on one machine:
/// copying 256 constellations of 30 kB each takes half the time of an `INSERT`, but the end of a copy adds a pause of
/// 40 ms (see the module `copy`). At half this value, that pause uses up a larger part of the time that a copy saves.
/// At twice this value, batches of 70 to 150 songs are inserted, which takes longer than copying them.
const COPY_MIN_BYTES: usize = 1 << 20;

/// A new row of `tracks`.
pub(super) struct NewRow<'a> {
    pub(super) number: i64,
    pub(super) candidate: &'a BatchTrack,
    pub(super) insert: &'a PlannedInsert,
    pub(super) added_at: i64,
}

impl NewRow<'_> {
    fn search(&self) -> String {
        search::text(&self.candidate.new.metadata, &self.candidate.new.source)
    }
}

impl PostgresCatalog {
    /// Writes tracks, and the constellations of those that are not removed again by the same batch.
    pub(super) async fn write_rows(
        &self,
        connection: &mut PgConnection,
        rows: &[NewRow<'_>],
    ) -> Result<(), sqlx::Error> {
        self.insert_tracks(connection, rows).await?;
        let constellations: Vec<_> = rows
            .iter()
            // A track that a later track of the batch replaces has a row as a record, like any replaced track, but no
            // constellation.
            .filter(|row| !row.insert.removed)
            .map(|row| (row.number, row.candidate.new.constellation.as_slice()))
            .collect();
        let pending: Vec<i64> = constellations.iter().map(|(number, _)| *number).collect();
        self.query("INSERT INTO refrain.pending_comparisons (track) SELECT * FROM unnest($1::bigint[])")
            .bind(pending)
            .execute(&mut *connection)
            .await?;
        let bytes: usize = constellations.iter().map(|(_, packed)| packed.len()).sum();
        if bytes >= COPY_MIN_BYTES {
            copy_constellations(connection, &constellations).await
        } else {
            self.insert_constellations(connection, &constellations).await
        }
    }

    /// Inserts all rows with one statement: each parameter is an array with the values of one column.
    async fn insert_tracks(
        &self,
        connection: &mut PgConnection,
        rows: &[NewRow<'_>],
    ) -> Result<(), sqlx::Error> {
        // One array per column keeps the text of the statement independent of the number of rows, so the statement is
        // prepared once.
        let column = |of: fn(&Metadata) -> &Option<String>| -> Vec<Option<&str>> {
            rows.iter().map(|row| of(&row.candidate.new.metadata).as_deref()).collect()
        };
        self.query(
        "INSERT INTO refrain.tracks (number, id, source, content, seconds, title, artist, album, isrc, label, \
         vendor, upc, release_date, category, extra, rule, added_at, removed_at, search) OVERRIDING SYSTEM VALUE \
         SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::bytea[], $5::double precision[], \
         $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], \
         $14::text[], $15::text[], $16::text[], $17::bigint[], $18::bigint[], $19::text[])",
    )
    .bind(rows.iter().map(|row| row.number).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.insert.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.candidate.new.source.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| &row.candidate.new.content.0[..]).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.candidate.new.seconds).collect::<Vec<_>>())
    .bind(column(|metadata| &metadata.title))
    .bind(column(|metadata| &metadata.artist))
    .bind(column(|metadata| &metadata.album))
    .bind(column(|metadata| &metadata.isrc))
    .bind(column(|metadata| &metadata.label))
    .bind(column(|metadata| &metadata.vendor))
    .bind(column(|metadata| &metadata.upc))
    .bind(column(|metadata| &metadata.release_date))
    .bind(column(|metadata| &metadata.category))
    .bind(rows.iter().map(|row| row.candidate.extra.as_deref()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.insert.rule.as_ref().map(Rule::as_str)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.added_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.insert.removed.then_some(row.added_at)).collect::<Vec<_>>())
    .bind(rows.iter().map(NewRow::search).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map(drop)
    }

    async fn insert_constellations(
        &self,
        connection: &mut PgConnection,
        constellations: &[(i64, &[u8])],
    ) -> Result<(), sqlx::Error> {
        let (tracks, packed): (Vec<i64>, Vec<&[u8]>) = constellations.iter().copied().unzip();
        self.query(
        "INSERT INTO refrain.constellations (track, packed) SELECT * FROM unnest($1::bigint[], $2::bytea[])",
    )
    .bind(tracks)
    .bind(packed)
    .execute(connection)
    .await
    .map(drop)
    }
}

async fn copy_constellations(
    connection: &mut PgConnection,
    constellations: &[(i64, &[u8])],
) -> Result<(), sqlx::Error> {
    let sql = "COPY refrain.constellations (track, packed) FROM STDIN (FORMAT binary)";
    copy_in(connection, sql, constellations.iter(), |rows, (track, packed)| {
        rows.row(2).value(&track.to_be_bytes()).value(packed);
    })
    .await
}
