//! Inheritance of values by representations, and the times of periods.

use url::Url;

use super::MpdError;
use super::model::{BaseUrl, Mpd, Period, Representation};
use super::read::{Level, MAX_ALTERNATIVES, RawBase, RawMpd, RawPeriod, RawSet};
use super::values::{date, duration};

/// `xlink:href` of an element that is removed when it is resolved (ISO/IEC 23009-1, 5.5.3).
const RESOLVE_TO_ZERO: &str = "urn:mpeg:dash:resolve-to-zero:2013";

/// Sets the inherited values, and makes all URLs absolute. `base` is the URL of the manifest.
pub(super) fn complete(raw: RawMpd, base: &Url) -> Result<Mpd, MpdError> {
    let seconds = |text: &Option<String>| text.as_deref().and_then(duration);
    let attributes = &raw.attributes;
    let is_dynamic = attributes.kind.as_deref() == Some("dynamic");
    let availability_start = attributes.availability_start.as_deref().and_then(date);
    if is_dynamic && availability_start.is_none() {
        return Err(MpdError::NoStartTime);
    }
    let total = seconds(&attributes.duration);
    let bases = join(&[BaseUrl { url: base.clone(), early: 0.0 }], &raw.bases);
    Ok(Mpd {
        is_dynamic,
        published: attributes.published.as_deref().and_then(date),
        availability_start,
        time_shift: seconds(&attributes.time_shift),
        update_period: seconds(&attributes.update_period),
        duration: total,
        locations: raw.locations.iter().filter_map(|location| base.join(location).ok()).collect(),
        clocks: raw.clocks,
        periods: periods(raw.periods, &bases, total, is_dynamic),
    })
}

/// Returns the periods with their times: a missing start is the end of the period before, and a missing end is the start
/// of the next one, or else the end of the presentation.
fn periods(raw: Vec<RawPeriod>, bases: &[BaseUrl], total: Option<f64>, is_dynamic: bool) -> Vec<Period> {
    let mut all: Vec<Period> = Vec::with_capacity(raw.len());
    // The end of the period before, as far as its own attributes show it.
    let mut next_start = (!is_dynamic).then_some(0.0);
    for (index, period) in raw.into_iter().enumerate() {
        let seconds = |text: &Option<String>| text.as_deref().and_then(duration);
        let link = period.link.as_deref();
        if link == Some(RESOLVE_TO_ZERO) {
            continue;
        }
        // A period without a start in a live manifest is announced early, and its start is not known yet. The first
        // one then begins at 0, because some encoders leave out a start of 0.
        let first = (index == 0).then_some(0.0);
        let Some(start) = seconds(&period.start).or(next_start).or(first) else { break };
        let end = seconds(&period.duration).map(|duration| start + duration);
        next_start = end;
        if let Some(before) = all.last_mut() {
            // The start of a period ends the one before, also if that one announced a later end.
            before.end = Some(before.end.map_or(start, |end| end.min(start)));
        }
        let is_remote = link.is_some() && period.sets.is_empty();
        all.push(Period {
            id: period.id.clone().unwrap_or_default(),
            start,
            end,
            representations: representations(&period, bases),
            is_remote,
        });
    }
    // The sort is stable and has no effect on a valid manifest.
    all.sort_by(|a, b| a.start.total_cmp(&b.start));
    if let Some(last) = all.last_mut() {
        last.end = last.end.or(total.filter(|total| *total > last.start));
    }
    all
}

fn representations(period: &RawPeriod, bases: &[BaseUrl]) -> Vec<Representation> {
    let bases = join(bases, &period.level.bases);
    let of_set = |set: &RawSet| -> Vec<Representation> {
        let bases = join(&bases, &set.level.bases);
        let info = set.level.info.clone().inherit(&period.level.info);
        let all = set.representations.iter().map(|representation| {
            let Level { bases: own, info: own_info, mime, codecs, .. } = &representation.level;
            Representation {
                id: representation.id.clone().unwrap_or_default(),
                set: set.id.clone(),
                bandwidth: representation.bandwidth,
                codecs: codecs.clone().or_else(|| set.level.codecs.clone()),
                mime: mime.clone().or_else(|| set.level.mime.clone()),
                content: set.content.clone(),
                language: set.language.clone().filter(|language| language != "und"),
                label: set.label.clone(),
                is_description: set.is_description,
                is_main: set.is_main,
                protection: representation.level.protection(&set.level),
                bases: join(&bases, own),
                info: own_info.clone().inherit(&info),
            }
        });
        all.collect()
    };
    period.sets.iter().flat_map(of_set).collect()
}

/// Returns the base URLs of a level: each of its own ones relative to each one of the level above. An invalid URL is
/// left out.
fn join(above: &[BaseUrl], own: &[RawBase]) -> Vec<BaseUrl> {
    let pairs = own.iter().flat_map(|own| above.iter().map(move |above| (above, own)));
    let joined = pairs.filter_map(|(above, own)| {
        Some(BaseUrl { url: above.url.join(&own.url).ok()?, early: above.early + own.early })
    });
    let mut unique: Vec<BaseUrl> = Vec::new();
    for base in joined.take(MAX_ALTERNATIVES) {
        if !unique.iter().any(|known| known.url == base.url) {
            unique.push(base);
        }
    }
    if unique.is_empty() { above.to_vec() } else { unique }
}
