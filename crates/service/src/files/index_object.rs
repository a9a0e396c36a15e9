//! Indexes an object as a track.

use std::sync::Arc;

use refrain_catalog::{AddOutcome, ContentHash, Rule, Track, TrackUpdate};
use refrain_core::audio::supported_extension;
use refrain_core::fingerprint::Density;

use super::attempt::{Attempt, Requester};
use super::check::{decode, too_large};
use super::error::FilesError;
use super::object_key::{extension, without_extension};
use super::reader::ObjectSource;
use super::report;
use super::shared::FilesContext;
use super::song_metadata::{sidecar_metadata, song_metadata};
use crate::cloud::{ObjectFacts, ObjectName};
use crate::queue_consumer::Disposition;
use refrain_app::audio_file::{self, IndexedTrack, relabelled};
use refrain_app::metadata::Fields;

/// Outcome of indexing an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Indexed {
    /// The object is a new track.
    Added {
        /// The track.
        track: Track,
        /// Description of the parts that could not be read; `None` if all were read.
        damage: Option<String>,
    },
    /// The object had other content before. The track has the same id and a new number.
    Replaced {
        /// The track.
        track: Track,
        /// Description of the parts that could not be read; `None` if all were read.
        damage: Option<String>,
    },
    /// The catalog has this content already.
    Unchanged {
        /// The track.
        track: Track,
        /// True if the metadata or the rule of the track changed.
        relabelled: bool,
    },
    /// The object does not exist any more.
    Deleted,
}

/// Result of reading an object on a thread of the pool.
enum ReadObject {
    /// The catalog has this content already, as this track.
    Known(Box<Track>),
    /// The object has new content.
    New(Box<IndexedTrack>),
}

/// Indexes an object. A track without a rule gets `rule`; `None` leaves it without one.
pub(super) async fn index_object(
    shared: &Arc<FilesContext>,
    object: &ObjectName,
    rule: Option<&Rule>,
    requester: Requester,
) -> Result<Indexed, FilesError> {
    let Some(facts) = shared.facts(object).await? else { return Ok(Indexed::Deleted) };
    let indexed = index_content(shared, object, &facts, rule, requester).await;
    if let Err(error) = &indexed
        && let Disposition::DeadLetter(why) = error.disposition()
    {
        report_failure(shared, object, &facts, &why).await;
    }
    indexed
}

/// Writes a report with the reason why an object was not indexed. If that fails, only the log has the reason.
async fn report_failure(shared: &FilesContext, object: &ObjectName, facts: &ObjectFacts, why: &str) {
    match report::write_failure(shared, object, facts.etag.as_deref(), why).await {
        Ok(report) => {
            tracing::debug!(%object, %report, "object is not indexed, its report contains the reason");
        }
        Err(error) => {
            tracing::warn!(
                %object,
                %error,
                "cannot write the report on why the object is not indexed, only the log contains this reason"
            );
        }
    }
}

async fn index_content(
    shared: &Arc<FilesContext>,
    object: &ObjectName,
    facts: &ObjectFacts,
    rule: Option<&Rule>,
    requester: Requester,
) -> Result<Indexed, FilesError> {
    if let Some(why) = too_large(shared, object, facts) {
        return Err(FilesError::Unusable(why));
    }
    let metadata = song_metadata(shared, object, facts).await?;
    // The catalog is read before a thread is taken, because the thread should wait only for the bucket.
    let known = shared.catalog.find_by_source(&object.to_string()).await?;
    let work = {
        let (source, fields, rule) = (shared.source(object, facts), metadata.fields.clone(), rule.cloned());
        move || read_object(&source, known, fields, rule)
    };
    let attempt = Attempt::begin(shared, object, facts, requester).await?;
    let outcome = shared.on_thread(object, work).await;
    attempt.end().await;
    let indexed = match outcome?? {
        ReadObject::Known(track) => {
            let update = relabelled(&track, Some(metadata.fields.clone()), rule.cloned());
            Indexed::Unchanged { relabelled: update.is_some(), track: change(shared, *track, update).await? }
        }
        ReadObject::New(indexed_track) => add(shared, *indexed_track).await?,
    };
    // If a metadata file was written during the indexing, its own event found no track. So the metadata is read again.
    let now = sidecar_metadata(shared, object).await?;
    if now.is_newer_than(&metadata) {
        reapply_metadata(shared, indexed, now.fields).await
    } else {
        Ok(indexed)
    }
}

async fn reapply_metadata(
    shared: &FilesContext,
    indexed: Indexed,
    fields: Fields,
) -> Result<Indexed, FilesError> {
    Ok(match indexed {
        Indexed::Added { track, damage } => {
            let update = relabelled(&track, Some(fields), None);
            Indexed::Added { track: change(shared, track, update).await?, damage }
        }
        Indexed::Replaced { track, damage } => {
            let update = relabelled(&track, Some(fields), None);
            Indexed::Replaced { track: change(shared, track, update).await?, damage }
        }
        Indexed::Unchanged { track, relabelled: was } => {
            let update = relabelled(&track, Some(fields), None);
            Indexed::Unchanged {
                relabelled: was || update.is_some(),
                track: change(shared, track, update).await?,
            }
        }
        Indexed::Deleted => Indexed::Deleted,
    })
}

async fn change(
    shared: &FilesContext,
    track: Track,
    update: Option<TrackUpdate>,
) -> Result<Track, FilesError> {
    let Some(update) = update else { return Ok(track) };
    let id = track.id;
    Ok(shared.catalog.update(id, update).await?.unwrap_or(track))
}

/// Decodes an object and computes its hash in the same pass. Must run on a thread of the pool. If `known` is a track of
/// this object, the hash is computed first, because the content is usually unchanged.
fn read_object(
    source: &ObjectSource,
    known: Option<Track>,
    song_metadata: Fields,
    rule: Option<Rule>,
) -> Result<ReadObject, FilesError> {
    let old_rule = match known {
        // Hashing needs no decoding, and most repeated events are about unchanged objects.
        Some(track) if track.content == hash(source)? => return Ok(ReadObject::Known(Box::new(track))),
        known => known.and_then(|track| track.rule),
    };
    let unusable = |error: &dyn std::error::Error| FilesError::Unusable(error.to_string());
    let sound = decode(source, Density::Reference)?.map_err(|error| unusable(&error))?;
    // The decoder has hashed what it read. This call only fetches the bytes that it skipped, such as those after the
    // last sample.
    let content = hash(source)?;
    let name = source.name().to_string();
    let indexed_track =
        audio_file::index_file(sound, &name, content, |_| Some(song_metadata), old_rule.or(rule));
    indexed_track
        .map(|indexed_track| ReadObject::New(Box::new(indexed_track)))
        .map_err(|error| unusable(&error))
}

fn hash(source: &ObjectSource) -> Result<ContentHash, FilesError> {
    match (source.content_hash(), source.failure()) {
        (_, Some(error)) => Err(error.into()),
        (Err(error), None) => Err(FilesError::Unusable(format!("cannot read {}: {error}", source.name()))),
        (Ok(content), None) => Ok(content),
    }
}

async fn add(shared: &FilesContext, indexed_track: IndexedTrack) -> Result<Indexed, FilesError> {
    let IndexedTrack { track, damage, .. } = indexed_track;
    let (track, is_new) = match shared.catalog.add(track).await? {
        AddOutcome::Added(track) => (track, true),
        AddOutcome::Replaced(track) => (track, false),
        // Another process has added the same content first.
        AddOutcome::Unchanged(track) => return Ok(Indexed::Unchanged { track, relabelled: false }),
    };
    shared.counters.files_indexed.add(1);
    // This only makes the comparison start soon: the catalog has stored with the track that its comparison is pending.
    shared.comparisons.add(track.number);
    Ok(if is_new { Indexed::Added { track, damage } } else { Indexed::Replaced { track, damage } })
}

/// Applies a metadata file to the songs next to it that are already indexed. Other songs get the metadata when they are
/// indexed. Returns the number of tracks that changed.
pub(super) async fn apply_sidecar(shared: &FilesContext, file: &ObjectName) -> Result<usize, FilesError> {
    let Some(stem) = file.key.get(..file.key.len().saturating_sub(".json".len())) else { return Ok(0) };
    let mut keys = vec![stem.to_owned()];
    let prefix = format!("{stem}.");
    let mut after: Option<String> = None;
    loop {
        let page = shared.objects.list(&file.bucket, &prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let song =
            |key: &str| without_extension(key) == stem && extension(key).is_some_and(supported_extension);
        keys.extend(page.into_iter().map(|object| object.key).filter(|key| song(key)));
    }
    let mut changed = 0;
    for key in keys {
        let object = ObjectName { bucket: file.bucket.clone(), key };
        let Some(track) = shared.catalog.find_by_source(&object.to_string()).await? else { continue };
        let metadata = sidecar_metadata(shared, &object).await?;
        let update = relabelled(&track, Some(metadata.fields), None);
        changed += usize::from(update.is_some());
        change(shared, track, update).await?;
    }
    Ok(changed)
}
