//! Generator of JSON with the names that the parsers read.

use fastrand::Rng;

use super::{number, one};

/// Maximum nesting of a value that is generated recursively.
const MAX_DEPTH: u8 = 4;

/// Maximum nesting of brackets that are only opened and closed.
const MAX_BRACKETS: usize = 20_000;

const NAMES: &[&str] = &[
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
    "event_name",
    "channel_name",
    "stream_id",
    "reason",
    "channel_arn",
    "state",
    "pipelines_running_count",
    "Message",
    "Records",
    "Event",
    "eventName",
    "s3",
    "bucket",
    "object",
    "name",
    "key",
    "size",
    "etag",
    "sequencer",
    "url",
    "file",
    "isrc",
    "title",
    "artist",
    "album",
    "rule",
    "category",
    "upc",
    "release_date",
    "label",
    "vendor",
    "format",
    "tracks",
    "near_duplicates",
    "content",
    "seconds",
    "metadata",
    "constellation",
    "checksum",
    "track",
    "of",
    "end",
    "refrain",
    "custom",
];

const TEXTS: &[&str] = &[
    "",
    "IVS Stream State Change",
    "MediaLive Channel State Change",
    "Object Created",
    "aws.s3",
    "aws.ivs",
    "aws.medialive",
    "Stream Start",
    "Stream End",
    "Stream Failure",
    "Session Ended",
    "RUNNING",
    "STOPPED",
    "ObjectCreated:Put",
    "s3:TestEvent",
    "2026-03-01T10:23:43Z",
    "9999-99-99T99:99:99+99:99",
    "-1",
    "NaN",
    "block",
    "songs_to_check/a%2Bb%ZZ.mp3",
    "songs_to_check/streams/show_a.000001.ts",
    "arn:aws:ivs:eu-west-1:1:channel/a",
    "https://host/a.m3u8",
    "\\u0000",
    "\\ud800",
    "é\\n\\t",
    "AAAA",
    "refrain-export",
];

/// Generates a value. One value in sixteen is nested thousands of times.
pub(super) fn value(rng: &mut Rng) -> String {
    if rng.u8(..16) == 0 {
        let depth = rng.usize(..MAX_BRACKETS);
        let (open, close) =
            if rng.bool() { ("[".to_owned(), "]") } else { (format!("{{\"{}\":", one(rng, NAMES)), "}") };
        let close = if rng.bool() { close.repeat(depth) } else { String::new() };
        return open.repeat(depth) + "1" + &close;
    }
    let mut text = String::new();
    object(rng, MAX_DEPTH, &mut text);
    text
}

fn object(rng: &mut Rng, depth: u8, text: &mut String) {
    text.push('{');
    for index in 0..rng.u8(..10) {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&format!("\"{}\":", one(rng, NAMES)));
        any(rng, depth, text);
    }
    text.push('}');
}

fn any(rng: &mut Rng, depth: u8, text: &mut String) {
    match rng.u8(..10) {
        0 | 1 if depth > 0 => object(rng, depth - 1, text),
        2 if depth > 0 => {
            text.push('[');
            for index in 0..rng.u8(..5) {
                if index > 0 {
                    text.push(',');
                }
                any(rng, depth - 1, text);
            }
            text.push(']');
        }
        // A message in a message, as SNS sends it.
        3 if depth > 0 => {
            let mut inner = String::new();
            object(rng, depth - 1, &mut inner);
            text.push_str(&serde_json::Value::String(inner).to_string());
        }
        4 => text.push_str(&number(rng).to_string()),
        5 => text.push_str(one(rng, &["null", "true", "-0.0", "1e308", "1e999", "-1", "0.1"])),
        6 => text.push_str(&format!("\"{}\"", "x".repeat(1 << rng.u8(..15)))),
        _ => text.push_str(&format!("\"{}\"", one(rng, TEXTS))),
    }
}
