//! Tests of the clock of the server.

use super::*;

#[test]
fn early_availability_counts_for_complete_segments_only() {
    let template =
        |more: &str| format!("<SegmentTemplate timescale=\"1\" duration=\"2\" media=\"$Number$\" {more}/>");
    let count = |more: &str| {
        at(&begin(&manifest("type=\"dynamic\"", &period("start=\"PT0S\"", &template(more)))), 7.0)
            .segments
            .len()
    };
    assert_eq!(count(""), 3);
    assert_eq!(count("availabilityTimeOffset=\"1.5\""), 4);
    assert_eq!(count("availabilityTimeOffset=\"1.5\" availabilityTimeComplete=\"false\""), 3);
    assert_eq!(count("availabilityTimeOffset=\"INF\""), 3);
}

#[test]
fn clock_of_the_server_is_used() {
    let text =
        |clock: &str| manifest("type=\"dynamic\"", &format!("{clock}{}", period("start=\"PT0S\"", NUMBERS)));
    let direct = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"2026-01-01T00:00:30Z\"/>";
    let presentation = begin(&text(direct));
    assert!(presentation.time_sources().is_empty());
    assert_eq!(at(&presentation, 0.0).segments.len(), 15);
    let http = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:ntp:2014\" value=\"a\"/><UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"t1 t2\"/>";
    let presentation = begin(&text(http));
    let url = |name: &str| base().join(name).unwrap();
    assert_eq!(presentation.time_sources(), [TimeSource::Header(url("t1")), TimeSource::Header(url("t2"))]);
    presentation.measured(30.0);
    assert!(presentation.time_sources().is_empty());
    assert_eq!(at(&presentation, 0.0).segments.len(), 15);
    // The date of the response is used if it differs by more than its rounding.
    for (difference, segments) in [(30.0, 17), (1.0, 2)] {
        let presentation = Presentation::default();
        let loaded = LoadedMpd { date: Some(START + difference), ..loaded(&text("")) };
        presentation.begin(loaded, &RenditionChoice::Automatic, None).unwrap();
        assert_eq!(at(&presentation, 4.0).segments.len(), segments);
    }
    assert_eq!(http_date("Thu, 01 Jan 2026 00:00:00 GMT"), Some(START));
}
