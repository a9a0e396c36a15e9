//! Parts of benches that consist of several processes: child processes, and the index files that they share.

use std::path::Path;
use std::process::Child;

use rayon::prelude::*;
use refrain_core::fingerprint::{Density, Fingerprinter};
use refrain_core::index::{Cache, TrackNumber};

use crate::music::{BenchError, decode, walk};

/// A process that is killed when this value is dropped.
#[derive(Debug)]
pub struct KilledOnDrop(pub Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Creates the index files `prefix` of the audio files below `music`, unless they exist. The number of a track is the
/// index of its file in the order of [`walk`].
///
/// # Errors
/// Fails if a file cannot be read, decoded or written.
pub fn index_files(prefix: &Path, music: &Path, catalog_id: u128) -> Result<(), BenchError> {
    let files = walk(music)?;
    let (mut cache, _) = Cache::open(prefix, catalog_id)?;
    if cache.position() == files.len() as u64 {
        return Ok(());
    }
    let tracks = files.par_iter().enumerate().map(|(n, path)| {
        let mut fingerprinter = Fingerprinter::new(Density::Reference);
        decode(path, |chunk| fingerprinter.push(chunk))?;
        Ok((TrackNumber(n as u32), fingerprinter.finish()))
    });
    let tracks: Vec<_> = tracks.collect::<Result<_, BenchError>>()?;
    cache.discard();
    cache.apply(&tracks, &[], files.len() as u64)?;
    Ok(())
}
