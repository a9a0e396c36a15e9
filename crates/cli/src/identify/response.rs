//! The response to an input of `identify`.

use std::collections::HashMap;

use refrain_catalog::{Track, TrackNumber};
use refrain_core::matching::{Alternative, Match};
use refrain_service::response::{Response, ResponseMatch};

use super::input::InputError;
use super::{Answer, Show, explain};

/// The response to an input; `tracks` knows every track of its matches.
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
    let mut matches = list(&mut answer.matches.found.iter());
    matches.extend(answer.matches.alternatives.iter().filter_map(|other| alternative(other, tracks)));
    let none = matches.is_empty();
    let mut response = Response::new(asset_id, matches).of_file(file).lasting(answer.seconds);
    if show.all {
        response =
            response.with_rejected(list(&mut answer.matches.rejected.iter().map(|rejected| &rejected.best)));
    }
    if show.explain && none {
        response = response.explained(explain::reasons(answer, tracks, show));
    }
    response
}

fn alternative<'a>(
    other: &Alternative,
    tracks: &'a HashMap<TrackNumber, Track>,
) -> Option<ResponseMatch<'a>> {
    let found = ResponseMatch::new(&other.best, tracks.get(&other.best.track)?);
    Some(found.alternative_of(tracks.get(&other.of)?))
}
