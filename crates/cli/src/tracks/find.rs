//! Finds the track that an argument names.

use anyhow::{Context, Result, bail};
use refrain_app::response::am_item_id;
use refrain_catalog::{Track, TrackFilter};

use crate::context::CommandContext;

/// Maximum number of tracks per database query, without constellations: about 1 MB per page. Half of it doubles the
/// round trips of a listing; twice of it delays the first lines of the output.
const PAGE: u32 = 1000;

/// Number of hexadecimal digits of a complete ID.
const ID_DIGITS: usize = 32;

/// Calls `visit` for all tracks that match the filter, one page at a time.
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

/// Returns the track with this ID, with this unique prefix of its ID, or with this amItemID. Removed tracks are found only
/// if `removed` is true.
pub(super) fn find(context: &CommandContext, text: &str, removed: bool) -> Result<Track> {
    let (digits, suffix) =
        text.split_once('_').map_or((text, None), |(digits, suffix)| (digits, Some(suffix)));
    let digits = digits.replace('-', "").to_ascii_lowercase();
    let good = (1..=ID_DIGITS).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !good || (suffix.is_some() && digits.len() != ID_DIGITS) {
        bail!("{text:?} is not a track ID; `refrain tracks list` shows the IDs");
    }
    let unknown = || format!("track {text} not found; `refrain tracks list` shows all tracks");
    // A complete ID is one query; a prefix needs all tracks.
    let track = if digits.len() == ID_DIGITS {
        let found = context.wait(context.catalog().by_id(digits.parse().with_context(unknown)?))?;
        found.filter(|track| removed || track.removed_at.is_none()).with_context(unknown)?
    } else {
        by_prefix(context, &digits, removed)?.with_context(unknown)?
    };
    // The suffix is derived from the ID, so another one is a typing error.
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
                // The same track before and after its audio was replaced: the later entry is used.
                _ => found = Some(track),
            }
        }
        Ok(())
    })?;
    Ok(found)
}
