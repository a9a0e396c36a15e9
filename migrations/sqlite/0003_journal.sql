-- What is written down while streams are listened to. All times are milliseconds since the Unix epoch.

-- One row per stream, in its latest session.
CREATE TABLE streams (
    id          TEXT PRIMARY KEY NOT NULL,
    url         TEXT NOT NULL,
    origin      TEXT NOT NULL,
    session     TEXT,
    state       TEXT NOT NULL CHECK (state IN ('starting', 'live', 'stalled', 'ended', 'failed')),
    reason      TEXT,
    epoch       INTEGER,          -- when the first sample was heard
    created_at  INTEGER NOT NULL,
    started_at  INTEGER NOT NULL, -- of this session
    updated_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    lease_owner TEXT,
    lease_until INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    CHECK ((state IN ('ended', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (ended_at IS NULL OR lease_owner IS NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX streams_running ON streams (started_at, id) WHERE ended_at IS NULL;

-- One row per airing. A history: it refers to tracks and streams, and may outlive them.
CREATE TABLE detections (
    id                         BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    kind                       INTEGER NOT NULL CHECK (kind IN (1, 2)), -- 1 stream, 2 file
    heard_in                   TEXT NOT NULL,
    track                      INTEGER NOT NULL,
    track_id                   BLOB NOT NULL CHECK (length(track_id) = 16),
    query_start                REAL NOT NULL,    -- seconds from the first sample
    query_end                  REAL NOT NULL,
    start_at                   INTEGER NOT NULL, -- in a file milliseconds from the first sample
    end_at                     INTEGER NOT NULL,
    reference_start            REAL NOT NULL,
    speed                      REAL NOT NULL,
    pitch_cents                REAL NOT NULL,
    false_positive_probability REAL NOT NULL,
    matched_peaks              INTEGER NOT NULL,
    expected_peaks             INTEGER NOT NULL,
    first_seen                 INTEGER NOT NULL,
    last_seen                  INTEGER NOT NULL,
    is_final                   INTEGER NOT NULL CHECK (is_final IN (0, 1)),
    CHECK (end_at >= start_at)
) STRICT, WITHOUT ROWID;

-- What overlaps a time started no earlier before it than the longest detection lasts: these two find it.
CREATE INDEX detections_by_start ON detections (kind, heard_in, start_at, id);
CREATE INDEX detections_by_length ON detections (kind, heard_in, end_at - start_at);
CREATE INDEX detections_by_track ON detections (track_id, first_seen, id);
CREATE INDEX detections_open ON detections (kind, heard_in, start_at) WHERE is_final = 0;
CREATE INDEX detections_by_age ON detections (last_seen);

CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    detection       BLOB,
    sink            TEXT NOT NULL,
    key             TEXT NOT NULL,
    payload         TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0, -- counted when claimed
    next_attempt_at INTEGER NOT NULL,           -- a claim moves it to when the claimant is taken to be dead
    delivered_at    INTEGER,
    dead_at         INTEGER,
    last_error      TEXT,
    UNIQUE (sink, key),
    CHECK (delivered_at IS NULL OR dead_at IS NULL)
) STRICT;

CREATE INDEX outbox_due ON outbox (sink, next_attempt_at, id) WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_over ON outbox (coalesce(delivered_at, dead_at));
CREATE INDEX outbox_dead ON outbox (dead_at) WHERE dead_at IS NOT NULL;
