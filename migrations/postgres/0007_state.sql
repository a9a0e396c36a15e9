-- State that survives the death of a process.

-- Deaths of the process since the stream last worked: counted when the stream is claimed, cleared when it has worked or
-- was released. Deaths of its decoder are counted when they happen.
ALTER TABLE refrain.streams ADD COLUMN deaths bigint NOT NULL DEFAULT 0;
ALTER TABLE refrain.streams ADD COLUMN decoder_deaths bigint NOT NULL DEFAULT 0;

-- Position in a stream of segments, for the next worker. It was stored in the reason before.
ALTER TABLE refrain.streams ADD COLUMN progress text;
UPDATE refrain.streams SET progress = reason, reason = NULL WHERE origin = 'archive' AND reason LIKE '{%';

-- Channel of the stream, so that the key of the final event is that of the start event.
ALTER TABLE refrain.detections ADD COLUMN channel text;

-- Sessions whose end was reported while the row of their stream was another session's.
CREATE TABLE refrain.ended_sessions (
    stream   text   COLLATE "C" NOT NULL,
    session  text   COLLATE "C" NOT NULL,
    ended_at bigint NOT NULL,
    PRIMARY KEY (stream, session)
);

-- Objects whose processing has begun and not ended in an orderly way. An object's name is as long as 1,024 bytes, which
-- its index takes.
CREATE TABLE refrain.object_attempts (
    bucket     text   COLLATE "C" NOT NULL,
    key        text   COLLATE "C" NOT NULL,
    version    text   COLLATE "C" NOT NULL, -- names the content
    attempts   bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (bucket, key, version)
);

-- Tracks that were not compared with the earlier tracks yet. Written with the track.
CREATE TABLE refrain.pending_comparisons (
    track bigint PRIMARY KEY REFERENCES refrain.tracks (number)
);
