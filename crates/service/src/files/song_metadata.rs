//! Metadata of a song apart from its audio: metadata and tags of its object, and a `.json` file next to it.

use crate::cloud::{CloudError, CloudErrorKind, ObjectFacts, ObjectName};
use refrain_app::metadata::{Fields, json_cells, normalized_name};

use super::object_key::without_extension;
use super::shared::FilesContext;

/// Maximum size of a metadata file in bytes. A file has some kilobytes. Larger files are ignored, because a file is
/// read into memory as a whole: at twice this value, a thread can need 2 MiB for it.
const MAX_METADATA_BYTES: u64 = 1 << 20;

/// Metadata of a song, and the versions of the files that it was read from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SongMetadata {
    pub(super) fields: Fields,
    /// ETags of the files next to the song, in the order in which they were read. `None` for a missing file.
    read: Vec<Option<String>>,
}

impl SongMetadata {
    /// Returns true if the files next to the song have changed since `other` was read, or if files were added.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        self.read != other.read
    }
}

/// Returns all metadata of a song. The files next to the song take precedence over the metadata of its object, and this
/// metadata over the tags of the object.
///
/// Invalid values are logged and ignored, because the song can be indexed without them.
pub(super) async fn song_metadata(
    shared: &FilesContext,
    object: &ObjectName,
    facts: &ObjectFacts,
) -> Result<SongMetadata, CloudError> {
    let SongMetadata { fields: sidecar_metadata, read } = sidecar_metadata(shared, object).await?;
    let metadata = facts.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let metadata = known_fields(object, "metadata", metadata);
    let tags = tags(shared, object).await?;
    Ok(SongMetadata { fields: sidecar_metadata.over(metadata).over(tags), read })
}

/// Reads the metadata files next to a song. `<key>.json` takes precedence over `<key without extension>.json`.
pub(super) async fn sidecar_metadata(
    shared: &FilesContext,
    object: &ObjectName,
) -> Result<SongMetadata, CloudError> {
    let mut all = SongMetadata::default();
    for key in [format!("{}.json", object.key), format!("{}.json", without_extension(&object.key))] {
        let name = ObjectName { bucket: object.bucket.clone(), key };
        let (fields, etag) = file(shared, &name).await?;
        all.fields = all.fields.over(fields);
        // A missing file is recorded as well, because a file that appears later is a change.
        all.read.push(etag);
    }
    Ok(all)
}

/// Reads one metadata file. Returns its fields and its ETag; no fields and `None` if the file does not exist.
async fn file(shared: &FilesContext, name: &ObjectName) -> Result<(Fields, Option<String>), CloudError> {
    let nothing = (Fields::default(), None);
    let Some(facts) = shared.facts(name).await? else { return Ok(nothing) };
    if facts.size > MAX_METADATA_BYTES {
        tracing::warn!(
            file = %name,
            bytes = facts.size,
            max_bytes = MAX_METADATA_BYTES,
            "metadata file is too large, indexing the song without it"
        );
        return Ok((Fields::default(), facts.etag));
    }
    let bytes = match shared.objects.read(name, 0..facts.size, facts.etag.as_deref()).await {
        // The file was deleted between the two requests.
        Err(error) if error.kind() == CloudErrorKind::NotFound => return Ok(nothing),
        bytes => bytes?,
    };
    // Editors on Windows write a byte order mark, which JSON does not allow.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let cells = json_cells(bytes).unwrap_or_else(|why| {
        tracing::warn!(file = %name, why, "invalid metadata file, indexing the song without it");
        Vec::new()
    });
    let cells = cells.iter().map(|(field, value)| (field.as_str(), value.as_str()));
    Ok((
        fields(name, "metadata file", cells.filter(|(field, _)| normalized_name(field) != "file")),
        facts.etag,
    ))
}

async fn tags(shared: &FilesContext, object: &ObjectName) -> Result<Fields, CloudError> {
    match shared.objects.tags(object).await {
        Ok(tags) => {
            let tags = tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Ok(known_fields(object, "tags", tags))
        }
        // Reading tags needs a separate permission, which is optional.
        Err(error) if !error.is_transient() && error.kind() != CloudErrorKind::NotFound => {
            tracing::debug!(
                %object,
                %error,
                "cannot read the tags of the object in the bucket, using no metadata from them"
            );
            Ok(Fields::default())
        }
        Err(error) => Err(error),
    }
}

/// Returns the values in `cells`, pairs of name and value, that the catalog has fields for. Other names are ignored:
/// they serve other purposes of the bucket, for example cost allocation. `what` names the source of the cells in log
/// lines: metadata or tags of the object.
fn known_fields<'a>(
    object: &ObjectName,
    what: &str,
    cells: impl Iterator<Item = (&'a str, &'a str)>,
) -> Fields {
    fields(object, what, cells.filter(|(name, _)| Fields::is_known_field(name)))
}

fn fields<'a>(name: &ObjectName, what: &str, cells: impl Iterator<Item = (&'a str, &'a str)>) -> Fields {
    let mut fields = Fields::default();
    for (field, value) in cells {
        if let Err(why) = fields.set(field, value) {
            tracing::warn!(object = %name, what, field, why, "invalid metadata value of a song, leaving the field out");
        }
    }
    fields
}
