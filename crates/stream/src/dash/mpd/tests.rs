//! Tests of the parser with manifests in all forms of the standard, and with hostile ones.

use super::*;

fn base() -> Url {
    Url::parse("https://host.example/live/stream.mpd?token=t").unwrap()
}

fn parsed(text: &str) -> Mpd {
    parse(text.as_bytes(), &base()).unwrap()
}

const FULL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!-- A comment. -->
<dash:MPD xmlns:dash="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="http://www.w3.org/1999/xlink" type="dynamic"
    availabilityStartTime="2026-01-02T03:04:05.5Z" publishTime="2026-01-02T04:00:00Z" minimumUpdatePeriod="PT2S"
    timeShiftBufferDepth="PT1M" mediaPresentationDuration="P1DT1H">
  <dash:BaseURL>https://a.example/x/</dash:BaseURL>
  <dash:BaseURL availabilityTimeOffset="1.5">https://b.example/y/</dash:BaseURL>
  <dash:Location>https://c.example/s.mpd?a=1&amp;b=2</dash:Location>
  <dash:UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="https://time.example/"/>
  <dash:Period id="p1" start="PT10S" duration="PT30S">
    <dash:SegmentTemplate timescale="48000" presentationTimeOffset="96000" media="$Number$.m4s"/>
    <dash:AdaptationSet contentType="text" mimeType="text/vtt"><dash:Representation id="t"/></dash:AdaptationSet>
    <dash:AdaptationSet id="7" contentType="audio" lang="de" mimeType="audio/mp4" codecs="mp4a.40.2">
      <dash:Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <dash:Label>Ton &#38; mehr</dash:Label>
      <dash:ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>
      <dash:ContentProtection schemeIdUri="urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED"/>
      <dash:SegmentTemplate duration="96000" startNumber="5" initialization="i-$RepresentationID$.mp4"/>
      <dash:Representation id="a" bandwidth="64000"/>
      <dash:Representation id="b" bandwidth="128000" codecs="ec-3">
        <dash:BaseURL>b/</dash:BaseURL>
        <dash:SegmentTemplate><dash:SegmentTimeline>
          <dash:S t="5" d="10" r="2"/><dash:S d="0"/><dash:S d="-4"/><dash:S d="7" r="-1"/>
        </dash:SegmentTimeline></dash:SegmentTemplate>
      </dash:Representation>
    </dash:AdaptationSet>
  </dash:Period>
  <dash:Period xlink:href="urn:mpeg:dash:resolve-to-zero:2013"/>
  <dash:Period xlink:href="https://ads.example/"/>
  <dash:Period id="p3" start="PT100S"><dash:AdaptationSet><dash:Representation id="c"/></dash:AdaptationSet></dash:Period>
</dash:MPD>"#;

#[test]
fn attributes_and_inherited_values_are_read() {
    let mpd = parsed(FULL);
    assert!(is_mpd(FULL.as_bytes()) && mpd.is_dynamic);
    assert_eq!(mpd.availability_start, Some(1_767_323_045.5));
    assert_eq!((mpd.update_period, mpd.time_shift, mpd.duration), (Some(2.0), Some(60.0), Some(90_000.0)));
    assert_eq!(mpd.locations[0].as_str(), "https://c.example/s.mpd?a=1&b=2");
    assert_eq!(mpd.clocks[0].value, "https://time.example/");
    let times: Vec<_> = mpd.periods.iter().map(|period| (period.start, period.end)).collect();
    assert_eq!(times, [(10.0, Some(40.0)), (40.0, Some(100.0)), (100.0, Some(90_000.0))]);
    assert!(mpd.periods[1].is_remote);
    let [a, b] = &mpd.periods[0].representations[..] else { panic!("{:?}", mpd.periods[0]) };
    assert_eq!((a.id.as_str(), a.bandwidth, a.language.as_deref()), ("a", 64_000, Some("de")));
    assert_eq!((a.codecs.as_deref(), b.codecs.as_deref()), (Some("mp4a.40.2"), Some("ec-3")));
    assert_eq!((a.label.as_deref(), a.protection.as_deref()), (Some("Ton & mehr"), Some("Widevine")));
    assert!(a.is_main && !a.is_description);
    let info = &a.info;
    assert_eq!((info.timescale, info.offset, info.duration), (Some(48_000), Some(96_000), Some(96_000)));
    assert_eq!((info.start_number, info.media.as_deref()), (Some(5), Some("$Number$.m4s")));
    let urls: Vec<_> = b.bases.iter().map(|base| (base.url.as_str(), base.early)).collect();
    assert_eq!(urls, [("https://a.example/x/b/", 0.0), ("https://b.example/y/b/", 1.5)]);
    let entry = |start, ticks, repeats| TimelineEntry { start, ticks, repeats };
    assert_eq!(b.info.timeline.as_deref().unwrap(), [entry(Some(5), 10, Some(2)), entry(None, 7, None)]);
}

#[test]
fn values_of_xml_schema_are_parsed() {
    for (text, seconds) in [
        ("PT0S", Some(0.0)),
        ("PT1.25S", Some(1.25)),
        ("P1DT1M", Some(86_460.0)),
        ("P2W", Some(1_209_600.0)),
        ("PT1H1M1S", Some(3_661.0)),
        ("P1000Y", Some(100.0 * 365.0 * 86_400.0)),
        ("-PT1S", None),
        ("PT-1S", None),
        ("P", None),
        ("PT", None),
        ("1", None),
        ("PT1e9S", None),
        ("PT1S2H", None),
    ] {
        assert_eq!(values::duration(text), seconds, "{text}");
    }
    assert_eq!(values::byte_range("10-19").map(|range| (range.offset, range.length)), Some((10, 10)));
    assert_eq!(values::byte_range("19-10"), None);
    assert_eq!(values::time_offset("INF"), Some(f64::INFINITY));
    assert_eq!(values::time_offset("-1"), None);
}

#[test]
fn faulty_manifests_have_named_errors() {
    let error = |text: &str| parse(text.as_bytes(), &base()).unwrap_err();
    assert!(matches!(error("<MPD><Period></MPD>"), MpdError::Xml(_)));
    assert!(matches!(error("<MPD><Period>"), MpdError::Xml(_)));
    assert!(matches!(error("<html></html>"), MpdError::Xml(_)));
    assert_eq!(error("<MPD type=\"dynamic\"/>"), MpdError::NoStartTime);
    let bomb =
        "<!DOCTYPE MPD [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><MPD><BaseURL>&b;</BaseURL></MPD>";
    assert_eq!(error(bomb), MpdError::DocType);
    assert_eq!(parsed("<MPD><BaseURL>a&b;c&amp;d/</BaseURL><Period/></MPD>").periods.len(), 1);
}

#[test]
fn hostile_manifests_are_limited() {
    let many = |part: &str, count: usize| {
        let set = "<MPD><Period><AdaptationSet mimeType=\"audio/mp4\"><Representation><SegmentTemplate><SegmentTimeline>";
        let end = "</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>";
        parse(format!("{set}{}{end}", part.repeat(count)).as_bytes(), &base())
    };
    let error = many("<S d='1'/>", 600_000).unwrap_err();
    assert!(matches!(error, MpdError::ManyElements { element: "S", .. }), "{error}");
    assert!(many("<S d='1'/>", 1_000).is_ok());
    let periods = format!("<MPD>{}</MPD>", "<Period/>".repeat(2_000));
    let error = parse(periods.as_bytes(), &base()).unwrap_err();
    assert!(matches!(error, MpdError::ManyElements { element: "Period", .. }), "{error}");
    let deep = format!("<MPD>{}", "<a>".repeat(1_000_000));
    assert!(matches!(parse(deep.as_bytes(), &base()), Err(MpdError::Xml(_))));
    let attributes = format!("<MPD {}/>", "a='1' ".repeat(1_000_000));
    assert!(parse(attributes.as_bytes(), &base()).is_ok());
    assert_eq!(parse(&vec![b' '; MAX_MPD_BYTES + 1], &base()), Err(MpdError::TooLarge(MAX_MPD_BYTES)));
}

#[test]
fn manifests_are_recognized_by_their_root() {
    assert!(is_mpd(b"\xEF\xBB\xBF\n<?xml version='1.0'?><MPD>"));
    assert!(is_mpd(b"<mpeg:MPD type='static'/>"));
    assert!(!is_mpd(b"<html><body>MPD <MPDx></body></html>"));
    assert!(!is_mpd(b"#EXTM3U\n<MPD>"));
}
