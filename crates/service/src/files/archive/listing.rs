//! Listing of the existing segments of a stream.

use super::progress::SegmentObject;
use crate::cloud::CloudError;
use crate::files::segment::segment_name;
use crate::files::shared::FilesContext;

/// The location of the segments of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentLocation {
    pub(super) bucket: String,
    /// Common prefix of the keys of the segments, up to the dot before the counter.
    pub(super) prefix: String,
    /// Name of the stream.
    pub(super) name: String,
    /// Counter of the segment that the session was started with.
    pub(super) counter: u64,
}

impl SegmentLocation {
    /// Parses the address of a segment, `s3://bucket/key`. Returns `None` if the address is not that of a segment.
    pub(super) fn of(url: &str, shared: &FilesContext) -> Option<Self> {
        let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
        let settings = &shared.settings;
        let segment = segment_name(key, settings.streams_prefix.len(), &settings.name_modifier)?;
        Some(Self {
            bucket: bucket.to_owned(),
            prefix: segment.prefix,
            name: segment.stream,
            counter: segment.counter,
        })
    }
}

/// Lists the segments in the order of their keys, from the first one after the key `after`. `None`: all segments.
pub(super) async fn list(
    shared: &FilesContext,
    location: &SegmentLocation,
    after: Option<&str>,
) -> Result<Vec<SegmentObject>, CloudError> {
    let settings = &shared.settings;
    let (mut all, mut after) = (Vec::new(), after.map(str::to_owned));
    loop {
        let page = shared.objects.list(&location.bucket, &location.prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.key.clone());
        all.extend(page.into_iter().filter_map(|object| {
            let segment = segment_name(&object.key, settings.streams_prefix.len(), &settings.name_modifier)?;
            // The name of a report next to a segment differs only in the extension, so the report would be taken for a
            // segment.
            let is_report = object.key.ends_with(".json");
            (segment.prefix == location.prefix && !is_report).then_some(SegmentObject {
                counter: segment.counter,
                key: object.key,
                at: object.modified_at.unwrap_or_default(),
            })
        }));
    }
}
