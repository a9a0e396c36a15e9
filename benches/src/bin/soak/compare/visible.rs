//! Visibility of faults in the status of streams.

use std::collections::BTreeMap;

use crate::kinds::{FaultKind, Noticed};
use crate::signals::Signals;

/// Maximum time from the moment at which a client can notice a fault to its visibility, in seconds.
const MAX_DELAY_SECONDS: f64 = 5.0;

/// A fault that occurred. Times are in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occurred {
    pub(crate) stream: usize,
    pub(crate) kind: &'static FaultKind,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Time of the first affected request.
    pub(crate) requested_at: Option<f64>,
}

/// Visibility of one fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Visibility {
    /// The client could not notice the fault, or does not need to report it.
    NotRequired,
    /// The fault became visible after this delay. `is_named` is true if a reason or an error names it.
    Visible { delay: f64, is_named: bool },
    /// The fault was not visible in time.
    Invisible,
}

/// Returns the visibility of a fault. `statuses` are the recorded signals of the stream, in the order of their times.
pub(crate) fn visibility(fault: &Occurred, statuses: &[(f64, Signals)]) -> Visibility {
    let Some(requested_at) = fault.requested_at else { return Visibility::NotRequired };
    let noticed_at = match fault.kind.noticed {
        Noticed::Optional => return Visibility::NotRequired,
        Noticed::During(seconds) if requested_at + seconds > fault.to => return Visibility::NotRequired,
        Noticed::During(seconds) | Noticed::After(seconds) => requested_at + seconds,
        Noticed::AfterEnd(seconds) => fault.to.max(requested_at) + seconds,
    };
    let deadline = noticed_at + MAX_DELAY_SECONDS;
    let first = statuses.partition_point(|(at, _)| *at <= fault.from);
    let unknown = Signals::default();
    let before =
        first.checked_sub(1).and_then(|last| statuses.get(last)).map_or(&unknown, |(_, signals)| signals);
    let within: Vec<&(f64, Signals)> =
        statuses.iter().skip(first).take_while(|(at, _)| *at <= deadline).collect();
    let shown = within.iter().find(|(_, signals)| signals.shows_more(before, fault.kind.counters));
    let is_named = within.iter().any(|(_, signals)| signals.names(fault.kind.words));
    shown.map_or(Visibility::Invisible, |(at, _)| Visibility::Visible {
        delay: (at - noticed_at).max(0.0),
        is_named,
    })
}

/// Numbers of the faults of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KindScore {
    pub(crate) faults: usize,
    pub(crate) required: usize,
    pub(crate) visible: usize,
    pub(crate) named: usize,
    pub(crate) worst_delay: f64,
}

impl KindScore {
    pub(crate) fn add(&mut self, visibility: Visibility) {
        self.faults += 1;
        self.required += usize::from(visibility != Visibility::NotRequired);
        if let Visibility::Visible { delay, is_named } = visibility {
            self.visible += 1;
            self.named += usize::from(is_named);
            self.worst_delay = self.worst_delay.max(delay);
        }
    }
}

/// Scores by the name of the kind.
pub(crate) type KindScores = BTreeMap<&'static str, KindScore>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    fn fault(name: &str, requested_at: Option<f64>) -> Occurred {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        Occurred { stream: 0, kind: kind.unwrap_or(&KINDS[0]), from: 100.0, to: 110.0, requested_at }
    }

    fn signals(state: &str, last_error: &str, retries: u64) -> Signals {
        Signals {
            state: state.to_owned(),
            last_error: last_error.to_owned(),
            counters: [("retries".to_owned(), retries)].into(),
            ..Signals::default()
        }
    }

    #[test]
    fn faults_that_no_request_met_are_not_required() {
        assert_eq!(visibility(&fault("media_404", None), &[]), Visibility::NotRequired);
        assert_eq!(visibility(&fault("media_404", Some(101.0)), &[]), Visibility::Invisible);
        assert_eq!(visibility(&fault("silence", Some(101.0)), &[]), Visibility::NotRequired);
    }

    #[test]
    fn new_errors_and_counters_make_a_fault_visible() {
        let before = (50.0, signals("live", "", 1));
        let named = [before.clone(), (102.0, signals("live", "HTTP status 404", 1))];
        let expected = Visibility::Visible { delay: 1.0, is_named: true };
        assert_eq!(visibility(&fault("media_404", Some(101.0)), &named), expected);
        let counted = [before.clone(), (103.0, signals("live", "", 2))];
        let expected = Visibility::Visible { delay: 2.0, is_named: false };
        assert_eq!(visibility(&fault("media_404", Some(101.0)), &counted), expected);
        let late = [before, (107.0, signals("live", "HTTP status 404", 2))];
        assert_eq!(visibility(&fault("media_404", Some(101.0)), &late), Visibility::Invisible);
    }

    #[test]
    fn becoming_live_does_not_show_a_fault() {
        let statuses = [(50.0, signals("stalled", "", 0)), (102.0, signals("live", "", 0))];
        assert_eq!(visibility(&fault("media_404", Some(101.0)), &statuses), Visibility::Invisible);
    }
}
