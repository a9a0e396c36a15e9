-- Changes of metadata and rule are told too, so that whoever keeps tracks in memory knows when to ask again.
ALTER TABLE refrain.changes DROP CONSTRAINT changes_kind;
ALTER TABLE refrain.changes
    ADD CONSTRAINT changes_kind CHECK (kind IN (1, 2, 3)); -- 1 added, 2 removed, 3 relabelled
