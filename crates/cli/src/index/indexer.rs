//! Indexes one file: looks it up in the catalog, and decodes and fingerprints it if it is new or changed.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use refrain_app::audio_file::{self, IndexedTrack};
use refrain_catalog::{ContentHash, Rule, Track, TrackUpdate};
use refrain_core::audio::display_name;
use refrain_core::fingerprint::Density;
use refrain_isolation::open_path;

use super::SourceFile;
use crate::context::CommandContext;
use crate::metadata::MetadataFile;
use crate::output::clean;

/// Result of indexing one file.
#[derive(Debug)]
pub(crate) enum IndexedFile {
    /// The catalog already has a track of this file with the same content. The update is `None` if its metadata and
    /// rule do not change.
    Known(Box<(Track, Option<TrackUpdate>)>),
    /// The file is new or changed. The caller has to add the track to the catalog.
    New(Box<IndexedTrack>),
}

/// Indexes files one by one. It can be used from several threads.
pub(crate) struct FileIndexer<'a> {
    context: &'a CommandContext,
    metadata: &'a MetadataFile,
    rule: Option<Rule>,
}

/// Size and modification time of a file. If they change while the file is read, the file was not complete.
type Stamp = (u64, Option<SystemTime>);

impl<'a> FileIndexer<'a> {
    /// Creates an indexer that takes the metadata of tracks from the metadata file. `rule` is the rule of tracks that
    /// have no other one; `None` if there is no such rule.
    pub(crate) fn new(context: &'a CommandContext, metadata: &'a MetadataFile, rule: Option<Rule>) -> Self {
        Self { context, metadata, rule }
    }

    /// Looks up the file in the catalog. If the file is new or changed, also decodes and fingerprints it.
    ///
    /// # Errors
    /// If the file cannot be indexed, with an error that names the file, or if a query of the catalog fails.
    pub(crate) fn index_file(&self, file: &SourceFile) -> Result<IndexedFile> {
        // The stamp is compared after decoding, so that a file that is still being copied is not indexed incompletely.
        let before = stamp(&file.path)?;
        // The content is compared and not the modification time, because copying a file changes only its time. Hashing
        // is much faster than decoding.
        let content = hash(&file.path)?;
        let known = self.context.wait(self.context.catalog().find_by_source(&file.source))?;
        let old_rule = match known {
            Some(track) if track.content == content => {
                let update = self.update(&track);
                return Ok(IndexedFile::Known(Box::new((track, update))));
            }
            // If the content of a file changed, its track keeps its rule, which a user can have set.
            known => known.and_then(|track| track.rule),
        };
        let sound = open_path(&file.path, &audio_file::limits())?.fingerprint(Density::Reference)?;
        if stamp(&file.path)? != before {
            bail!(
                "{}: the file changed while it was read; index it again when it is complete",
                clean(&file.source)
            );
        }
        let metadata_row = |isrc: Option<&str>| self.metadata.find(&file.source, isrc).cloned();
        let rule = old_rule.or_else(|| self.rule.clone());
        Ok(IndexedFile::New(Box::new(audio_file::index_file(
            sound,
            &file.source,
            content,
            metadata_row,
            rule,
        )?)))
    }

    /// Returns the changes of metadata and rule for a track that is already indexed, or `None` if nothing changes.
    fn update(&self, track: &Track) -> Option<TrackUpdate> {
        let metadata_row = self.metadata.find(&track.source, track.metadata.isrc.as_deref()).cloned();
        audio_file::relabelled(track, metadata_row, self.rule.clone())
    }
}

fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", display_name(path)))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn hash(path: &Path) -> Result<ContentHash> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .with_context(|| format!("cannot read {}", display_name(path)))?;
    Ok(ContentHash(*hasher.finalize().as_bytes()))
}
