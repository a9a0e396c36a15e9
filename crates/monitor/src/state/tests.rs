//! Tests of the state machine: single rules, and laws for any sequence of observations.

use std::time::Duration;

use proptest::prelude::*;

use super::{GiveUpBudget, Observation, SourceCondition, StateMachine, StateReport, StreamEnd, StreamPhase};

/// A state machine whose time advances.
struct Scenario {
    machine: StateMachine,
    at: Duration,
}

impl Scenario {
    fn new() -> Self {
        Self { machine: StateMachine::new(false), at: Duration::ZERO }
    }

    /// Makes an observation `seconds` after the last one.
    fn after(&mut self, seconds: u64, observation: Observation) -> Option<StateReport> {
        self.at += Duration::from_secs(seconds);
        self.machine.observe(observation, self.at)
    }

    /// Like [`Self::after`]; returns the new state, its reason, and true if it is a warning.
    #[track_caller]
    fn changes(&mut self, seconds: u64, observation: Observation) -> (&'static str, Option<String>, bool) {
        let report = self.after(seconds, observation).expect("no report");
        (report.to.name(), report.reason, report.is_warning)
    }

    fn give_up(&self) -> Option<StreamPhase> {
        self.machine.give_up(&GiveUpBudget::default(), self.at, true)
    }
}

fn failing(reason: &str) -> Observation {
    Observation::Source(SourceCondition::Failing(reason.to_owned()))
}

fn undecodable(reason: &str) -> Observation {
    Observation::NoAudio { reason: Some(reason.to_owned()), is_segment: true }
}

const RECEIVING: Observation = Observation::Source(SourceCondition::Receiving);
const STALLED: Observation = Observation::Source(SourceCondition::Stalled("nothing new"));
const AUDIO: Observation = Observation::Audio { silence_seconds: 0.0 };

#[test]
fn only_decoded_audio_makes_a_stream_live() {
    let mut stream = Scenario::new();
    assert_eq!(stream.after(0, RECEIVING), None);
    assert_eq!(stream.after(1, Observation::Media), None);
    assert_eq!(stream.changes(1, AUDIO), ("live", None, false));
    assert_eq!(stream.changes(5, STALLED), ("stalled", Some("nothing new".into()), true));
    assert_eq!(stream.after(1, RECEIVING), None, "the source works again, but nothing is decoded yet");
    assert_eq!(stream.after(1, Observation::Media), None);
    assert_eq!(stream.changes(1, AUDIO), ("live", None, false));
    assert_eq!(stream.machine.changes(), 3);
}

#[test]
fn each_new_reason_is_one_warning() {
    let mut stream = Scenario::new();
    assert_eq!(stream.changes(1, failing("status 404")), ("retrying", Some("status 404".into()), true));
    assert_eq!(stream.after(1, failing("status 404")), None);
    assert_eq!(stream.changes(1, failing("status 500")), ("retrying", Some("status 500".into()), true));
    assert_eq!(stream.changes(1, AUDIO), ("live", Some("status 500".into()), false));
    assert_eq!(stream.changes(1, RECEIVING), ("live", None, false));
    assert_eq!(stream.changes(1, failing("status 500")), ("live", Some("status 500".into()), false));
    assert_eq!(stream.changes(10, failing("status 500")).0, "retrying", "no audio was decoded for 10 s");
    assert_eq!(stream.after(60, failing("status 500")), None);
    assert!(stream.changes(300, failing("status 500")).2, "a reason that lasts is repeated");
}

#[test]
fn media_without_audio_is_reported_with_its_reason() {
    let mut stream = Scenario::new();
    assert_eq!(stream.after(1, undecodable("AC-3")), None, "the first segment can be truncated");
    assert_eq!(stream.after(1, undecodable("AC-3")), None);
    assert_eq!(stream.changes(1, undecodable("AC-3")), ("no_audio", Some("AC-3".into()), true));
    assert_eq!(stream.changes(1, AUDIO).0, "live");
    let piece = || Observation::NoAudio { reason: None, is_segment: false };
    assert_eq!(stream.after(1, piece()), None);
    let (name, reason, _) = stream.changes(10, piece());
    assert!(name == "no_audio" && reason.unwrap().contains("no audio that can be decoded"));
    let mut encrypted = Scenario::new();
    let condition = SourceCondition::Undecryptable("SAMPLE-AES".into());
    let reason = Some("SAMPLE-AES".to_owned());
    assert_eq!(encrypted.changes(1, Observation::Source(condition)), ("no_audio", reason, true));
}

#[test]
fn a_segment_without_audio_is_a_reason_of_a_live_stream() {
    let mut stream = Scenario::new();
    stream.after(1, AUDIO);
    let reason = || Some("EXT-X-GAP".to_owned());
    assert_eq!(stream.changes(1, undecodable("EXT-X-GAP")), ("live", reason(), true));
    assert_eq!(stream.changes(1, AUDIO), ("live", None, false));
    assert_eq!(stream.changes(1, undecodable("EXT-X-GAP")), ("live", reason(), false));
    assert_eq!(stream.after(2, undecodable("EXT-X-GAP")), None);
    assert_eq!(stream.changes(8, undecodable("EXT-X-GAP")), ("no_audio", reason(), false));
    let mut pieces = Scenario::new();
    pieces.after(1, AUDIO);
    let piece = || Observation::NoAudio { reason: Some("AC-4".to_owned()), is_segment: false };
    assert_eq!(pieces.after(1, piece()), None, "a piece can end within a frame");
    assert_eq!(pieces.changes(2, piece()), ("live", Some("AC-4".to_owned()), true));
}

#[test]
fn ten_seconds_of_silence_are_silent_until_sound_follows() {
    let mut stream = Scenario::new();
    let silence = |silence_seconds| Observation::Audio { silence_seconds };
    assert_eq!(stream.changes(1, silence(1.0)).0, "live");
    assert_eq!(stream.after(8, silence(9.9)), None);
    let (name, reason, is_warning) = stream.changes(1, silence(10.0));
    assert!(name == "silent" && is_warning && reason.unwrap().contains("-60 dBFS for 10 s"));
    assert_eq!(stream.after(9, silence(19.0)), None);
    assert_eq!(stream.changes(1, AUDIO), ("live", None, false));
}

#[test]
fn stream_without_audio_has_the_short_budget() {
    let mut stream = Scenario::new();
    stream.after(1, failing("status 404"));
    assert_eq!(stream.give_up(), None);
    stream.after(44, failing("status 404"));
    let budget = GiveUpBudget::default();
    assert_eq!(stream.machine.give_up(&budget, stream.at, false), None, "media waits to be decoded");
    let end = stream.give_up().unwrap();
    assert_eq!(end.to_string(), "failed: status 404; no audio was decoded within 45 s");
    let mut silent_source = Scenario::new();
    silent_source.after(45, Observation::Source(SourceCondition::Opening("no datagram arrived")));
    assert!(silent_source.give_up().unwrap().to_string().contains("no datagram arrived"));
}

#[test]
fn stream_that_was_live_has_the_long_budget_without_media() {
    let mut stream = Scenario::new();
    stream.after(1, Observation::Media);
    stream.after(1, AUDIO);
    stream.after(100, failing("status 503"));
    assert_eq!(stream.give_up(), None);
    stream.after(200, failing("status 503"));
    assert!(stream.give_up().unwrap().to_string().contains("status 503; no media arrived within 300 s"));
    stream.after(1, STALLED);
    assert_eq!(stream.give_up(), Some(StreamPhase::Ended(StreamEnd::Silent)));
    stream.after(1, RECEIVING);
    assert_eq!(stream.give_up(), None, "media arrives, even if it cannot be decoded");
}

#[test]
fn source_that_ends_without_usable_media_has_failed() {
    let end = || Observation::End(StreamPhase::Ended(StreamEnd::EndList));
    let mut stream = Scenario::new();
    stream.after(1, undecodable("AC-3"));
    let (name, reason, _) = stream.changes(1, end());
    assert_eq!((name, reason.as_deref()), ("failed", Some("no audio was decoded: AC-3")));
    assert_eq!(Scenario::new().changes(1, end()).0, "ended", "nothing was expected");
    let mut decoded = Scenario::new();
    decoded.after(1, AUDIO);
    decoded.after(1, undecodable("AC-3"));
    assert_eq!(decoded.changes(1, end()).0, "ended");
}

fn observations() -> impl Strategy<Value = Vec<(u64, Observation)>> {
    let reason = prop_oneof![Just("one".to_owned()), Just("two".to_owned())];
    let source = prop_oneof![
        Just(SourceCondition::Opening("nothing arrived")),
        Just(SourceCondition::Receiving),
        Just(SourceCondition::Stalled("nothing new")),
        reason.clone().prop_map(SourceCondition::Failing),
        reason.clone().prop_map(SourceCondition::Undecryptable),
    ];
    let end = prop_oneof![
        Just(StreamPhase::Ended(StreamEnd::EndList)),
        Just(StreamPhase::Ended(StreamEnd::Stopped)),
        Just(StreamPhase::Failed("bad".to_owned())),
    ];
    let one = prop_oneof![
        8 => source.prop_map(Observation::Source),
        4 => Just(Observation::Media),
        4 => (0.0..20.0).prop_map(|silence_seconds| Observation::Audio { silence_seconds }),
        4 => (proptest::option::of(reason), any::<bool>())
            .prop_map(|(reason, is_segment)| Observation::NoAudio { reason, is_segment }),
        1 => end.prop_map(Observation::End),
    ];
    proptest::collection::vec((0..30_u64, one), 0..60)
}

proptest! {
    #[test]
    fn reports_describe_every_change_exactly_once(all in observations()) {
        let mut stream = Scenario::new();
        let (mut known, mut changes) = ((StreamPhase::Starting, None), 0);
        let mut has_audio = false;
        for (seconds, observation) in all {
            let is_over = known.0.is_end();
            has_audio |= matches!(observation, Observation::Audio { .. });
            if let Some(report) = stream.after(seconds, observation) {
                prop_assert!(!is_over, "the end is final");
                prop_assert_eq!(&report.from, &known.0);
                let now = (report.to.clone(), report.reason.clone());
                prop_assert!(now != known || report.is_warning, "an unchanged state is only repeated as a warning");
                changes += u64::from(now.0.name() != known.0.name());
                known = now;
            }
            prop_assert!(has_audio || !matches!(known.0, StreamPhase::Live | StreamPhase::Silent));
            let needs_reason = !matches!(known.0, StreamPhase::Starting | StreamPhase::Live);
            prop_assert!(!needs_reason || known.1.is_some(), "{:?} has no reason", known.0);
            prop_assert_eq!(stream.machine.changes(), changes);
        }
    }
}
