//! Byte ranges of servers that heed them, and of others.

use bytes::Bytes;
use reqwest::header;

use crate::hls::playlist::ByteRange;
use crate::http::Answer;

/// First byte of what an answer has of its resource: not all servers heed a range, or just the right one.
pub(super) fn begin(answer: &Answer) -> u64 {
    let told = answer.header(header::CONTENT_RANGE).filter(|_| answer.status() == 206);
    let first =
        told.and_then(|text| text.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
    first.unwrap_or(0)
}

/// A part of a resource, of `body` that begins at `begin`.
pub(super) fn part(body: &Bytes, range: ByteRange, begin: u64) -> Option<Bytes> {
    let offset = usize::try_from(range.offset.checked_sub(begin)?).ok()?;
    let end = offset.checked_add(usize::try_from(range.length).ok()?)?;
    (end <= body.len()).then(|| body.slice(offset..end))
}
