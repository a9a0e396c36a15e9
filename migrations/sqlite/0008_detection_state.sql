-- State of an airing that the worker which takes over the stream needs. Only the program interprets the text (JSON).
ALTER TABLE detections ADD COLUMN state TEXT;
