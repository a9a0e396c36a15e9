-- The catalogue. Expand/contract: a released file of this folder is never changed; a change is a new file. Numbers are
-- shared with the other databases. Everything lives in the schema refrain, and every name says so: what else is in the
-- database, and its search_path, do not matter.

-- identity: 16 random bytes; an index cache belongs to one identity.
CREATE TABLE refrain.meta (
    name  text  PRIMARY KEY,
    value bytea NOT NULL
);

INSERT INTO refrain.meta (name, value) VALUES ('identity', uuid_send(gen_random_uuid()));

-- One row per sound that was ever indexed; numbers are never given twice. A replaced or removed track stays as a
-- record with removed_at set; the live row carries the stable id on.
CREATE TABLE refrain.tracks (
    number       bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 4294967295) PRIMARY KEY,
    id           uuid   NOT NULL,
    source       text   COLLATE "C" NOT NULL,
    content      bytea  NOT NULL CHECK (length(content) = 32),
    seconds      double precision NOT NULL,
    title        text,
    artist       text,
    album        text,
    isrc         text,
    label        text,
    vendor       text,
    upc          text,
    release_date text,
    category     text,
    extra        text,             -- JSON object of texts; NULL where there is nothing
    rule         text,
    added_at     bigint NOT NULL,  -- milliseconds since the Unix epoch
    removed_at   bigint,
    search       text COLLATE "C" NOT NULL, -- title, artist, album and source with case folded away

    -- A source lives at most once: the database itself says so, whatever processes race. By hash, because a B-tree
    -- refuses texts above 2,700 bytes, and a third as large.
    CONSTRAINT tracks_live_source EXCLUDE USING hash (source WITH =) WHERE (removed_at IS NULL)
);

-- So does an id.
CREATE UNIQUE INDEX tracks_live_id ON refrain.tracks (id) WHERE removed_at IS NULL;
CREATE INDEX tracks_removed_id ON refrain.tracks (id) WHERE removed_at IS NOT NULL;
CREATE INDEX tracks_live_content ON refrain.tracks (content) WHERE removed_at IS NULL;

-- Apart from the tracks, so that listing them reads no fingerprints. The packed form carries its own version, and
-- cannot be compressed any further.
CREATE TABLE refrain.constellations (
    track  bigint PRIMARY KEY REFERENCES refrain.tracks (number),
    packed bytea  NOT NULL
);

ALTER TABLE refrain.constellations ALTER COLUMN packed SET STORAGE EXTERNAL;

-- What can be heard in the catalogue, as a sequence that index caches follow.
CREATE TABLE refrain.changes (
    position bigint   PRIMARY KEY,
    track    bigint   NOT NULL REFERENCES refrain.tracks (number),
    kind     smallint NOT NULL CONSTRAINT changes_kind CHECK (kind IN (1, 2)) -- 1 added, 2 removed
);

-- One row: the newest position. It is counted up in the transaction of the change, so there are no gaps, and whoever
-- sees a position sees all before it; a sequence promises neither.
CREATE TABLE refrain.newest (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint  NOT NULL
);

INSERT INTO refrain.newest (position) VALUES (0);

CREATE TABLE refrain.near_duplicates (
    track   bigint NOT NULL REFERENCES refrain.tracks (number), -- the later one
    of      bigint NOT NULL REFERENCES refrain.tracks (number),
    seconds double precision NOT NULL,
    PRIMARY KEY (track, of),
    CHECK (track <> of)
);

CREATE INDEX near_duplicates_of ON refrain.near_duplicates (of);
