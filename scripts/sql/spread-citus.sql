-- Distributes refrain.postings over the workers of a Citus cluster, by bucket; the program does not notice. Once, in the
-- catalogue's database on the coordinator, as a superuser (docs/spread.md):
--
--   psql -X -d postgres://postgres@COORDINATOR/refrain -f scripts/sql/spread-citus.sql -v shards=32
--
-- shards   pieces of the table, several a worker, so that they can be moved to workers that come later; without: 32
--
-- NOT TESTED with Citus: there is none for the PostgreSQL that our tests run on. It was written from the documentation
-- of Citus; our tests run only what it stands on, that lookups are by bucket and that the rows may be anywhere (see
-- spread-fdw.sql). Try it on a copy.
--
-- Needs Citus 11.2: refrain.search stands on the outer side of a join with the rows. The extension has to be there and
-- the workers added (citus_set_coordinator_host, citus_add_node).
--
-- Rows that are there are moved in one transaction; searches wait meanwhile. All other tables stay what they are, on the
-- coordinator: they are small beside the rows, and refer to each other.

\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
\if :{?shards} \else \set shards 32 \endif

BEGIN;
-- Citus cuts the table by the hash of the bucket, as the partitions do: they would only cut each shard into eight. So it
-- becomes a table without partitions, otherwise that of migrations/postgres/0004_runs.sql.
LOCK TABLE refrain.postings IN ACCESS EXCLUSIVE MODE;
ALTER TABLE refrain.postings RENAME TO postings_here;
CREATE TABLE refrain.postings (
    bucket integer NOT NULL,
    run    integer NOT NULL,
    packed bytea   NOT NULL,
    PRIMARY KEY (bucket, run)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE refrain.postings ALTER COLUMN packed SET STORAGE EXTERNAL;

-- Its owner and whoever was granted something keep that.
SELECT format('ALTER TABLE refrain.postings OWNER TO %I', pg_get_userbyid(relowner))
FROM pg_class WHERE oid = 'refrain.postings_here'::regclass \gexec
SELECT format('GRANT %s ON refrain.postings TO %s', privilege_type,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl) WHERE oid = 'refrain.postings_here'::regclass AND grantee <> relowner \gexec

-- Nothing is joined with it by bucket, so it is placed for itself.
SELECT create_distributed_table('refrain.postings', 'bucket', shard_count => :shards, colocate_with => 'none') \g /dev/null
INSERT INTO refrain.postings SELECT bucket, run, packed FROM refrain.postings_here;
DROP TABLE refrain.postings_here;
COMMIT;
