//! Lists the links between near-duplicate tracks.

use super::PostgresCatalog;
use super::row;
use crate::{CatalogError, NearDuplicate, TrackNumber};

impl PostgresCatalog {
    pub(super) async fn list_near_duplicates(
        &self,
        after: Option<(TrackNumber, TrackNumber)>,
        limit: u32,
    ) -> Result<Vec<NearDuplicate>, CatalogError> {
        let sql = "SELECT n.track, n.of, n.seconds FROM refrain.near_duplicates n \
             JOIN refrain.tracks a ON a.number = n.track AND a.removed_at IS NULL \
             JOIN refrain.tracks b ON b.number = n.of AND b.removed_at IS NULL \
             WHERE (n.track, n.of) > ($1, $2) ORDER BY n.track, n.of LIMIT $3";
        let (track, of) = after.map_or((-1, -1), |(track, of)| (i64::from(track.0), i64::from(of.0)));
        let rows: Vec<(i64, i64, f64)> =
            self.rows_as(sql, |query| query.bind(track).bind(of).bind(i64::from(limit))).await?;
        let link = |(track, of, seconds)| {
            Ok(NearDuplicate { track: row::number(track)?, of: row::number(of)?, seconds })
        };
        rows.into_iter().map(link).collect::<Result<_, _>>().map_err(|error| self.name.error(error))
    }
}
