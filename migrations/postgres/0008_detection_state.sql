-- State of an airing that the worker which takes over the stream needs. Only the program interprets the text (JSON).
ALTER TABLE refrain.detections ADD COLUMN state text;
