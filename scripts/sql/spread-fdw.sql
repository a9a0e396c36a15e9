-- Moves partitions of refrain.postings to another PostgreSQL server, which postgres_fdw queries. The statements of the
-- program stay the same. Run it once for each other server, in the database of the catalog, as a superuser
-- (docs/spread.md):
--
--   psql -X -d postgres://postgres@MAIN/refrain -f scripts/sql/spread-fdw.sql \
--     -v host=db2.example.org -v port=5432 -v dbname=refrain -v user=refrain -v parts=2,3,4
--
-- host, port, dbname, user   the other server, under a name that this machine and the main server can resolve; its
--                            database must exist; user owns the tables that are created in it
-- parts                      numbers of the partitions, 0 to 7
-- role                       role that owns and uses the catalog on the main server; default: the role of this session
-- sslmode                    of the connections between the servers; default: prefer
--
-- psql takes its own passwords from ~/.pgpass. The main server logs in with the password in the environment variable
-- SPREAD_PASSWORD, if it is set.
--
-- Needs PostgreSQL 14 on both sides, for the asynchronous append; 16 is faster, because its COPY sends many rows at once.
-- Existing rows are moved; searches wait until that is done. After a failure the main server is unchanged. Then drop the
-- new tables on the other server (refrain.postings_N, which no statement reads) before another try.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\if :{?role} \else \set role :USER \endif
\if :{?sslmode} \else \set sslmode prefer \endif
\set password `printf %s "$SPREAD_PASSWORD"`
SELECT :'password' <> '' AS has_password \gset
\set main 'host=' :HOST ' port=' :PORT ' dbname=' :DBNAME ' user=' :USER
\set other 'host=' :host ' port=' :port ' dbname=' :dbname ' user=' :user ' sslmode=' :sslmode

-- The other server: tables as those of migrations/postgres/0004_runs.sql.

\connect -reuse-previous=off :other
SET client_min_messages = warning;
BEGIN;
CREATE SCHEMA IF NOT EXISTS refrain;
SELECT
    format('CREATE TABLE refrain.postings_%s (bucket integer NOT NULL, run integer NOT NULL, packed bytea NOT NULL, '
           'PRIMARY KEY (bucket, run)) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05)', part),
    format('ALTER TABLE refrain.postings_%s ALTER COLUMN packed SET STORAGE EXTERNAL', part)
FROM unnest(string_to_array(:'parts', ',')::integer[]) AS part \gexec
COMMIT;

-- The main server.

\connect -reuse-previous=off :main
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
BEGIN;
LOCK TABLE refrain.postings IN ACCESS EXCLUSIVE MODE;

-- One foreign server per partition, even on the same machine: a connection runs one statement at a time, so partitions
-- with a common connection would be read one after the other.
-- fetch_size: the rows of a partition for a lookup, some thousand of 1.5 kB, arrive in one message.
-- batch_size: rows of a new run are sent in statements of about a megabyte, not one by one.
-- use_remote_estimate: one plan is best for all estimates; requesting them would be a round trip per partition.
-- keepalives, connect_timeout: the failure of a machine is detected within half a minute.
SELECT
    format('CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, sslmode %L, '
           'async_capable ''true'', fetch_size ''10000'', batch_size ''1000'', use_remote_estimate ''false'', '
           'connect_timeout ''10'', keepalives_idle ''10'', keepalives_interval ''5'', keepalives_count ''4'')',
           server, :'host', :'port', :'dbname', :'sslmode'),
    -- The transactions on the other servers are committed at the same time, not one after the other.
    CASE WHEN :SERVER_VERSION_NUM >= 150000 THEN format('ALTER SERVER %I OPTIONS (parallel_commit ''true'')', server) END,
    format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (user %L)', :'role', server, :'user'),
    CASE WHEN :'has_password' THEN
        format('ALTER USER MAPPING FOR %I SERVER %I OPTIONS (password %L)', :'role', server, :'password') END,
    -- The role of this session inserts the rows into the foreign tables, so it needs a user mapping too.
    CASE WHEN :'role' <> current_user THEN
        format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (user %L)', server, :'user') END,
    CASE WHEN :'role' <> current_user AND :'has_password' THEN
        format('ALTER USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (password %L)', server, :'password') END,
    format('GRANT USAGE ON FOREIGN SERVER %I TO %I', server, :'role'),
    format('ALTER TABLE refrain.postings DETACH PARTITION refrain.postings_%s', part),
    format('ALTER TABLE refrain.postings_%s RENAME TO postings_%s_here', part, part),
    format('CREATE FOREIGN TABLE refrain.postings_%s PARTITION OF refrain.postings '
           'FOR VALUES WITH (MODULUS 8, REMAINDER %s) SERVER %I', part, part, server),
    format('ALTER FOREIGN TABLE refrain.postings_%s OWNER TO %I', part, :'role'),
    format('INSERT INTO refrain.postings_%s SELECT * FROM refrain.postings_%s_here', part, part),
    format('DROP TABLE refrain.postings_%s_here', part)
FROM unnest(string_to_array(:'parts', ',')::integer[]) AS part,
     LATERAL (SELECT format('refrain_%s@%s:%s', part, :'host', :'port') AS server) AS named \gexec
COMMIT;
