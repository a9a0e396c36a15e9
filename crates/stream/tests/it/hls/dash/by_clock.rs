//! Manifests whose segments the clock determines.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Returns a date of XML Schema.
fn iso(epoch: f64) -> String {
    let days = (epoch / 86_400.0).floor();
    // Civil date from days since 1970, for years until 2100.
    let (mut year, mut rest) = (1970, days);
    let is_leap = |year: u32| year.is_multiple_of(4);
    while rest >= if is_leap(year) { 366.0 } else { 365.0 } {
        rest -= if is_leap(year) { 366.0 } else { 365.0 };
        year += 1;
    }
    let february = if is_leap(year) { 29.0 } else { 28.0 };
    let mut month = 1;
    for length in [31.0, february, 31.0, 30.0, 31.0, 30.0, 31.0, 31.0, 30.0, 31.0, 30.0] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let second = epoch - days * 86_400.0;
    let (hours, minutes) = ((second / 3_600.0).floor(), (second / 60.0).floor() % 60.0);
    format!("{year}-{month:02}-{:02}T{hours:02}:{minutes:02}:{:06.3}Z", rest + 1.0, second % 60.0)
}

/// Returns a manifest whose segments of 0.2 s the clock determines, `begin` being the date of the first one.
fn by_clock(begin: f64, more: &str) -> String {
    let template =
        "<SegmentTemplate timescale=\"10\" duration=\"2\" startNumber=\"0\" media=\"n/$Number$.m4s\"/>";
    format!(
        "<MPD type=\"dynamic\" availabilityStartTime=\"{}\" minimumUpdatePeriod=\"PT500S\" timeShiftBufferDepth=\"PT30S\">{more}<Period start=\"PT0S\">{}</Period></MPD>",
        iso(begin),
        set(template)
    )
}

fn serve_numbers(origin: &Origin, count: u64) {
    for index in 0..count {
        origin.put(&format!("/n/{index}.m4s"), content(index), "");
    }
}

#[tokio::test]
async fn clock_of_a_server_that_is_ahead_determines_the_segments() {
    let origin = origin().await;
    serve_numbers(&origin, 200);
    // Both the time source and the manifest are 30 s ahead of this machine.
    let now = unix_now() + 30.0;
    origin.put("/time", iso(now), "text/plain");
    let clock = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-xsdate:2014\" value=\"/missing /time\"/>";
    origin.put("/live.mpd", by_clock(now - 4.0, clock), DASH);
    let mut source = open(&origin.url("/live.mpd"));
    let first = segment(&mut source).await;
    let index = (0..200).find(|index| content(*index) == first.bytes).unwrap();
    assert!((10..40).contains(&index), "segment {index}");
    let date = first.program_date_time.unwrap() - (now - 4.0);
    assert!((date - 0.2 * index as f64).abs() < 0.01, "{date} s for segment {index}");
    expect(&mut source, index + 1, 12).await;
    let status = status(&source);
    assert_eq!((status.gaps.total().count, status.resets), (0, 0), "{status:?}");
    assert_eq!(origin.request_count("/live.mpd"), 1, "the manifest does not change for 30 s");
}

#[tokio::test]
async fn stream_by_the_clock_ends_if_no_segment_can_be_fetched() {
    let origin = origin().await;
    serve_numbers(&origin, 22);
    origin.put("/live.mpd", by_clock(unix_now() - 4.0, ""), DASH);
    let settings = HlsSettings { give_up_after: Duration::from_millis(1_000), ..fast_settings() };
    let mut source = HlsSource::open(&origin.url("/live.mpd"), &client(), settings).unwrap();
    let all = rest(&mut source).await;
    let is_segment = |delivery: &&Delivery| matches!(delivery, Delivery::HlsSegment(_));
    assert!(all.iter().filter(is_segment).count() >= 2, "{all:?}");
    assert_eq!(status(&source).state, SourceState::Ended(EndReason::Silent));
}
