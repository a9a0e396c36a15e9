//! Generators of playlists, settings, CSV files and manifests.

use fastrand::Rng;

use super::{number, one};

/// Maximum number of lines of a text.
const MAX_LINES: u16 = 300;

const TAGS: &[&str] = &[
    "#EXTM3U",
    "#EXT-X-VERSION:",
    "#EXT-X-TARGETDURATION:",
    "#EXT-X-MEDIA-SEQUENCE:",
    "#EXTINF:",
    "#EXT-X-ENDLIST",
    "#EXT-X-BYTERANGE:",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-DISCONTINUITY-SEQUENCE:",
    "#EXT-X-KEY:",
    "#EXT-X-MAP:",
    "#EXT-X-PROGRAM-DATE-TIME:",
    "#EXT-X-DATERANGE:",
    "#EXT-X-STREAM-INF:",
    "#EXT-X-MEDIA:",
    "#EXT-X-PART:",
    "#EXT-X-PART-INF:",
    "#EXT-X-SERVER-CONTROL:",
    "#EXT-X-PRELOAD-HINT:",
    "#EXT-X-SKIP:",
    "#EXT-X-GAP",
    "#EXT-X-START:",
    "#EXT-X-DEFINE:",
    "#EXT-X-BITRATE:",
    "#EXT-X-RENDITION-REPORT:",
    "#EXT-X-CUE-OUT:",
    "#EXT-X-CUE-IN",
    "#EXT-X-I-FRAMES-ONLY",
];

const VALUES: &[&str] = &[
    "",
    "0",
    "-1",
    "6",
    "6.006,",
    "1e308,",
    "NaN,",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "METHOD=AES-128,URI=\"k\",IV=0x1",
    "METHOD=NONE",
    "METHOD=SAMPLE-AES",
    "URI=\"i.mp4\",BYTERANGE=\"99@18446744073709551615\"",
    "2026-01-01T00:00:00.000Z",
    "2026-01-01T00:00:00+9999",
    "292277026596-12-04T15:30:08Z",
    "10@0",
    "18446744073709551615@1",
    "BANDWIDTH=1,AUDIO=\"a\"",
    "TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"a.m3u8\"",
    "DURATION=1.0,URI=\"p.ts\",INDEPENDENT=YES",
    "PART-TARGET=1.0",
    "SKIPPED-SEGMENTS=4294967295",
    "CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3,CAN-SKIP-UNTIL=36",
    "ID=\"a\",START-DATE=\"2026-01-01T00:00:00Z\",DURATION=1e300",
    "NAME=\"v\",VALUE=\"{$v}x\"",
    "QUERYPARAM=\"token\"",
    "IMPORT=\"v\"",
    "URI=\"{$v}{$token}\",IV=0x{$v}",
    "\"",
    "A=\"",
    "=",
    ",,,,",
    "{$x}",
    "QUERYPARAM=\"t\"",
];

const ADDRESSES: &[&str] = &[
    "a.ts",
    "../../../a",
    "//host/a",
    "https://other.example:65536/a",
    "http://[::1]/",
    "file:///etc/passwd",
    "data:,x",
    "?",
    "#",
    "a b",
    "\u{feff}",
    "http://host/%ff",
    "HTTP://HOST/A",
    "urn:x",
    "\\\\a",
    "",
];

/// Generates an HLS playlist.
pub(super) fn playlist(rng: &mut Rng) -> Vec<u8> {
    lines(rng, "#EXTM3U", |rng| match rng.u8(..8) {
        0..=1 => one(rng, ADDRESSES).to_owned(),
        2 => format!("{}{}", one(rng, TAGS), number(rng)),
        3 => format!("#EXTINF:{}.{:03},\nseg{}.ts", rng.u8(..20), rng.u16(..1000), rng.u32(..)),
        4 => one(rng, VALUES).repeat(usize::from(rng.u8(1..50))),
        _ => format!("{}{}", one(rng, TAGS), one(rng, VALUES)),
    })
}

/// Generates a PLS or M3U playlist.
pub(super) fn station_list(rng: &mut Rng) -> Vec<u8> {
    let first = one(rng, &["[playlist]", "#EXTM3U", "\u{feff}[Playlist]", ""]);
    lines(rng, first, |rng| match rng.u8(..4) {
        0 => format!("File{}={}", number(rng), one(rng, ADDRESSES)),
        1 => format!("#EXTINF:-1,{}", one(rng, ADDRESSES)),
        2 => format!("NumberOfEntries={}", number(rng)),
        _ => one(rng, ADDRESSES).to_owned(),
    })
}

/// Generates a settings file.
pub(super) fn toml(rng: &mut Rng) -> Vec<u8> {
    const TABLES: &[&str] = &[
        "[service]",
        "[http]",
        "[queues]",
        "[bucket]",
        "[ivs]",
        "[medialive]",
        "[monitor]",
        "[metrics]",
        "[log]",
        "[aws]",
        "[outbox]",
        "[database]",
        "[[sinks]]",
        "[[streams]]",
        "[medialive.channels]",
        "[[[",
        "[a.b.c.d]",
    ];
    const KEYS: &[&str] = &[
        "catalog",
        "jobs",
        "roles",
        "capacity",
        "drain_seconds",
        "listen",
        "api_token_file",
        "streams",
        "source",
        "channels",
        "calls_per_second",
        "allow_private_addresses",
        "kind",
        "bucket",
        "key",
        "topic",
        "url",
        "path",
        "from",
        "format",
        "name",
        "timeout_seconds",
        "id",
        "level",
        "region",
        "endpoint_url",
        "false_positive_rate",
        "speed_range",
        "retention_days",
    ];
    const VALUES: &[&str] = &[
        "0",
        "-1",
        "9223372036854775807",
        "1e400",
        "nan",
        "inf",
        "true",
        "''",
        "'s3'",
        "'webhook'",
        "'folder'",
        "'sns'",
        "'{stream_id}/{file}'",
        "'{{{{'",
        "'http://user:pw@host'",
        "['monitor', 'api']",
        "[]",
        "{}",
        "'127.0.0.1:99999'",
        "1979-05-27T07:32:00Z",
        "\"\\u0000\"",
        "0x7fffffffffffffff",
    ];
    lines(rng, "", |rng| match rng.u8(..8) {
        0..=1 => one(rng, TABLES).to_owned(),
        2 => format!("{} = {}", one(rng, KEYS), "[".repeat(usize::from(rng.u16(..5000)))),
        3 => format!("{} = {}", ["a."; 64].concat(), one(rng, VALUES)),
        _ => format!("{} = {}", one(rng, KEYS), one(rng, VALUES)),
    })
}

/// Generates comma-separated values.
pub(super) fn csv(rng: &mut Rng) -> Vec<u8> {
    const CELLS: &[&str] = &[
        "file",
        "isrc",
        "title",
        "ARTIST",
        "upc",
        "a.mp3",
        "\"",
        "\"a\"\"b\"",
        "\"\n",
        "",
        " ",
        "US-S1Z-99-00001",
        "1900-01-01",
        "block",
        "nobody",
        "é",
        "\u{0}",
        "=1+1",
        "\u{202e}",
    ];
    lines(rng, "file,isrc,title,rule", |rng| {
        let cells = 1 << rng.u8(..10);
        (0..rng.u16(..cells)).map(|_| one(rng, CELLS)).collect::<Vec<_>>().join(",")
    })
}

/// Generates a manifest.
pub(super) fn manifest(rng: &mut Rng) -> Vec<u8> {
    lines(rng, "refrain-index 1", |rng| {
        let key = one(rng, &["catalog", "position", "next", "run", "removed", "checksum", "other"]);
        format!("{key} {}", number(rng))
    })
}

fn lines(rng: &mut Rng, first: &str, mut line: impl FnMut(&mut Rng) -> String) -> Vec<u8> {
    let end = one(rng, &["\n", "\n", "\r\n", "\r"]);
    let mut text = format!("{first}{end}");
    let most = if rng.u8(..8) == 0 { MAX_LINES } else { 20 };
    for _ in 0..rng.u16(..most) {
        text.push_str(&line(rng));
        text.push_str(end);
    }
    text.into_bytes()
}
