//! The JSON response for an input of `identify`.

use std::collections::HashMap;

use refrain_app::response::{Response, ResponseMatch};
use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::Match;

use super::input::InputError;
use super::{Answer, Show, explain};

/// Returns the response for an input. `tracks` has to contain every track of its matches; a match without its track is left
/// out.
pub(crate) fn response<'a>(
    file: &'a str,
    asset_id: &'a str,
    answer: Result<&Answer, &InputError>,
    tracks: &'a HashMap<TrackNumber, Track>,
    show: Show,
) -> Response<'a> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Response::failed(asset_id, error.code, error.to_string()).of_file(file),
    };
    let list = |found: &mut dyn Iterator<Item = &Match>| -> Vec<_> {
        found.filter_map(|found| Some(ResponseMatch::new(found, tracks.get(&found.track)?))).collect()
    };
    let mut response = answer.response(asset_id, tracks).of_file(file);
    let none = answer.tracks().iter().all(|track| !tracks.contains_key(track));
    if show.all {
        response =
            response.with_rejected(list(&mut answer.matches.rejected.iter().map(|rejected| &rejected.best)));
    }
    if show.explain && none {
        response = response.explained(explain::reasons(answer, tracks, show));
    }
    response
}
