//! Entry points for fuzzing the files of the index. They correct the checksums of an input first, because otherwise
//! nearly every input would be rejected for a wrong checksum.

use xxhash_rust::xxh3::xxh3_64;

use super::layout::{FOOTER_BYTES, Footer, MAGIC};
use super::manifest::Manifest;
use super::pages::{PAGE_BYTES, page_checksum};
use super::run::Run;
use super::write::write_tracks;
use super::{IndexError, TrackNumber};
use crate::fingerprint::Constellation;
use crate::fingerprint::landmark::HASH_BITS;

/// Length of a word of the footer in bytes.
const WORD_BYTES: usize = 8;

/// Index of the footer word that contains the number of bytes covered by checksums.
const COVERED_WORD: usize = 4;

/// Index of the footer word that contains the checksum of the table of checksums.
const TABLE_CHECKSUM_WORD: usize = 5;

/// Maximum number of postings of a run whose postings are all read. It limits the time for one fuzz input.
const MAX_VISITED_POSTINGS: u64 = 1_000_000;

/// Returns a run file with these tracks, as the cache writes it, for the fuzzing corpus. Returns `None` if writing
/// fails.
#[must_use]
pub fn write_run(tracks: &[(TrackNumber, Constellation)], catalog: u128) -> Option<Vec<u8>> {
    write_tracks(Vec::new(), catalog, tracks).ok().map(|(bytes, _)| bytes)
}

/// Corrects the magic number and checksums of a run file, opens it and reads its groups, tracks, constellations and
/// postings.
///
/// # Errors
/// [`IndexError`] with the reason if the file is rejected.
pub fn read_run(mut bytes: Vec<u8>) -> Result<(), IndexError> {
    fix_checksums(&mut bytes);
    let catalog = Footer::from_file(&bytes).map_or(0, |footer| footer.catalog);
    let run = Run::from_bytes(bytes, catalog)?;
    run.groups()?;
    for index in 0..run.tracks() {
        let track = run.track(index)?;
        // The binary search must terminate even if the starts are not in order.
        run.track_at(track.start)?;
        run.constellation(&track)?;
    }
    if run.postings() <= MAX_VISITED_POSTINGS {
        run.visit(0, u32::MAX >> (u32::BITS - HASH_BITS), |_| {})?;
    }
    Ok(())
}

/// Reads the text of a manifest without its checksum line. Returns true if this version can read it.
#[must_use]
pub fn read_manifest(text: &str) -> bool {
    Manifest::parse(&format!("{text}checksum 0\n")).is_some()
}

fn fix_checksums(bytes: &mut [u8]) -> Option<()> {
    let footer_at = bytes.len().checked_sub(FOOTER_BYTES)?;
    let covered = bytes.get(footer_at + COVERED_WORD * WORD_BYTES..)?.first_chunk().copied()?;
    let covered = usize::try_from(u64::from_le_bytes(covered)).ok()?;
    let (body, footer) = bytes.split_at_mut(footer_at);
    footer.first_chunk_mut().map(|magic| *magic = *MAGIC)?;
    // If the table does not fit, the file is not corrected further, and the reader must reject it.
    if let Some((content, table)) = body.split_at_mut_checked(covered) {
        for (page, entry) in content.chunks(PAGE_BYTES).zip(table.chunks_exact_mut(4)) {
            entry.copy_from_slice(&page_checksum(page).to_le_bytes());
        }
        let table = table.get(..covered.div_ceil(PAGE_BYTES) * 4)?;
        footer
            .get_mut(TABLE_CHECKSUM_WORD * WORD_BYTES..)?
            .first_chunk_mut()
            .map(|at| *at = xxh3_64(table).to_le_bytes())?;
    }
    let (words, checksum) = footer.split_at_mut(FOOTER_BYTES - WORD_BYTES);
    checksum.copy_from_slice(&xxh3_64(words).to_le_bytes());
    Some(())
}
