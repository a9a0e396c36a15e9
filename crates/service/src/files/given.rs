//! What people say of a song, beside its sound: metadata and tags of its object, and a `.json` beside it.

use crate::metadata::{Fields, json_cells, known_name};
use crate::outside::{ObjectFacts, ObjectName, OutsideError, OutsideErrorKind};

use super::route::without_extension;
use super::shared::Shared;

/// Longest file with metadata, bytes.
const LONGEST: u64 = 1 << 20;

/// What was said, and by which content of which files.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Given {
    pub(super) fields: Fields,
    /// ETags of the files beside it.
    read: Vec<Option<String>>,
}

impl Given {
    /// Whether files beside the song came, or changed, since the other was read.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        self.read != other.read
    }
}

/// Everything that is said of a song: the file beside it goes over metadata of the object, that over its tags.
///
/// What is wrong in it is logged and left out; the song has a right to be learnt all the same.
pub(super) async fn given(
    shared: &Shared,
    object: &ObjectName,
    facts: &ObjectFacts,
) -> Result<Given, OutsideError> {
    let Given { fields: beside, read } = beside(shared, object).await?;
    let metadata = facts.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let metadata = known_fields(object, "metadata", metadata);
    let tags = tags(shared, object).await?;
    Ok(Given { fields: beside.over(metadata).over(tags), read })
}

/// What the files beside a song say: `<key>.json` goes over `<key without extension>.json`.
pub(super) async fn beside(shared: &Shared, object: &ObjectName) -> Result<Given, OutsideError> {
    let mut all = Given::default();
    for key in [format!("{}.json", object.key), format!("{}.json", without_extension(&object.key))] {
        let name = ObjectName { bucket: object.bucket.clone(), key };
        let (fields, etag) = file(shared, &name).await?;
        all.fields = all.fields.over(fields);
        all.read.push(etag);
    }
    Ok(all)
}

/// What one file says, and which content of it that is; nothing if it is not there.
async fn file(shared: &Shared, name: &ObjectName) -> Result<(Fields, Option<String>), OutsideError> {
    let nothing = (Fields::default(), None);
    let Some(facts) = shared.facts(name).await? else { return Ok(nothing) };
    if facts.size > LONGEST {
        tracing::warn!(file = %name, bytes = facts.size, "the metadata file is too large; it is not used");
        return Ok((Fields::default(), facts.etag));
    }
    let bytes = match shared.objects.read(name, 0..facts.size, facts.etag.as_deref()).await {
        Err(error) if error.kind() == OutsideErrorKind::NotFound => return Ok(nothing),
        bytes => bytes?,
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let cells = json_cells(bytes).unwrap_or_else(|why| {
        tracing::warn!(file = %name, why, "the metadata file cannot be used; the song is indexed without it");
        Vec::new()
    });
    let cells = cells.iter().map(|(field, value)| (field.as_str(), value.as_str()));
    Ok((fields(name, "metadata file", cells.filter(|(field, _)| known_name(field) != "file")), facts.etag))
}

async fn tags(shared: &Shared, object: &ObjectName) -> Result<Fields, OutsideError> {
    match shared.objects.tags(object).await {
        Ok(tags) => {
            let tags = tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Ok(known_fields(object, "tags", tags))
        }
        // Reading tags is a right of its own, which many do not give, and need not.
        Err(error) if !error.is_transient() && error.kind() != OutsideErrorKind::NotFound => {
            tracing::debug!(%object, %error, "the object's tags are not used");
            Ok(Fields::default())
        }
        Err(error) => Err(error),
    }
}

/// The fields that have a place of their own: others are the bucket's business, for example who pays for it.
fn known_fields<'a>(
    object: &ObjectName,
    what: &str,
    cells: impl Iterator<Item = (&'a str, &'a str)>,
) -> Fields {
    fields(object, what, cells.filter(|(name, _)| Fields::has_place(name)))
}

fn fields<'a>(name: &ObjectName, what: &str, cells: impl Iterator<Item = (&'a str, &'a str)>) -> Fields {
    let mut fields = Fields::default();
    for (field, value) in cells {
        if let Err(why) = fields.set(field, value) {
            tracing::warn!(object = %name, what, field, why, "a value is not used");
        }
    }
    fields
}
