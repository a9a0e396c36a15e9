//! The JSON response for an input of `identify`.

use std::collections::HashMap;

use refrain_app::response::{Response, ResponseMatch};
use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::input_error::InputError;
use super::{DisplayOptions, Identification, explain};

/// Returns the response for an input: its matches, or the error if it failed. `tracks` has to contain every track of
/// its matches; a match whose track is missing is left out.
pub(crate) fn response<'a>(
    file: &'a str,
    asset_id: &'a str,
    result: Result<&Identification, &InputError>,
    tracks: &'a HashMap<TrackNumber, Track>,
    options: DisplayOptions,
) -> Response<'a> {
    let result = match result {
        Ok(result) => result,
        Err(error) => return Response::failed(asset_id, error.code, error.to_string()).with_file(file),
    };
    let list = |found: &mut dyn Iterator<Item = &Match>| -> Vec<_> {
        found.filter_map(|found| Some(ResponseMatch::new(found, tracks.get(&found.track)?))).collect()
    };
    let mut response = result.response(asset_id, tracks).with_file(file);
    // Matches whose tracks were removed from the catalog are left out, so the response can be empty although the search
    // found matches.
    let none = result.tracks().iter().all(|track| !tracks.contains_key(track));
    if options.all {
        response =
            response.with_rejected(list(&mut result.matches.rejected.iter().map(|rejected| &rejected.best)));
    }
    if options.explain && none {
        response = response.with_explanation(explain::reasons(result, tracks, options));
    }
    response
}
