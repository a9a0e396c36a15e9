-- Work that one process of all does now and then: when the next turn is.
CREATE TABLE turns (
    name TEXT PRIMARY KEY NOT NULL,
    next INTEGER NOT NULL -- milliseconds since the Unix epoch
) STRICT, WITHOUT ROWID;
