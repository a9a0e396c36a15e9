-- State that survives the death of a process.

-- Deaths of the process since the stream last worked: counted when the stream is claimed, cleared when it has worked or
-- was released. Deaths of its decoder are counted when they happen.
ALTER TABLE streams ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN decoder_deaths INTEGER NOT NULL DEFAULT 0;

-- Position in a stream of segments, for the next worker. It was stored in the reason before.
ALTER TABLE streams ADD COLUMN progress TEXT;
UPDATE streams SET progress = reason, reason = NULL WHERE origin = 'archive' AND reason LIKE '{%';

-- Channel of the stream, so that the key of the final event is that of the start event.
ALTER TABLE detections ADD COLUMN channel TEXT;

-- Sessions whose end was reported while the row of their stream was another session's.
CREATE TABLE ended_sessions (
    stream   TEXT NOT NULL,
    session  TEXT NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (stream, session)
) STRICT, WITHOUT ROWID;

-- Objects whose processing has begun and not ended in an orderly way.
CREATE TABLE object_attempts (
    bucket     TEXT NOT NULL,
    key        TEXT NOT NULL,
    version    TEXT NOT NULL, -- names the content
    attempts   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, version)
) STRICT, WITHOUT ROWID;

-- Tracks that were not compared with the earlier tracks yet. Written with the track.
CREATE TABLE pending_comparisons (
    track INTEGER PRIMARY KEY NOT NULL REFERENCES tracks (number)
) STRICT;
