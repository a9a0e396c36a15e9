//! Start and end of one alert.

use super::alert::AlertReading;

/// The state of the alert of one kind. Starts and ends alternate.
#[derive(Debug, Clone, Default)]
pub(super) struct AlertState {
    /// Seconds of audio with the fault before the start of the alert, or without it before its end.
    run: f64,
    /// Position of the first audio of this run.
    run_start: u64,
    open: Option<OpenState>,
}

/// The data of an open alert.
#[derive(Debug, Clone)]
pub(super) struct OpenState {
    /// Position of the first audio with the fault; `None` if an earlier analyzer found it.
    pub(super) since: Option<u64>,
    pub(super) reading: AlertReading,
}

/// A change of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Start,
    End,
}

impl AlertState {
    /// Creates the state of an alert that an earlier analyzer left open.
    pub(super) fn continued(reading: AlertReading) -> Self {
        Self { open: Some(OpenState { since: None, reading }), ..Self::default() }
    }

    /// Adds `seconds` of audio from the position `start` on, with or without the fault. Returns the change if the fault
    /// has lasted for `durations.0` seconds, or its absence for `durations.1` seconds.
    pub(super) fn observe(
        &mut self,
        is_fault: bool,
        start: u64,
        seconds: f64,
        durations: (f64, f64),
    ) -> Option<Change> {
        /// Sums of tenths of a second are not exact. This is far below a block.
        const TOLERANCE_SECONDS: f64 = 1e-6;
        if is_fault == self.open.is_some() {
            self.run = 0.0;
            return None;
        }
        if self.run == 0.0 {
            self.run_start = start;
        }
        self.run += seconds;
        let needed = if self.open.is_some() { durations.1 } else { durations.0 };
        if self.run + TOLERANCE_SECONDS < needed {
            return None;
        }
        self.run = 0.0;
        Some(if self.open.is_some() { Change::End } else { Change::Start })
    }

    /// Opens the alert after [`Change::Start`].
    pub(super) fn open(&mut self, reading: AlertReading) {
        self.open = Some(OpenState { since: Some(self.run_start), reading });
    }

    /// Closes the alert after [`Change::End`], and returns its data.
    pub(super) fn close(&mut self) -> Option<OpenState> {
        self.run = 0.0;
        self.open.take()
    }

    /// Returns the open alert; `None` if no alert is open.
    pub(super) fn current(&self) -> Option<&OpenState> {
        self.open.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading() -> AlertReading {
        AlertReading { value: 1.0, threshold: 0.0, reason: String::new() }
    }

    /// Feeds a sequence of tenths of a second and returns the changes with their index.
    fn changes(faults: &[bool], durations: (f64, f64)) -> Vec<(usize, Change)> {
        let (mut state, mut changes) = (AlertState::default(), Vec::new());
        for (index, fault) in faults.iter().enumerate() {
            let change = state.observe(*fault, index as u64, 0.1, durations);
            match change {
                Some(Change::Start) => state.open(reading()),
                Some(Change::End) => drop(state.close()),
                None => {}
            }
            changes.extend(change.map(|change| (index, change)));
        }
        changes
    }

    #[test]
    fn alert_starts_and_ends_after_its_durations() {
        let faults: Vec<bool> = (0..100).map(|n| (20..60).contains(&n)).collect();
        assert_eq!(changes(&faults, (1.0, 2.0)), [(29, Change::Start), (79, Change::End)]);
        assert_eq!(changes(&faults, (4.1, 2.0)), [], "the fault is too short");
    }

    #[test]
    fn short_interruption_neither_ends_an_alert_nor_begins_another() {
        let faults: Vec<bool> = (0..100).map(|n| (20..60).contains(&n) && n != 40).collect();
        assert_eq!(changes(&faults, (1.0, 2.0)), [(29, Change::Start), (79, Change::End)]);
        assert_eq!(changes(&faults, (3.0, 2.0)), [], "the fault was interrupted before its duration");
    }

    proptest! {
        #[test]
        fn starts_and_ends_alternate_and_need_their_durations(
            faults in proptest::collection::vec(any::<bool>(), 0..400),
            start in 0_u32..20,
            end in 1_u32..20,
        ) {
            let durations = (f64::from(start) / 10.0, f64::from(end) / 10.0);
            let changes = changes(&faults, durations);
            for (n, (index, change)) in changes.iter().enumerate() {
                let is_start = n % 2 == 0;
                prop_assert_eq!(*change == Change::Start, is_start);
                let run = if is_start { start.max(1) } else { end } as usize;
                prop_assert!(faults[index + 1 - run..=*index].iter().all(|fault| *fault == is_start));
            }
        }
    }
}
