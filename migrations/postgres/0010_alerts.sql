-- Alerts about the audio of a stream that were reported (JSON), after which the next worker continues. Only the program interprets the text.
ALTER TABLE refrain.streams ADD COLUMN alerts text;
