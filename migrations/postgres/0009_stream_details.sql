-- Request headers of a stream (JSON), which can contain secrets, as its URL can. Only the program interprets the text.
ALTER TABLE refrain.streams ADD COLUMN headers text;

-- The exact state of a stream if `state` does not contain it: no_audio and retrying (state stalled), silent (state live).
-- Older programs ignore it. A value that does not belong to `state` is outdated.
ALTER TABLE refrain.streams ADD COLUMN state_detail text;

-- Alerts about the audio of a stream that were reported (JSON), after which the next worker continues. Only the program
-- interprets the text.
ALTER TABLE refrain.streams ADD COLUMN alerts text;
