//! The requests of a stream, and the segments that the stream delivered.

use refrain_benches::music::BenchError;
use refrain_testkit::origin::LoggedRequest;
use serde_json::json;

use super::super::served::{Content, fetchable_seconds};
use super::{PlayedStream, SEGMENT_SECONDS, Session, WINDOW};
use crate::kinds::{Effect, Target};
use crate::records::JsonLines;
use crate::responses::Response;

/// Tolerance of the time at which a segment was published, in seconds.
const CLOCK_TOLERANCE: f64 = 0.05;

impl PlayedStream {
    /// Processes a request of the resource `name` at the time `at`.
    pub(crate) fn observe(&mut self, request: &LoggedRequest, name: &str, at: f64) {
        let target = match name {
            "index.m3u8" => Target::Playlist,
            "key" => Target::Key,
            _ if name.ends_with(self.media.extension) => Target::Media,
            _ => return,
        };
        if let Some(active) = self.active.as_mut().filter(|active| active.kind.target == target) {
            let is_affected = !matches!(active.kind.effect, Effect::Response(_)) || request.fault.is_some();
            if is_affected && at >= active.began {
                active.requested_at.get_or_insert(at);
            }
        }
        let is_final = Response::is_final(request.fault.as_ref());
        if !Response::has_content(request.fault.as_ref()) && !is_final {
            return;
        }
        let Some(session) = self.sessions.iter_mut().rev().find(|session| session.from <= at) else { return };
        match target {
            Target::Key => session.has_key |= !is_final,
            Target::Media => self.observe_media(request, name, at),
            Target::Playlist => {}
        }
    }

    fn observe_media(&mut self, request: &LoggedRequest, name: &str, at: f64) {
        let Some(session) = self.sessions.iter().rev().find(|session| session.from <= at) else { return };
        let stem = name.strip_suffix(self.media.extension).and_then(|stem| stem.strip_suffix('.'));
        let Some(stem) = stem else { return };
        let content = match session {
            _ if Response::is_final(request.fault.as_ref()) => Content::Unusable,
            Session { is_silent: true, .. } => Content::Silence,
            Session { has_key: false, .. } => Content::Undecryptable,
            _ => Content::Music,
        };
        let part_names = session.names.replace("seg", "part");
        let index = |text: &str| text.parse::<u64>().ok().map(|index| session.first + index);
        let part = stem.strip_prefix(&part_names).and_then(|rest| rest.split_once('.'));
        let part = part.and_then(|(segment, part)| Some((index(segment)?, part.parse().ok()?)));
        let whole = stem.strip_prefix(&session.names).and_then(index);
        let Some(number) = part.map(|(number, _)| number).or(whole) else { return };
        let within = usize::try_from(number % self.media.count().max(1)).unwrap_or_default();
        let parts = self.media.music_parts.get(within).map_or(&[][..], Vec::as_slice);
        if session.gaps.contains(&number) {
            return;
        }
        if let Some((number, part)) = part {
            let length: f64 = parts.iter().take(part + 1).map(|part| part.seconds).sum();
            if self.time_of(number) + length <= at + CLOCK_TOLERANCE {
                self.served.add_part(number, part, parts.len(), content);
            }
        } else if let Some(range) = request.headers.get("range").filter(|_| !parts.is_empty()) {
            let mut offset = 0;
            for (part, clip) in parts.iter().enumerate() {
                if range.to_str().is_ok_and(|range| range.starts_with(&format!("bytes={offset}-"))) {
                    self.served.add_part(number, part, parts.len(), content);
                }
                offset += clip.bytes.len();
            }
        } else if self.time_of(number + 1) <= at + CLOCK_TOLERANCE {
            self.served.add(number, content);
        }
    }

    /// Writes the records of the stream and of its missing segments.
    pub(crate) fn finish(&self, streams: &mut JsonLines, missing: &mut JsonLines) -> Result<(), BenchError> {
        let range = self.served.range();
        streams.write(&json!({
            "stream": self.number, "format": self.flavor.name, "dated": self.flavor.has_dates,
            "start": self.start, "seconds": self.media.seconds(),
            "joined": range.map(|(first, _)| self.time_of(first)),
            "left": range.map(|(_, last)| self.time_of(last + 1)),
        }))?;
        let Some((first, last)) = range else { return Ok(()) };
        for number in first..=last {
            let content = self.served.content(number);
            if content != Some(Content::Music) {
                let is_final = matches!(content, Some(Content::Silence | Content::Unusable));
                let fetchable = if is_final { 0.0 } else { self.fetchable(number) };
                missing.write(&json!({
                    "stream": self.number, "from": self.time_of(number), "to": self.time_of(number + 1),
                    "fetchable": fetchable,
                }))?;
            }
        }
        Ok(())
    }

    /// Returns the seconds for which a segment was listed while no fault was active.
    fn fetchable(&self, number: u64) -> f64 {
        let published = self.time_of(number + 1);
        let until = published + WINDOW as f64 * SEGMENT_SECONDS;
        let ends = self.sessions.iter().skip(1).map(|next| next.from).chain([f64::INFINITY]);
        let sessions = self.sessions.iter().zip(ends);
        let lists = |session: &Session| session.first <= number && !session.gaps.contains(&number);
        let listed = sessions.filter(|(session, _)| lists(session) && !session.is_silent);
        let listed: Vec<_> =
            listed.map(|(session, end)| (published.max(session.from), until.min(end))).collect();
        fetchable_seconds(&listed, &self.blocked)
    }
}
