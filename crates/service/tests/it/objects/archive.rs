//! Streams whose sound is in objects.
