//! Indexing of one file: looks it up in the catalog, and decodes and fingerprints it if it is new.

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

/// Result of the indexing of one file.
#[derive(Debug)]
pub(crate) enum IndexedFile {
    /// The catalog has a track of this file. The update has the changes of its metadata and rule, if any.
    Known(Box<(Track, Option<TrackUpdate>)>),
    /// A new track, which has to be added to the catalog.
    New(Box<IndexedTrack>),
}

/// Indexes files, from any thread.
pub(crate) struct FileIndexer<'a> {
    context: &'a CommandContext,
    metadata: &'a MetadataFile,
    rule: Option<Rule>,
}

/// Size and modification time of a file, to detect that it changed while it was read.
type Stamp = (u64, Option<SystemTime>);

impl<'a> FileIndexer<'a> {
    /// Creates a learner that sets the values of tracks from the metadata file. `rule` is for tracks that have no rule.
    pub(crate) fn new(context: &'a CommandContext, metadata: &'a MetadataFile, rule: Option<Rule>) -> Self {
        Self { context, metadata, rule }
    }

    /// Looks the file up in the catalog, and decodes and fingerprints it if it is new or changed.
    ///
    /// # Errors
    /// If the file cannot be indexed, with the name of the file; or if the catalog fails.
    pub(crate) fn index_file(&self, file: &SourceFile) -> Result<IndexedFile> {
        // Compared after decoding, so that a file that is still being copied is not stored with half of its audio.
        let before = stamp(&file.path)?;
        // The content decides, not the time: copies have new times without new audio. Hashing is much faster than
        // decoding.
        let content = hash(&file.path)?;
        let known = self.context.wait(self.context.catalog().find_by_source(&file.source))?;
        let old_rule = match known {
            Some(track) if track.content == content => {
                let update = self.update(&track);
                return Ok(IndexedFile::Known(Box::new((track, update))));
            }
            // A replaced file keeps its rule, which can have been set by hand.
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

    /// Returns the changes of the metadata and the rule of an indexed track, or `None` if nothing changes.
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
