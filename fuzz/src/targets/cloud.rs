//! Targets for queue messages, and for requests of clients.

use refrain_service::delivery::KeyTemplate;
use refrain_service::fuzzing;
use refrain_service::streams::PlatformEvent;

/// Parses an event of IVS or MediaLive.
pub(super) fn platform_event(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = PlatformEvent::parse(text);
}

/// Parses a message about objects, and determines the route of each object.
pub(super) fn object_event(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = fuzzing::object_route(text);
    for (_, key) in fuzzing::object_events(text).unwrap_or_default() {
        let _ = fuzzing::object_route(&key);
    }
}

/// Parses the input as a body and a query string of the API, as the URL of a database, and as a template of keys.
pub(super) fn api(bytes: &[u8]) {
    let _ = refrain_web::fuzzing::add_stream(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = refrain_web::fuzzing::queries(text);
    let _ = KeyTemplate::parse(text);
    let _ = refrain_catalog::address(text);
}
