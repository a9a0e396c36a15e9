//! Facts about the state of a server and the privileges of the user.

use super::PostgresCatalog;
use crate::health::size;
use crate::{CatalogError, Fact};

/// Fraction of the server's connections in use from which a warning is given, because further clients may soon get no
/// connection. With the default of 100 connections, ten are left, of which three are reserved for superusers. At half
/// this value, servers in normal use are reported; near 1, the warning comes when clients are rejected already.
const CONNECTIONS_WARNING_RATIO: f64 = 0.9;

/// Query for missing privileges. It returns one row per kind of work: the number of the kind (1 for reading, 2 for
/// writing tracks, 3 for reading and writing the journal), the name of the user, and the `GRANT` statements for the
/// missing privileges (NULL if none is missing). Tables that do not exist in this schema version are skipped.
const MISSING_GRANTS: &str = "\
    WITH needed (kind, what, relation, privilege) AS (VALUES \
        (1, 'TABLE', 'meta', 'SELECT'), (1, 'TABLE', 'tracks', 'SELECT'), \
        (1, 'TABLE', 'constellations', 'SELECT'), (1, 'TABLE', 'changes', 'SELECT'), \
        (1, 'TABLE', 'newest', 'SELECT'), (1, 'TABLE', 'near_duplicates', 'SELECT'), \
        (1, 'TABLE', 'runs', 'SELECT'), (1, 'TABLE', 'run_tracks', 'SELECT'), \
        (1, 'TABLE', 'search', 'SELECT'), (1, 'TABLE', 'postings', 'SELECT'), \
        (1, 'TABLE', 'pending_comparisons', 'SELECT'), \
        (2, 'TABLE', 'tracks', 'INSERT'), (2, 'TABLE', 'tracks', 'UPDATE'), \
        (2, 'TABLE', 'constellations', 'INSERT'), (2, 'TABLE', 'constellations', 'DELETE'), \
        (2, 'TABLE', 'changes', 'INSERT'), (2, 'TABLE', 'newest', 'UPDATE'), \
        (2, 'TABLE', 'near_duplicates', 'INSERT'), (2, 'TABLE', 'pending_comparisons', 'INSERT'), \
        (2, 'TABLE', 'pending_comparisons', 'DELETE'), (2, 'SEQUENCE', 'tracks_number_seq', 'USAGE'), \
        (3, 'TABLE', 'streams', 'SELECT'), (3, 'TABLE', 'detections', 'SELECT'), \
        (3, 'TABLE', 'outbox', 'SELECT'), (3, 'TABLE', 'ended_sessions', 'SELECT'), \
        (3, 'TABLE', 'object_attempts', 'SELECT'), (3, 'TABLE', 'turns', 'SELECT'), \
        (3, 'TABLE', 'turns', 'INSERT'), (3, 'TABLE', 'turns', 'UPDATE'), \
        (3, 'TABLE', 'streams', 'INSERT'), (3, 'TABLE', 'streams', 'UPDATE'), (3, 'TABLE', 'streams', 'DELETE'), \
        (3, 'TABLE', 'detections', 'INSERT'), (3, 'TABLE', 'detections', 'UPDATE'), \
        (3, 'TABLE', 'detections', 'DELETE'), (3, 'TABLE', 'outbox', 'INSERT'), \
        (3, 'TABLE', 'outbox', 'UPDATE'), (3, 'TABLE', 'outbox', 'DELETE'), \
        (3, 'TABLE', 'ended_sessions', 'INSERT'), (3, 'TABLE', 'ended_sessions', 'DELETE'), \
        (3, 'TABLE', 'object_attempts', 'INSERT'), (3, 'TABLE', 'object_attempts', 'UPDATE'), \
        (3, 'TABLE', 'object_attempts', 'DELETE')), \
    looked AS (SELECT *, CASE what \
            WHEN 'SEQUENCE' THEN has_sequence_privilege(to_regclass('refrain.' || relation), privilege) \
            ELSE has_table_privilege(to_regclass('refrain.' || relation), privilege) END AS granted \
        FROM needed WHERE to_regclass('refrain.' || relation) IS NOT NULL), \
    grants AS (SELECT kind, format('GRANT %s ON %s refrain.%s TO %I', \
            string_agg(privilege, ', ' ORDER BY privilege) FILTER (WHERE NOT granted), \
            what, relation, current_user) AS text, \
            bool_or(NOT granted) AS missing \
        FROM looked GROUP BY kind, what, relation) \
    SELECT kind, current_user::text, string_agg(text, '; ' ORDER BY text) FILTER (WHERE missing) \
    FROM grants GROUP BY kind ORDER BY kind";

impl PostgresCatalog {
    pub(super) async fn check_health(&self, thorough: bool) -> Result<Vec<Fact>, CatalogError> {
        let mut facts = self.server().await?;
        facts.extend(self.rights().await?);
        let sql = "SELECT count(*) FROM refrain.pending_comparisons";
        facts.push(Fact::pending_comparisons(self.fetch_one_row::<(i64,)>(sql).await?.0));
        // A failure does not fail the whole check, because a catalog without notifications works by polling.
        facts.push(self.notifications().await);
        if thorough {
            let sql = "SELECT count(*) FROM refrain.tracks t WHERE removed_at IS NULL \
                       AND NOT EXISTS (SELECT 1 FROM refrain.constellations c WHERE c.track = t.number)";
            facts.push(Fact::without_constellation(self.fetch_one_row::<(i64,)>(sql).await?.0));
        }
        Ok(facts)
    }

    async fn server(&self) -> Result<Vec<Fact>, CatalogError> {
        let sql = "SELECT current_setting('server_version'), pg_is_in_recovery(), \
                   (SELECT max(version) FROM refrain.schema_versions), \
                   pg_database_size(current_database()), \
                   (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL), \
                   current_setting('max_connections')::bigint, \
                   coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), '')";
        let (version, standby, schema, bytes, used, max_connections, tls): (
            String,
            bool,
            i64,
            i64,
            i64,
            i64,
            String,
        ) = self.fetch_one_row(sql).await?;
        let mut facts = vec![Fact::fine("server version", version)];
        if standby {
            facts.push(Fact::warning(
                "standby",
                "yes",
                "it can be searched, not changed; name the primary server to index",
            ));
        }
        facts.push(Fact::fine("schema version", schema.to_string()));
        facts.push(Fact::fine("database size", size(u64::try_from(bytes).unwrap_or(0))));
        let value = format!("{used} of {max_connections} in use");
        facts.push(if (used as f64) < CONNECTIONS_WARNING_RATIO * max_connections as f64 {
            Fact::fine("connections", value)
        } else {
            Fact::warning("connections", value, "raise the server's max_connections, or use a pooler")
        });
        facts.push(self.encryption(tls));
        Ok(facts)
    }

    fn encryption(&self, tls: String) -> Fact {
        // A server on this machine needs no encryption. Behind the tunnel the host is unchanged, only the socket is
        // set.
        let host = self.options.get_host();
        let is_local = host.starts_with('/') || matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]");
        match (tls.is_empty(), is_local) {
            (false, _) => Fact::fine("encryption", tls),
            (true, true) => Fact::fine("encryption", "none, not needed on one machine"),
            (true, false) => Fact::warning(
                "encryption",
                "none",
                "add sslmode=verify-full to the parameters of the URL, unless the network is trusted",
            ),
        }
    }

    async fn rights(&self) -> Result<Vec<Fact>, CatalogError> {
        let rows: Vec<(i32, String, Option<String>)> = self.rows_as(MISSING_GRANTS, |query| query).await?;
        let fact = |(kind, user, missing): (i32, String, Option<String>)| {
            let name = match kind {
                1 => "may read",
                2 => "may write tracks",
                _ => "may write detections",
            };
            match missing {
                None => Fact::fine(name, format!("yes, as {user}")),
                Some(grants) => Fact::warning(
                    name,
                    format!("no, as {user}"),
                    format!("unless this is intended: {grants}"),
                ),
            }
        };
        Ok(rows.into_iter().map(fact).collect())
    }

    async fn fetch_one_row<T>(&self, sql: &'static str) -> Result<T, CatalogError>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
    {
        self.rows_as(sql, |query| query)
            .await?
            .pop()
            .ok_or_else(|| self.name.corrupt("a query returned no row"))
    }
}
