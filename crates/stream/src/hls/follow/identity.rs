//! Identity of segments by their URIs.
//!
//! A segment can have another URI in each load of the playlist, because tokens change, and other edge servers have other
//! hosts and folders. But after a restart of an encoder, new segments can differ from old ones only in a folder or in the
//! query. So the folders and parameters that stay equal from load to load identify a segment, together with its file
//! name and byte range. The URIs of the same media sequence number in two loads show which of them stay equal.

use std::hash::{DefaultHasher, Hash, Hasher};

use url::Url;

use crate::hls::playlist::{ByteRange, MediaSegment};

#[cfg(test)]
mod tests;

/// Maximum number of parts of a URI that are compared: folders and query parameters. Signed URLs have up to 15. At
/// half this value, the last parameters of long queries are ignored; at twice this value, a stream with hostile URIs
/// needs 64 kB more.
const MAX_PARTS: usize = 32;

/// Maximum number of parts about which a stream learns: more than the URIs of one playlist have, so that a change of
/// their form is learned too. At half this value, parts of a new form can be ignored; at twice this value, a hostile
/// playlist whose parameters change with each load needs more time.
const MAX_LEARNED_PARTS: usize = 2 * MAX_PARTS;

/// Number of loads in which a part must be equal until it identifies segments. A token can be equal in two loads by
/// chance, if a cache returned them. At half this value, a restart is seen where only a token changed; at twice this
/// value, a restart in the first six loads of a stream with equal file names is not seen.
const MIN_EQUAL_LOADS: u32 = 3;

/// URI and byte range of a segment, as hashes. The host is left out, because a segment has the same name on all edge
/// servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentName {
    /// Same as [`name_of`].
    file: u64,
    parts: Box<[UriPart]>,
}

/// A part of a URI, as hashes of its name and its value. The name of a folder is its distance from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UriPart {
    name: u32,
    value: u32,
}

impl SegmentName {
    pub(super) fn of(segment: &MediaSegment) -> Self {
        let url = &segment.url;
        let folders = url.path().rsplit('/').skip(1).enumerate();
        let folders = folders.map(|(distance, folder)| UriPart::new("folder", distance, &folder));
        let query = url.query().into_iter().flat_map(|query| query.split('&'));
        // A parameter without a name is a value: a query can consist of a token only.
        let query = query.map(|pair| pair.split_once('=').unwrap_or(("", pair)));
        let query = query.map(|(name, value)| UriPart::new(name, usize::MAX, &value));
        let parts = folders.chain(query).take(MAX_PARTS);
        Self { file: file_of(segment), parts: parts.collect() }
    }

    /// Returns true if the segment has the same file name and byte range.
    pub(super) fn has_file_of(&self, segment: &MediaSegment) -> bool {
        self.file == file_of(segment)
    }

    /// Returns true if the segment has the same URI, except for the host, and the same byte range.
    pub(super) fn equals(&self, segment: &MediaSegment) -> bool {
        self.has_file_of(segment) && *self == Self::of(segment)
    }

    fn value_of(&self, name: u32) -> Option<u32> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.value)
    }
}

impl UriPart {
    fn new(name: &str, distance: usize, value: &impl Hash) -> Self {
        Self { name: hash(&(name, distance)), value: hash(value) }
    }
}

/// The parts of the URIs that identify segments, learned from the loads of a playlist.
#[derive(Debug, Default)]
pub(super) struct StableParts(Vec<LearnedPart>);

#[derive(Debug)]
struct LearnedPart {
    name: u32,
    /// Number of loads in which the part was equal; `None` once it differed.
    equal_loads: Option<u32>,
}

impl StableParts {
    /// Learns from the URI of a segment in an earlier load, and the segment in the current load. Another file name
    /// means another segment, so nothing is learned.
    pub(super) fn learn(&mut self, before: &SegmentName, segment: &MediaSegment) {
        if !before.has_file_of(segment) {
            return;
        }
        let now = SegmentName::of(segment);
        for part in &before.parts {
            let is_equal = now.value_of(part.name) == Some(part.value);
            if let Some(learned) = self.0.iter_mut().find(|learned| learned.name == part.name) {
                let loads = learned.equal_loads.filter(|_| is_equal);
                learned.equal_loads = loads.map(|loads| loads.saturating_add(1));
            } else if self.0.len() < MAX_LEARNED_PARTS {
                self.0.push(LearnedPart { name: part.name, equal_loads: is_equal.then_some(1) });
            }
        }
    }

    /// Returns true if the segment has the file name of `name` and the same value of each part that identifies
    /// segments.
    pub(super) fn matches(&self, name: &SegmentName, segment: &MediaSegment) -> bool {
        if !name.has_file_of(segment) {
            return false;
        }
        let other = SegmentName::of(segment);
        let mut parts = name.parts.iter().filter(|part| self.identifies(part.name));
        parts.all(|part| other.value_of(part.name) == Some(part.value))
    }

    fn identifies(&self, name: u32) -> bool {
        let learned = self.0.iter().find(|learned| learned.name == name);
        learned.and_then(|learned| learned.equal_loads).is_some_and(|loads| loads >= MIN_EQUAL_LOADS)
    }
}

fn file_of(segment: &MediaSegment) -> u64 {
    name_of(&segment.url, segment.range)
}

/// Returns a hash of file name and byte range.
pub(super) fn name_of(url: &Url, range: Option<ByteRange>) -> u64 {
    let mut hasher = DefaultHasher::new();
    url.path().rsplit('/').next().hash(&mut hasher);
    range.hash(&mut hasher);
    hasher.finish()
}

/// Returns the lower 32 bits of a hash. They are sufficient to compare the parts of two URIs, and need half the memory.
fn hash(value: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish() as u32
}
