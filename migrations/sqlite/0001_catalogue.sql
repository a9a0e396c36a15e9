-- The catalogue. Expand/contract: a released file of this folder is never changed; a change is a new file.

-- "Rfrn": tells a catalogue from every other SQLite file.
PRAGMA application_id = 1382445678;

-- identity: 16 random bytes; an index cache belongs to one identity.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('identity', randomblob(16));

-- One row per sound that was ever indexed; numbers are never given twice. A replaced or removed track stays as a
-- record with removed_at set; the live row carries the stable id on.
CREATE TABLE tracks (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    source       TEXT NOT NULL,
    content      BLOB NOT NULL CHECK (length(content) = 32),
    seconds      REAL NOT NULL,
    title        TEXT,
    artist       TEXT,
    album        TEXT,
    isrc         TEXT,
    label        TEXT,
    vendor       TEXT,
    upc          TEXT,
    release_date TEXT,
    category     TEXT,
    extra        TEXT,             -- JSON object of texts; NULL where there is nothing
    rule         TEXT,
    added_at     INTEGER NOT NULL, -- milliseconds since the Unix epoch
    removed_at   INTEGER,
    search       TEXT NOT NULL     -- title, artist, album and source with case folded away
) STRICT;

-- A source, and an id, live at most once: the database itself says so, whatever processes race.
CREATE UNIQUE INDEX tracks_live_source ON tracks (source) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX tracks_live_id ON tracks (id) WHERE removed_at IS NULL;
CREATE INDEX tracks_removed_id ON tracks (id) WHERE removed_at IS NOT NULL;
CREATE INDEX tracks_live_content ON tracks (content) WHERE removed_at IS NULL;

-- Apart from the tracks, so that listing them reads no fingerprints. The packed form carries its own version.
CREATE TABLE constellations (
    track  INTEGER PRIMARY KEY NOT NULL REFERENCES tracks (number),
    packed BLOB NOT NULL
) STRICT;

-- What can be heard in the catalogue, as a sequence that index caches follow.
CREATE TABLE changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    track    INTEGER NOT NULL REFERENCES tracks (number),
    kind     INTEGER NOT NULL CHECK (kind IN (1, 2)) -- 1 added, 2 removed
) STRICT;

CREATE TABLE near_duplicates (
    track   INTEGER NOT NULL REFERENCES tracks (number), -- the later one
    of      INTEGER NOT NULL REFERENCES tracks (number),
    seconds REAL NOT NULL,
    PRIMARY KEY (track, of),
    CHECK (track <> of)
) STRICT, WITHOUT ROWID;

CREATE INDEX near_duplicates_of ON near_duplicates (of);
