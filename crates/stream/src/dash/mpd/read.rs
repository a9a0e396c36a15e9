//! Reading of the elements of a manifest, without inheritance.

use super::MpdError;
use super::model::{SegmentInfo, UtcTiming};
use super::protection::{join, system_name};
use super::segment_info::SegmentInfoReader;
use super::values::time_offset;
use super::xml::{Tag, XmlReader};

/// Maximum number of periods. A day with an advertisement break every 4 minutes has 720 periods. At half this value,
/// such a recording fails; at twice this value, a hostile manifest uses twice the memory.
const MAX_PERIODS: usize = 1_000;

/// Maximum number of representations of a manifest that can have audio: 10 for each of 1,000 periods. At half this
/// value, recordings with many advertisements and languages fail; at twice this value, a hostile manifest uses twice the
/// memory (each has up to 16 kB of URLs).
const MAX_REPRESENTATIONS: usize = 10_000;

/// Maximum number of elements `BaseURL`, `Location`, `UTCTiming` or `ContentProtection` in their parent. Each lists
/// alternatives, of which players try two or three. At half this value, nothing changes for known servers; at twice
/// this value, a hostile manifest uses twice the memory.
pub(super) const MAX_ALTERNATIVES: usize = 8;

/// An element `MPD`.
#[derive(Debug, Default)]
pub(super) struct RawMpd {
    pub(super) attributes: MpdAttributes,
    pub(super) bases: Vec<RawBase>,
    pub(super) locations: Vec<String>,
    pub(super) clocks: Vec<UtcTiming>,
    pub(super) periods: Vec<RawPeriod>,
}

/// The attributes of `MPD` as text.
#[derive(Debug, Default)]
pub(super) struct MpdAttributes {
    pub(super) kind: Option<String>,
    pub(super) published: Option<String>,
    pub(super) availability_start: Option<String>,
    pub(super) time_shift: Option<String>,
    pub(super) update_period: Option<String>,
    pub(super) duration: Option<String>,
}

/// An element `BaseURL`.
#[derive(Debug)]
pub(super) struct RawBase {
    pub(super) url: String,
    /// `availabilityTimeOffset` of complete segments, seconds.
    pub(super) early: f64,
}

/// An element `Period`.
#[derive(Debug, Default)]
pub(super) struct RawPeriod {
    pub(super) id: Option<String>,
    pub(super) start: Option<String>,
    pub(super) duration: Option<String>,
    /// `xlink:href`.
    pub(super) link: Option<String>,
    pub(super) level: Level,
    pub(super) sets: Vec<RawSet>,
}

/// The elements that can be on each level: period, adaptation set and representation.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) bases: Vec<RawBase>,
    pub(super) info: SegmentInfo,
    pub(super) protections: Vec<String>,
    pub(super) mime: Option<String>,
    pub(super) codecs: Option<String>,
}

/// An element `AdaptationSet`.
#[derive(Debug, Default)]
pub(super) struct RawSet {
    pub(super) id: Option<String>,
    pub(super) content: Option<String>,
    pub(super) language: Option<String>,
    pub(super) label: Option<String>,
    pub(super) is_description: bool,
    pub(super) is_main: bool,
    pub(super) level: Level,
    pub(super) representations: Vec<RawRepresentation>,
}

/// An element `Representation`.
#[derive(Debug, Default)]
pub(super) struct RawRepresentation {
    pub(super) id: Option<String>,
    pub(super) bandwidth: u64,
    pub(super) level: Level,
}

/// Reads the text of a manifest.
pub(super) fn read(text: &str) -> Result<RawMpd, MpdError> {
    let mut xml = XmlReader::new(text);
    let root = xml.next_child()?.filter(|root| root.name() == "MPD");
    let root = root.ok_or_else(|| MpdError::Xml("its root element is not MPD".to_owned()))?;
    let mut reader = ElementReader { xml, segments: SegmentInfoReader::default(), representations: 0 };
    reader.mpd(&root)
}

struct ElementReader<'a> {
    xml: XmlReader<'a>,
    segments: SegmentInfoReader,
    /// Number of representations read so far.
    representations: usize,
}

impl ElementReader<'_> {
    fn mpd(&mut self, tag: &Tag<'_>) -> Result<RawMpd, MpdError> {
        let attributes = MpdAttributes {
            kind: tag.attribute("type"),
            published: tag.attribute("publishTime"),
            availability_start: tag.attribute("availabilityStartTime"),
            time_shift: tag.attribute("timeShiftBufferDepth"),
            update_period: tag.attribute("minimumUpdatePeriod"),
            duration: tag.attribute("mediaPresentationDuration"),
        };
        let mut mpd = RawMpd { attributes, ..RawMpd::default() };
        while let Some(child) = self.xml.next_child()? {
            match child.name() {
                "BaseURL" => self.base(&child, &mut mpd.bases)?,
                "Location" => {
                    let location = self.xml.text()?;
                    push(&mut mpd.locations, location);
                }
                "UTCTiming" => {
                    let text = |name| child.attribute(name).unwrap_or_default();
                    push(&mut mpd.clocks, UtcTiming { scheme: text("schemeIdUri"), value: text("value") });
                    self.xml.skip()?;
                }
                "Period" => {
                    if mpd.periods.len() >= MAX_PERIODS {
                        return Err(MpdError::ManyElements { element: "Period", limit: MAX_PERIODS });
                    }
                    mpd.periods.push(self.period(&child)?);
                }
                _ => self.xml.skip()?,
            }
        }
        Ok(mpd)
    }

    fn period(&mut self, tag: &Tag<'_>) -> Result<RawPeriod, MpdError> {
        let mut period = RawPeriod {
            id: tag.attribute("id"),
            start: tag.attribute("start"),
            duration: tag.attribute("duration"),
            link: tag.attribute("href"),
            ..RawPeriod::default()
        };
        while let Some(child) = self.xml.next_child()? {
            match child.name() {
                "AdaptationSet" => period.sets.extend(self.set(&child)?),
                _ => self.level_child(&child, &mut period.level)?,
            }
        }
        Ok(period)
    }

    /// Reads an adaptation set. Returns `None` if it certainly has no audio.
    fn set(&mut self, tag: &Tag<'_>) -> Result<Option<RawSet>, MpdError> {
        let mut set = RawSet {
            id: tag.attribute("id"),
            content: tag.attribute("contentType"),
            language: tag.attribute("lang"),
            level: Level::of(tag),
            ..RawSet::default()
        };
        // Text and images are most of the representations of some manifests. Video can contain audio.
        let media = set.content.as_deref().or(set.level.mime.as_deref()).unwrap_or_default();
        if media.starts_with("text") || media.starts_with("image") {
            self.xml.skip()?;
            return Ok(None);
        }
        while let Some(child) = self.xml.next_child()? {
            match child.name() {
                "Role" => {
                    let role = child.attribute("value").unwrap_or_default();
                    set.is_main |= role == "main";
                    set.is_description |= matches!(role.as_str(), "description" | "commentary");
                    self.xml.skip()?;
                }
                "Accessibility" => {
                    set.is_description |= is_description(&child);
                    self.xml.skip()?;
                }
                "Label" => set.label = Some(self.xml.text()?).filter(|label| !label.is_empty()),
                "Representation" => {
                    self.representations += 1;
                    if self.representations > MAX_REPRESENTATIONS {
                        let (element, limit) = ("Representation", MAX_REPRESENTATIONS);
                        return Err(MpdError::ManyElements { element, limit });
                    }
                    set.representations.push(self.representation(&child)?);
                }
                _ => self.level_child(&child, &mut set.level)?,
            }
        }
        Ok(Some(set))
    }

    fn representation(&mut self, tag: &Tag<'_>) -> Result<RawRepresentation, MpdError> {
        let mut representation = RawRepresentation {
            id: tag.attribute("id"),
            bandwidth: tag.number("bandwidth").unwrap_or_default(),
            level: Level::of(tag),
        };
        while let Some(child) = self.xml.next_child()? {
            self.level_child(&child, &mut representation.level)?;
        }
        Ok(representation)
    }

    /// Reads a child that can be on each level, and skips any other.
    fn level_child(&mut self, tag: &Tag<'_>, level: &mut Level) -> Result<(), MpdError> {
        if let Some(kind) = SegmentInfoReader::kind(tag.name()) {
            level.info = self.segments.read(&mut self.xml, tag, kind)?;
            return Ok(());
        }
        match tag.name() {
            "BaseURL" => self.base(tag, &mut level.bases),
            "ContentProtection" => {
                let scheme = tag.attribute("schemeIdUri").unwrap_or_default();
                push(&mut level.protections, system_name(&scheme));
                self.xml.skip()
            }
            _ => self.xml.skip(),
        }
    }

    fn base(&mut self, tag: &Tag<'_>, bases: &mut Vec<RawBase>) -> Result<(), MpdError> {
        let early = tag.attribute("availabilityTimeOffset").and_then(|text| time_offset(&text));
        let is_complete = tag.attribute("availabilityTimeComplete").is_none_or(|text| text != "false");
        let early = early.filter(|_| is_complete).unwrap_or_default();
        let url = self.xml.text()?;
        push(bases, RawBase { url, early });
        Ok(())
    }
}

impl Level {
    fn of(tag: &Tag<'_>) -> Self {
        Self { mime: tag.attribute("mimeType"), codecs: tag.attribute("codecs"), ..Self::default() }
    }

    /// Returns the names of the DRM systems of this level and of the one above.
    pub(super) fn protection(&self, above: &Self) -> Option<String> {
        join(above.protections.iter().chain(&self.protections).cloned().collect())
    }
}

/// Returns true if an element `Accessibility` marks audio for the visually impaired.
fn is_description(tag: &Tag<'_>) -> bool {
    let (scheme, value) = (tag.attribute("schemeIdUri"), tag.attribute("value").unwrap_or_default());
    // AudioPurposeCS of TV-Anytime: 1 is a description for the visually impaired.
    match scheme.as_deref() {
        Some("urn:tva:metadata:cs:AudioPurposeCS:2007") => value == "1",
        Some("urn:mpeg:dash:role:2011") => value == "description",
        _ => false,
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MAX_ALTERNATIVES {
        list.push(item);
    }
}
