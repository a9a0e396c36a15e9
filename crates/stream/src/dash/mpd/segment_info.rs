//! Reading of `SegmentTemplate`, `SegmentList` and `SegmentBase`, and their inheritance.

use std::sync::Arc;

use super::MpdError;
use super::model::{AddressingKind, Resource, SegmentInfo, TimelineEntry};
use super::values::{byte_range, time_offset};
use super::xml::{Tag, XmlReader};

/// Maximum number of elements `S` and `SegmentURL` of a manifest: 11 audio representations of a day of 2-s segments
/// without repetitions. At half this value, such manifests with more languages fail; at twice this value, a hostile
/// manifest uses twice the memory (20 MB).
const MAX_ENTRIES: usize = 500_000;

/// Reads the segments of elements, and counts them against the limit.
#[derive(Debug, Default)]
pub(super) struct SegmentInfoReader {
    entries: usize,
}

impl SegmentInfoReader {
    /// Returns the addressing kind of an element, or `None` if it is another element.
    pub(super) fn kind(name: &str) -> Option<AddressingKind> {
        match name {
            "SegmentTemplate" => Some(AddressingKind::Template),
            "SegmentList" => Some(AddressingKind::List),
            "SegmentBase" => Some(AddressingKind::Base),
            _ => None,
        }
    }

    /// Reads the element `tag` to its end.
    pub(super) fn read(
        &mut self,
        xml: &mut XmlReader<'_>,
        tag: &Tag<'_>,
        kind: AddressingKind,
    ) -> Result<SegmentInfo, MpdError> {
        let text = |name| tag.attribute(name).map(Arc::from);
        let early = tag.attribute("availabilityTimeOffset").and_then(|text| time_offset(&text));
        // Otherwise only the first chunk of a segment is available earlier.
        let is_complete = tag.attribute("availabilityTimeComplete").is_none_or(|text| text != "false");
        let mut info = SegmentInfo {
            kind: Some(kind),
            timescale: tag.number("timescale"),
            offset: tag.number("presentationTimeOffset"),
            duration: tag.number("duration"),
            start_number: tag.number("startNumber"),
            end_number: tag.number("endNumber"),
            media: text("media"),
            init_template: text("initialization"),
            index: tag.attribute("indexRange").and_then(|text| byte_range(&text)),
            early: early.filter(|_| is_complete),
            ..SegmentInfo::default()
        };
        let mut list = Vec::new();
        while let Some(child) = xml.next_child()? {
            match child.name() {
                "SegmentTimeline" => info.timeline = Some(self.timeline(xml)?),
                "Initialization" => {
                    info.init = Some(Arc::new(resource(&child, "sourceURL", "range")));
                    xml.skip()?;
                }
                "SegmentURL" => {
                    self.count("SegmentURL")?;
                    list.push(resource(&child, "media", "mediaRange"));
                    xml.skip()?;
                }
                _ => xml.skip()?,
            }
        }
        info.list = (!list.is_empty()).then(|| list.into());
        Ok(info)
    }

    fn timeline(&mut self, xml: &mut XmlReader<'_>) -> Result<Arc<[TimelineEntry]>, MpdError> {
        let mut entries = Vec::new();
        while let Some(tag) = xml.next_child()? {
            if tag.name() == "S" {
                self.count("S")?;
                // An entry without a duration has no end, so it cannot be used.
                if let Some(ticks) = tag.number("d").filter(|ticks| *ticks > 0) {
                    let repeats = tag.attribute("r").map_or(Some(0), |text| match text.strip_prefix('-') {
                        Some(_) => None,
                        None => Some(text.parse().unwrap_or(0)),
                    });
                    entries.push(TimelineEntry { start: tag.number("t"), ticks, repeats });
                }
            }
            xml.skip()?;
        }
        Ok(entries.into())
    }

    fn count(&mut self, element: &'static str) -> Result<(), MpdError> {
        self.entries += 1;
        match self.entries {
            MAX_ENTRIES.. => Err(MpdError::ManyElements { element, limit: MAX_ENTRIES }),
            _ => Ok(()),
        }
    }
}

fn resource(tag: &Tag<'_>, url: &str, range: &str) -> Resource {
    let range = tag.attribute(range).and_then(|text| byte_range(&text));
    Resource { url: tag.attribute(url), range }
}

impl SegmentInfo {
    /// Adds the values of the element above that this one does not have.
    pub(super) fn inherit(self, above: &Self) -> Self {
        Self {
            kind: self.kind.or(above.kind),
            timescale: self.timescale.or(above.timescale),
            offset: self.offset.or(above.offset),
            duration: self.duration.or(above.duration),
            start_number: self.start_number.or(above.start_number),
            end_number: self.end_number.or(above.end_number),
            timeline: self.timeline.or_else(|| above.timeline.clone()),
            media: self.media.or_else(|| above.media.clone()),
            init_template: self.init_template.or_else(|| above.init_template.clone()),
            init: self.init.or_else(|| above.init.clone()),
            list: self.list.or_else(|| above.list.clone()),
            index: self.index.or(above.index),
            early: self.early.or(above.early),
        }
    }
}
