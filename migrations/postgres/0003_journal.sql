-- What is written down while streams are listened to. All times are milliseconds since the Unix epoch.

-- One row per stream, in its latest session. Leases are renewed all the time: with room in the pages, and no index on
-- them, that changes no index.
CREATE TABLE refrain.streams (
    id          text   COLLATE "C" PRIMARY KEY,
    url         text   NOT NULL,
    origin      text   NOT NULL,
    session     text,
    state       text   NOT NULL CHECK (state IN ('starting', 'live', 'stalled', 'ended', 'failed')),
    reason      text,
    epoch       bigint,           -- when the first sample was heard
    created_at  bigint NOT NULL,
    started_at  bigint NOT NULL,  -- of this session
    updated_at  bigint NOT NULL,
    ended_at    bigint,
    lease_owner text,
    lease_until bigint,           -- by this server's clock
    attempts    bigint NOT NULL DEFAULT 0,
    CHECK ((state IN ('ended', 'failed')) = (ended_at IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (ended_at IS NULL OR lease_owner IS NULL)
) WITH (fillfactor = 50);

CREATE INDEX streams_running ON refrain.streams (started_at, id) WHERE ended_at IS NULL;

-- One row per airing. A history: it refers to tracks and streams, and may outlive them.
CREATE TABLE refrain.detections (
    id                         uuid     PRIMARY KEY,
    kind                       smallint NOT NULL CHECK (kind IN (1, 2)), -- 1 stream, 2 file
    heard_in                   text     COLLATE "C" NOT NULL,
    track                      bigint   NOT NULL,
    track_id                   uuid     NOT NULL,
    query_start                double precision NOT NULL, -- seconds from the first sample
    query_end                  double precision NOT NULL,
    start_at                   bigint   NOT NULL,         -- in a file milliseconds from the first sample
    end_at                     bigint   NOT NULL,
    reference_start            double precision NOT NULL,
    speed                      double precision NOT NULL,
    pitch_cents                double precision NOT NULL,
    false_positive_probability double precision NOT NULL,
    matched_peaks              bigint   NOT NULL,
    expected_peaks             bigint   NOT NULL,
    first_seen                 bigint   NOT NULL,
    last_seen                  bigint   NOT NULL,
    is_final                   boolean  NOT NULL,
    CHECK (end_at >= start_at)
);

-- What overlaps a time started no earlier before it than the longest detection lasts: these two find it.
CREATE INDEX detections_by_start ON refrain.detections (kind, heard_in, start_at, id);
CREATE INDEX detections_by_length ON refrain.detections (kind, heard_in, (end_at - start_at));
CREATE INDEX detections_by_track ON refrain.detections (track_id, first_seen, id);
CREATE INDEX detections_open ON refrain.detections (kind, heard_in, start_at) WHERE NOT is_final;
CREATE INDEX detections_by_age ON refrain.detections (last_seen);

CREATE TABLE refrain.outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detection       uuid,
    sink            text   COLLATE "C" NOT NULL,
    key             text   COLLATE "C" NOT NULL,
    payload         text   NOT NULL,
    created_at      bigint NOT NULL,
    attempts        bigint NOT NULL DEFAULT 0, -- counted when claimed
    next_attempt_at bigint NOT NULL,           -- a claim moves it to when the claimant is taken to be dead
    delivered_at    bigint,
    dead_at         bigint,
    last_error      text,
    UNIQUE (sink, key),
    CHECK (delivered_at IS NULL OR dead_at IS NULL)
);

CREATE INDEX outbox_due ON refrain.outbox (sink, next_attempt_at, id) WHERE delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX outbox_over ON refrain.outbox (coalesce(delivered_at, dead_at));
CREATE INDEX outbox_dead ON refrain.outbox (dead_at) WHERE dead_at IS NOT NULL;
