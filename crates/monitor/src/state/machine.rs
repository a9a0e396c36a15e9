//! Derives the state of a stream and its reason from observations.

use std::time::Duration;

use super::{GiveUpBudget, Observation, SourceCondition, StreamEnd, StreamPhase};

/// Time since the last decoded audio for which failing requests and undecodable media do not change the state `live`. It
/// equals the time after which a silent connection is replaced. At half this value, each slow segment changes the state;
/// at twice this value, an outage is shown 10 s later.
const RECENT_AUDIO: Duration = Duration::from_secs(10);

/// Silence after which a stream is silent, seconds. Pauses in speech and between songs are shorter. At half this value,
/// such pauses change the state; at twice this value, a dead line to the studio is shown 10 s later.
const SILENT_AFTER_SECONDS: f64 = 10.0;

/// Reason of the state `silent`. It contains both limits: [`SILENT_AFTER_SECONDS`] and the level of the decoder.
const SILENT_REASON: &str = "the audio has been below -60 dBFS for 10 s";

/// Number of consecutive segments without audio after which a stream has no audio. The first segment after a join can be
/// truncated. At half this value, such a segment changes the state; at twice this value, a stream that cannot be decoded
/// is reported three segments later.
const MAX_UNDECODED_SEGMENTS: u64 = 3;

/// Time after which media without segments, from which no audio was decoded, means that a stream has no audio. A picture
/// before the audio and the start of a connection are shorter. At half this value, slow stations are reported wrongly; at
/// twice this value, a wrong address is reported 10 s later.
const MAX_UNDECODED_TIME: Duration = Duration::from_secs(10);

/// Time after which pieces without audio are the reason of a stream that is still live. Frames are shorter than 0.2 s. At
/// half this value, a picture on a slow connection is a warning; at twice this value, the reason is shown 2 s later.
const MAX_PIECES_TIME: Duration = Duration::from_secs(2);

/// Reason if media contains no audio for an unknown reason.
const NO_AUDIO_REASON: &str = "the received media contains no audio that can be decoded";

/// A reason is a warning again after this time. At half this value, a server that is down fills the log with twice as
/// many lines; at twice this value, an extract of 5 minutes from the log may not contain the reason.
const REPEAT_AFTER: Duration = Duration::from_secs(5 * 60);

/// A change of the state or of its reason, or the repetition of a reason that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateReport {
    pub(crate) from: StreamPhase,
    pub(crate) to: StreamPhase,
    /// Reason of the new state; `None` if it needs none.
    pub(crate) reason: Option<String>,
    /// True if the reason was not reported in the last five minutes, so that it is logged as a warning.
    pub(crate) is_warning: bool,
}

/// Derives the state of one stream. All times are measured from the start of the stream and never decrease.
#[derive(Debug)]
pub(crate) struct StateMachine {
    phase: StreamPhase,
    reason: Option<String>,
    condition: SourceCondition,
    /// Time of the last received media; 0 before the first media.
    media_at: Duration,
    /// Time of the last decoded audio.
    audio_at: Option<Duration>,
    /// Silence at the end of the decoded audio, seconds.
    silence_seconds: f64,
    /// Media without audio since the last decoded audio.
    undecoded: Option<Undecoded>,
    /// True if audio was decoded, by this worker or by an earlier one.
    has_been_live: bool,
    /// True if audio must be decoded before the stream is live (again).
    needs_audio: bool,
    /// The last reason that was reported as a warning, with the time.
    warned: Option<(String, Duration)>,
    changes: u64,
}

/// Media from which no audio was decoded.
#[derive(Debug)]
struct Undecoded {
    since: Duration,
    segments: u64,
    reason: Option<String>,
}

impl StateMachine {
    /// Creates the state `starting`. `was_followed` is true if an earlier worker followed the stream, which then has
    /// the budget of a stream that was live.
    pub(crate) fn new(was_followed: bool) -> Self {
        Self {
            phase: StreamPhase::Starting,
            reason: None,
            condition: SourceCondition::Opening("no response arrived"),
            media_at: Duration::ZERO,
            audio_at: None,
            silence_seconds: 0.0,
            undecoded: None,
            has_been_live: was_followed,
            needs_audio: true,
            warned: None,
            changes: 0,
        }
    }

    /// Returns the number of changes of the state so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Processes an observation at the time `at`. Returns a report if the state or its reason changes, or if the reason
    /// lasts for five minutes. After the final state, returns `None`.
    pub(crate) fn observe(&mut self, observation: Observation, at: Duration) -> Option<StateReport> {
        if self.phase.is_end() {
            return None;
        }
        match observation {
            Observation::Source(condition) => self.condition = condition,
            Observation::Media => self.media_at = at,
            Observation::Audio { silence_seconds } => {
                self.audio_at = Some(at);
                self.silence_seconds = silence_seconds;
                self.undecoded = None;
                (self.has_been_live, self.needs_audio) = (true, false);
            }
            Observation::NoAudio { reason, is_segment } => self.add_undecoded(reason, is_segment, at),
            Observation::End(end) => {
                let end = self.final_phase(end);
                let reason = end.end_reason();
                return self.enter(end, reason, at);
            }
        }
        let (phase, reason) = self.current(at);
        self.needs_audio |=
            matches!(phase, StreamPhase::Stalled | StreamPhase::Retrying | StreamPhase::NoAudio);
        self.enter(phase, reason, at)
    }

    /// Returns the final state of a stream whose budget is exhausted at the time `at`, otherwise `None`. `is_idle` is
    /// true if no received media waits to be decoded.
    pub(crate) fn give_up(&self, budget: &GiveUpBudget, at: Duration, is_idle: bool) -> Option<StreamPhase> {
        let since = if self.has_been_live { self.media_at } else { Duration::ZERO };
        let is_waiting = match &self.condition {
            SourceCondition::Receiving | SourceCondition::Undecryptable(_) => !self.has_been_live,
            _ => true,
        };
        let is_exhausted = is_waiting && is_idle && at.saturating_sub(since) >= self.limit(budget);
        is_exhausted.then(|| self.exhausted(budget))
    }

    /// Returns the part of the budget that applies now.
    pub(crate) fn limit(&self, budget: &GiveUpBudget) -> Duration {
        if self.has_been_live { budget.after_audio } else { budget.before_audio }
    }

    /// Returns the final state of a stream whose budget is exhausted.
    pub(crate) fn exhausted(&self, budget: &GiveUpBudget) -> StreamPhase {
        let limit = self.limit(budget).as_secs_f64();
        match (&self.condition, self.has_been_live) {
            (SourceCondition::Failing(reason), true) => {
                StreamPhase::Failed(format!("{reason}; no media arrived within {limit} s"))
            }
            (_, true) => StreamPhase::Ended(StreamEnd::Silent),
            (condition, false) => {
                let opening = match condition {
                    SourceCondition::Opening(reason) => *reason,
                    _ => NO_AUDIO_REASON,
                };
                let reason = self.failure().or(self.reason.as_deref()).unwrap_or(opening);
                StreamPhase::Failed(format!("{reason}; no audio was decoded within {limit} s"))
            }
        }
    }

    /// Returns the state and its reason at the time `at`.
    fn current(&self, at: Duration) -> (StreamPhase, Option<String>) {
        let is_recent = self.audio_at.is_some_and(|audio_at| at.saturating_sub(audio_at) < RECENT_AUDIO);
        match &self.condition {
            SourceCondition::Stalled(reason) => {
                return (StreamPhase::Stalled, Some((*reason).to_owned()));
            }
            SourceCondition::Failing(reason) if !is_recent || self.needs_audio => {
                return (StreamPhase::Retrying, Some(reason.clone()));
            }
            SourceCondition::Undecryptable(reason) if !is_recent || self.needs_audio => {
                return (StreamPhase::NoAudio, Some(reason.clone()));
            }
            _ => {}
        }
        let undecoded = self.undecoded.as_ref().filter(|undecoded| {
            let is_long = at.saturating_sub(undecoded.since) >= MAX_UNDECODED_TIME;
            !is_recent && (is_long || undecoded.segments >= MAX_UNDECODED_SEGMENTS)
        });
        if let Some(undecoded) = undecoded {
            let reason = undecoded.reason.as_deref().unwrap_or(NO_AUDIO_REASON);
            return (StreamPhase::NoAudio, Some(reason.to_owned()));
        }
        // A source that works again is not enough: only decoded audio makes the stream live.
        if self.needs_audio {
            return (self.phase.clone(), self.reason.clone());
        }
        if self.silence_seconds >= SILENT_AFTER_SECONDS {
            return (StreamPhase::Silent, Some(SILENT_REASON.to_owned()));
        }
        // A piece without audio is no failure, because it can end within a frame.
        let is_failure = |undecoded: &Undecoded| {
            undecoded.segments > 0 || at.saturating_sub(undecoded.since) >= MAX_PIECES_TIME
        };
        let has_failed = self.undecoded.as_ref().is_some_and(is_failure);
        let reason = if has_failed { self.failure() } else { self.condition.failure() };
        (StreamPhase::Live, reason.map(str::to_owned))
    }

    fn add_undecoded(&mut self, reason: Option<String>, is_segment: bool, at: Duration) {
        let undecoded = self.undecoded.get_or_insert(Undecoded { since: at, segments: 0, reason: None });
        undecoded.segments += u64::from(is_segment);
        undecoded.reason = reason.or(undecoded.reason.take());
    }

    /// Returns the reason why no audio is decoded; `None` if none is known.
    fn failure(&self) -> Option<&str> {
        let undecoded = self.undecoded.as_ref();
        let undecoded = || undecoded.map(|one| one.reason.as_deref().unwrap_or(NO_AUDIO_REASON));
        self.condition.failure().or_else(undecoded)
    }

    /// Returns the final state for the end `end` of the source: a source that ended regularly, but whose media could
    /// not be used, has failed.
    fn final_phase(&self, end: StreamPhase) -> StreamPhase {
        match (&end, self.failure()) {
            (StreamPhase::Ended(why), Some(reason)) if *why != StreamEnd::Stopped && !self.has_been_live => {
                StreamPhase::Failed(format!("no audio was decoded: {reason}"))
            }
            _ => end,
        }
    }

    /// Enters a state, or stays in it. Returns the report, if there is one.
    fn enter(&mut self, phase: StreamPhase, reason: Option<String>, at: Duration) -> Option<StateReport> {
        let is_changed = self.phase != phase || self.reason != reason;
        let is_regular_end = matches!(phase, StreamPhase::Ended(_));
        let is_warning = !is_regular_end
            && reason.as_ref().is_some_and(|reason| {
                let warned = self.warned.as_ref();
                warned.is_none_or(|(known, when)| known != reason || at.saturating_sub(*when) >= REPEAT_AFTER)
            });
        if !is_changed && !is_warning {
            return None;
        }
        self.changes += u64::from(self.phase.name() != phase.name());
        let from = std::mem::replace(&mut self.phase, phase.clone());
        self.reason.clone_from(&reason);
        if let Some(reason) = reason.as_ref().filter(|_| is_warning) {
            self.warned = Some((reason.clone(), at));
        }
        Some(StateReport { from, to: phase, reason, is_warning })
    }
}
