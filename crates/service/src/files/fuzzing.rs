//! Entry points for fuzzing the parsers of messages about objects.

use std::time::Duration;

use refrain_core::matching::MatchSettings;

use super::{event, route};
use crate::settings::FilesSettings;

/// Reads a message of S3, EventBridge or SNS; returns bucket and key of the objects that the message is about.
///
/// # Errors
/// Returns the reason why the message is invalid.
pub fn object_events(body: &str) -> Result<Vec<(String, String)>, String> {
    let events = event::parse(body)?;
    Ok(events.into_iter().map(|event| (event.object.bucket, event.object.key)).collect())
}

/// Returns the route of an object with this key as text: how the object is processed.
#[must_use]
pub fn object_route(key: &str) -> String {
    let settings = FilesSettings {
        source: None,
        index_prefix: "songs_to_index/".to_owned(),
        check_prefix: "songs_to_check/".to_owned(),
        streams_prefix: "songs_to_check/streams/".to_owned(),
        name_modifier: "_a".to_owned(),
        max_object_bytes: 1 << 30,
        segment_wait: Duration::ZERO,
        stream_end: Duration::ZERO,
        jobs: 1,
        matching: MatchSettings::default(),
    };
    format!("{:?}", route::route(key, &settings))
}
