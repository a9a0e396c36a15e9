//! The part of a stream's status that shows faults. This is the only place that depends on the fields of the status.

use std::collections::BTreeMap;

use refrain_monitor::StreamStatus;
use refrain_stream::GapReason;
use serde_json::{Value, json};

/// State, reason, last error and counters of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Signals {
    pub(crate) state: String,
    /// Reason of the state; empty for a state without a reason.
    pub(crate) reason: String,
    /// The last error; empty if there was none.
    pub(crate) last_error: String,
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Signals {
    pub(crate) fn of(status: &StreamStatus) -> Self {
        let (source, decoder) = (&status.source, &status.decoder);
        let mut counters: BTreeMap<String, u64> = [
            ("retries", source.retries),
            ("playlist_errors", source.playlist_errors),
            ("resolutions", source.resolutions),
            ("unreadable_segments", decoder.unreadable_segments),
            ("decode_errors", decoder.decode_errors),
            ("discontinuities", decoder.discontinuities),
            ("index_errors", status.index_errors),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
        for reason in GapReason::ALL {
            counters.insert(gap_name(reason).to_owned(), decoder.gaps.of(reason).count);
        }
        Self {
            state: status.state.name().to_owned(),
            reason: status.reason.clone().unwrap_or_default(),
            last_error: source.last_error.clone().unwrap_or_default(),
            counters,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "state": self.state, "reason": self.reason, "last_error": self.last_error, "counters": self.counters,
        })
    }

    pub(crate) fn from_json(line: &Value) -> Self {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let counters = line["counters"].as_object().into_iter().flatten();
        Self {
            state: text("state"),
            reason: text("reason"),
            last_error: text("last_error"),
            counters: counters
                .map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default()))
                .collect(),
        }
    }

    /// Returns true if `self` shows a fault that `before` did not show: a new value of state, reason or last error, or
    /// an increase of one of the counters with these names.
    pub(crate) fn shows_more(&self, before: &Self, counters: &[&str]) -> bool {
        let count = |signals: &Self, name: &str| signals.counters.get(name).copied().unwrap_or_default();
        // A stream that becomes live (again) shows the end of a fault, not a fault.
        let is_worse = self.state != before.state && self.state != "live";
        is_worse
            || (self.reason != before.reason && !self.reason.is_empty())
            || self.last_error != before.last_error
            || counters.iter().any(|name| count(self, name) > count(before, name))
    }

    /// Returns true if the reason or the last error contains one of `words`.
    pub(crate) fn names(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.reason.contains(word) || self.last_error.contains(word))
    }
}

/// Returns the name of the counter of gaps with this reason.
fn gap_name(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Marked => "gaps_marked",
        GapReason::NotFetched => "gaps_not_fetched",
        GapReason::Missed => "gaps_missed",
        GapReason::Unreadable => "gaps_unreadable",
        GapReason::Dropped => "gaps_dropped",
        GapReason::Lost => "gaps_lost",
        GapReason::Spliced => "gaps_spliced",
    }
}
