-- The search index as rows: runs of postings, derived from the constellations, which may be deleted at any time
-- (`refrain tracks reindex` makes them again).

CREATE TABLE refrain.runs (
    run         integer  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket_bits smallint NOT NULL, -- high bits of a hash that number its bucket
    time_bits   smallint NOT NULL, -- bits of a time on the run's time line
    postings    bigint   NOT NULL,
    tracks      integer  NOT NULL,
    gone        integer  NOT NULL DEFAULT 0, -- of these, tracks that were removed since
    dropped     boolean  NOT NULL DEFAULT false -- another run took its place; its rows are still to be deleted
);

-- Places of tracks on the time lines of their runs, in units of 23 ms.
CREATE TABLE refrain.run_tracks (
    run    integer NOT NULL,
    start  bigint  NOT NULL,
    length bigint  NOT NULL,
    track  bigint  NOT NULL,
    gone   boolean NOT NULL DEFAULT false, -- removed since
    PRIMARY KEY (run, start)
);

CREATE INDEX run_tracks_track ON refrain.run_tracks (track);

-- One row: up to which change the runs are complete, and what a search has to know of all of them together.
CREATE TABLE refrain.search (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    position   bigint NOT NULL,
    generation bigint NOT NULL, -- counts up when runs go: whoever searched them has to begin again
    tracks     bigint NOT NULL, -- that can be found
    units      bigint NOT NULL, -- their part of the time lines
    scheme     integer NOT NULL DEFAULT 0, -- version of hashes and rows; what is of another one is made again
    groups     bytea  NOT NULL  -- postings of each group of hashes, 4 bytes each, little endian; empty for none
);

INSERT INTO refrain.search (position, generation, tracks, units, groups) VALUES (0, 0, 0, 0, '');

-- A bucket's number tells the level of its run too: the hash's high bits behind a leading one. Every lookup is by
-- bucket, so the partitions may lie on different servers (docs/scale.md). A packed bucket of 1.5 kB or so, which cannot
-- be compressed any further, stays in its row.
CREATE TABLE refrain.postings (
    bucket integer NOT NULL,
    run    integer NOT NULL,
    packed bytea   NOT NULL
) PARTITION BY HASH (bucket);

ALTER TABLE refrain.postings ALTER COLUMN packed SET STORAGE EXTERNAL;

DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE refrain.postings_%s PARTITION OF refrain.postings (PRIMARY KEY (bucket, run)) '
            'FOR VALUES WITH (MODULUS 8, REMAINDER %s) '
            'WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05)', part, part);
    END LOOP;
END $$;
