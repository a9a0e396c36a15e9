-- Request headers of a stream (JSON), which can contain secrets, as its URL can. Only the program interprets the text.
ALTER TABLE refrain.streams ADD COLUMN headers text;
