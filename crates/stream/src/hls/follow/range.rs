//! Extraction of a byte range from a response, even if the server ignored the requested range.

use bytes::Bytes;
use reqwest::header;

use crate::hls::playlist::ByteRange;
use refrain_net::{HttpRequest, ServerResponse};

/// Adds the header `Range` that requests `range`; `None` for the whole resource.
pub(super) fn with_range(request: HttpRequest<'_>, range: Option<ByteRange>) -> HttpRequest<'_> {
    let Some(ByteRange { offset, length }) = range else { return request };
    let last = offset.saturating_add(length).saturating_sub(1);
    request.header(header::RANGE, &format!("bytes={offset}-{last}"))
}

/// Returns the offset of the first byte of a response within the resource. Some servers ignore the requested range or
/// return another one.
pub(super) fn first_offset(response: &ServerResponse) -> u64 {
    // Only a 206 contains the requested range; a 200 with this header would be the whole resource.
    let content_range = response.header(header::CONTENT_RANGE).filter(|_| response.status() == 206);
    let first = content_range
        .and_then(|text| text.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
    first.unwrap_or(0)
}

/// Returns the bytes of `range` from `body`, which begins at the offset `first_offset` of the resource. Returns `None`
/// if `body` lacks some of these bytes.
pub(super) fn part(body: &Bytes, range: ByteRange, first_offset: u64) -> Option<Bytes> {
    let offset = usize::try_from(range.offset.checked_sub(first_offset)?).ok()?;
    let end = offset.checked_add(usize::try_from(range.length).ok()?)?;
    (end <= body.len()).then(|| body.slice(offset..end))
}
