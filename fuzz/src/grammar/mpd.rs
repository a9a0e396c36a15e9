//! Generator of DASH manifests.

use fastrand::Rng;

use super::{number, one};

/// Maximum number of children of an element.
const MAX_CHILDREN: u8 = 6;

const ATTRIBUTES: &[&str] = &[
    "r",
    "t",
    "d",
    "start",
    "duration",
    "timescale",
    "startNumber",
    "endNumber",
    "presentationTimeOffset",
    "availabilityTimeOffset",
    "bandwidth",
    "indexRange",
    "range",
    "mediaRange",
    "minimumUpdatePeriod",
    "timeShiftBufferDepth",
    "mediaPresentationDuration",
    "publishTime",
    "id",
    "lang",
    "xlink:href",
];

const VALUES: &[&str] = &[
    "-1",
    "0",
    "1",
    "4294967295",
    "PT0S",
    "PT1.5S",
    "-PT1S",
    "P9999Y",
    "P1D",
    "0-99",
    "99-0",
    "INF",
    "NaN",
    "$Time%020d$",
    "$Number$",
    "$$",
    "$",
    "&amp;&#x26;&b;",
    "2026-01-01T00:00:00Z",
    "urn:mpeg:dash:resolve-to-zero:2013",
    "",
];

/// Generates a manifest.
pub(super) fn mpd(rng: &mut Rng) -> Vec<u8> {
    let kind = one(rng, &["static", "dynamic"]);
    let periods: String = (0..rng.u8(1..MAX_CHILDREN)).map(|_| period(rng)).collect();
    let start = "availabilityStartTime=\"2026-01-01T00:00:00Z\"";
    format!("<MPD type=\"{kind}\" {start}{}>{}{periods}</MPD>", attributes(rng), base(rng)).into_bytes()
}

fn period(rng: &mut Rng) -> String {
    let times = match rng.u8(..4) {
        0 => format!(" start=\"PT{}S\"", rng.u32(..100_000)),
        1 => format!(" start=\"PT{}S\" duration=\"PT{}S\"", rng.u32(..100_000), rng.u32(..100)),
        2 => format!(" duration=\"PT{}S\"", rng.u32(..100_000)),
        _ => String::new(),
    };
    let sets: String = (0..rng.u8(1..3)).map(|_| set(rng)).collect();
    format!("<Period{times}{}>{}{}{sets}</Period>", attributes(rng), base(rng), segments(rng))
}

fn set(rng: &mut Rng) -> String {
    let audio = "contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\"";
    let all: String = (0..rng.u8(1..4))
        .map(|_| {
            format!(
                "<Representation id=\"{}\"{}>{}{}</Representation>",
                rng.u8(..4),
                attributes(rng),
                base(rng),
                segments(rng)
            )
        })
        .collect();
    format!("<AdaptationSet {audio}{}>{}{all}</AdaptationSet>", attributes(rng), segments(rng))
}

fn segments(rng: &mut Rng) -> String {
    let timescale = one(rng, &["0", "1", "48000", "10000000", "18446744073709551615"]);
    let timeline = |rng: &mut Rng| {
        let entries: String = (0..rng.u8(..MAX_CHILDREN)).map(|_| entry(rng)).collect();
        format!("<SegmentTimeline>{entries}</SegmentTimeline>")
    };
    match rng.u8(..6) {
        0 => format!(
            "<SegmentTemplate timescale=\"{timescale}\" duration=\"{}\" media=\"{}\"{}/>",
            number(rng),
            one(rng, VALUES),
            attributes(rng)
        ),
        1..=2 => format!(
            "<SegmentTemplate timescale=\"{timescale}\" media=\"$Time$\"{}>{}</SegmentTemplate>",
            attributes(rng),
            timeline(rng)
        ),
        3 => format!(
            "<SegmentList timescale=\"{timescale}\" duration=\"{}\"><SegmentURL media=\"a\"/><SegmentURL mediaRange=\"5-9\"/></SegmentList>",
            number(rng)
        ),
        4 => format!("<SegmentBase indexRange=\"{}-{}\"{}/>", rng.u8(..), number(rng), attributes(rng)),
        _ => String::new(),
    }
}

fn entry(rng: &mut Rng) -> String {
    match rng.u8(..4) {
        0 => format!("<S t=\"{}\" d=\"{}\" r=\"{}\"/>", number(rng), number(rng), number(rng)),
        1 => format!("<S d=\"{}\" r=\"-1\"/>", rng.u32(1..1_000_000)),
        _ => format!("<S d=\"{}\" r=\"{}\"/>", rng.u32(..1_000_000), rng.u8(..)),
    }
}

fn base(rng: &mut Rng) -> String {
    let urls = ["a/", "https://other.example/", "http://[::1", "data:,x", "&b;"];
    (0..rng.u8(..3)).map(|_| format!("<BaseURL>{}</BaseURL>", one(rng, &urls))).collect()
}

fn attributes(rng: &mut Rng) -> String {
    (0..rng.u8(..3)).map(|_| format!(" {}=\"{}\"", one(rng, ATTRIBUTES), one(rng, VALUES))).collect()
}
