-- Distributes refrain.postings over the workers of a Citus cluster, by bucket. The statements of the program stay the
-- same. Run it once, in the database of the catalog on the coordinator, as a superuser (docs/spread.md):
--
--   psql -X -d postgres://postgres@COORDINATOR/refrain -f scripts/sql/spread-citus.sql -v shards=32
--
-- shards   number of pieces of the table: several per worker, so that they can be moved to later workers; default: 32
--
-- NOT TESTED with Citus, because the PostgreSQL of the tests has no package of it. The script was written from the
-- documentation of Citus. The tests check only its requirements: lookups are by bucket, and the rows can be on other
-- servers (spread-fdw.sql). Try it on a copy.
--
-- Needs Citus 11.2, because refrain.search is on the outer side of a join with the rows. The extension must be installed
-- and the workers added (citus_set_coordinator_host, citus_add_node).
--
-- Existing rows are moved in one transaction; searches wait until it ends. All other tables stay local tables of the
-- coordinator: they are small compared with the rows, and refer to each other.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\if :{?shards} \else \set shards 32 \endif

BEGIN;
-- Citus divides the table by the hash of the bucket, as the partitions do; with them each shard would have eight parts. So
-- this is the table of migrations/postgres/0004_runs.sql without partitions.
LOCK TABLE refrain.postings IN ACCESS EXCLUSIVE MODE;
ALTER TABLE refrain.postings RENAME TO postings_here;
CREATE TABLE refrain.postings (
    bucket integer NOT NULL,
    run    integer NOT NULL,
    packed bytea   NOT NULL,
    PRIMARY KEY (bucket, run)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE refrain.postings ALTER COLUMN packed SET STORAGE EXTERNAL;

-- Owner and grants are those of the old table.
SELECT format('ALTER TABLE refrain.postings OWNER TO %I', pg_get_userbyid(relowner))
FROM pg_class WHERE oid = 'refrain.postings_here'::regclass \gexec
SELECT format('GRANT %s ON refrain.postings TO %s', privilege_type,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl) WHERE oid = 'refrain.postings_here'::regclass AND grantee <> relowner \gexec

-- No other table is joined with it by bucket, so it needs no common placement.
SELECT create_distributed_table('refrain.postings', 'bucket', shard_count => :shards, colocate_with => 'none') \g /dev/null
INSERT INTO refrain.postings SELECT bucket, run, packed FROM refrain.postings_here;
DROP TABLE refrain.postings_here;
COMMIT;
