-- Changes of metadata and rule are told too, so that whoever keeps tracks in memory knows when to ask again.
CREATE TABLE changes_2 (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    track    INTEGER NOT NULL REFERENCES tracks (number),
    kind     INTEGER NOT NULL CHECK (kind IN (1, 2, 3)) -- 1 added, 2 removed, 3 relabelled
) STRICT;

INSERT INTO changes_2 (position, track, kind) SELECT position, track, kind FROM changes;
DROP TABLE changes;
ALTER TABLE changes_2 RENAME TO changes;
