//! Finds the track that an argument names.

use anyhow::{Context, Result, bail};
use refrain_app::response::am_item_id;
use refrain_catalog::{Track, TrackFilter};

use crate::context::CommandContext;

/// Maximum number of tracks per database query. Without their constellations, a page takes about 1 MB. With 500, a
/// listing needs twice the round trips; with 2,000, its first lines are printed later.
const PAGE: u32 = 1000;

/// Number of hexadecimal digits of a complete ID.
const ID_DIGITS: usize = 32;

/// Calls `visit` with the tracks that match the filter, one page at a time, until there are no more.
pub(super) fn pages(
    context: &CommandContext,
    filter: &TrackFilter,
    mut visit: impl FnMut(Vec<Track>) -> Result<()>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = context.wait(context.catalog().list(filter, after, PAGE))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.number);
        visit(page)?;
    }
}

/// Returns the track that `text` names: a complete ID, a unique prefix of an ID, or an amItemID. Removed tracks are
/// found only if `removed` is true.
pub(super) fn find(context: &CommandContext, text: &str, removed: bool) -> Result<Track> {
    let (digits, suffix) =
        text.split_once('_').map_or((text, None), |(digits, suffix)| (digits, Some(suffix)));
    let digits = digits.replace('-', "").to_ascii_lowercase();
    let good = (1..=ID_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !good || (suffix.is_some() && digits.len() != ID_DIGITS) {
        bail!("{text:?} is not a track ID; `refrain tracks list` shows the IDs");
    }
    let unknown = || format!("track {text} not found; `refrain tracks list` shows all tracks");
    // A complete ID needs one query. To check that a prefix is unique, all tracks have to be read.
    let track = if digits.len() == ID_DIGITS {
        let found = context.wait(context.catalog().by_id(digits.parse().with_context(unknown)?))?;
        found.filter(|track| removed || track.removed_at.is_none()).with_context(unknown)?
    } else {
        by_prefix(context, &digits, removed)?.with_context(unknown)?
    };
    // The suffix of an amItemID is derived from the ID, so another suffix is a typing error.
    if suffix.is_some() && am_item_id(track.id) != text {
        bail!("{}", unknown());
    }
    Ok(track)
}

fn by_prefix(context: &CommandContext, prefix: &str, removed: bool) -> Result<Option<Track>> {
    let mut found: Option<Track> = None;
    let filter = TrackFilter { removed, ..TrackFilter::default() };
    pages(context, &filter, |page| {
        for track in page.into_iter().filter(|track| track.id.to_string().starts_with(prefix)) {
            match &found {
                Some(other) if other.id != track.id => {
                    bail!(
                        "several tracks begin with {prefix}, {} and {} among them; give more digits",
                        other.id,
                        track.id
                    )
                }
                // If the audio of a track was replaced, the filter can return it twice. The later entry is used.
                _ => found = Some(track),
            }
        }
        Ok(())
    })?;
    Ok(found)
}
