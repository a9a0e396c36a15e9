-- Where the clock of a stream without dates stands, so that the next worker continues it.
ALTER TABLE refrain.streams ADD COLUMN clock_anchor text;
