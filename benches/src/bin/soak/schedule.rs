//! The random schedule of faults.

use refrain_benches::synthetic::Random;

use super::kinds::{FaultKind, KINDS};

/// Shortest and longest time of a fault in seconds.
const FAULT_SECONDS: (f64, f64) = (1.0, 30.0);
/// Shortest and longest pause between two faults of a stream in seconds. Its mean is nine times the mean time of a
/// fault, so that a tenth of the streams has a fault. At half these values, the effects of two faults overlap; at twice
/// these values, only one stream of 20 has a fault.
const PAUSE_SECONDS: (f64, f64) = (60.0, 219.0);
/// Time without faults at the start, in which all streams become live, and at the end, in which they recover.
const QUIET_SECONDS: (f64, f64) = (30.0, 50.0);

/// A fault of one stream. Times are in seconds since the start of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PlannedFault {
    pub(crate) stream: usize,
    /// Index of the kind in [`KINDS`].
    pub(crate) kind: usize,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// Draws the faults of a run of `seconds` seconds, in the order of their starts. `can_have` returns true if a stream can
/// have a kind of faults. Every kind occurs once before any kind occurs again, as far as the streams allow it.
pub(crate) fn draw(
    seed: u64,
    streams: usize,
    seconds: f64,
    can_have: &dyn Fn(usize, &FaultKind) -> bool,
) -> Vec<PlannedFault> {
    let mut random = Random::new(seed);
    let mut between = |(low, high): (f64, f64)| low + (high - low) * random.unit();
    let mut faults = Vec::new();
    for stream in 0..streams {
        let mut at = QUIET_SECONDS.0 + between((0.0, PAUSE_SECONDS.1));
        loop {
            let to = at + between(FAULT_SECONDS);
            if to > seconds - QUIET_SECONDS.1 {
                break;
            }
            faults.push(PlannedFault { stream, kind: 0, from: at, to });
            at = to + between(PAUSE_SECONDS);
        }
    }
    faults.sort_by(|a, b| a.from.total_cmp(&b.from));
    let mut deck: Vec<usize> = Vec::new();
    for fault in &mut faults {
        let fits = |kind: &usize| KINDS.get(*kind).is_some_and(|kind| can_have(fault.stream, kind));
        if !deck.iter().any(fits) {
            deck.extend(shuffled(KINDS.len(), &mut random));
        }
        if let Some(at) = deck.iter().position(fits) {
            fault.kind = deck.remove(at);
        }
    }
    faults
}

fn shuffled(count: usize, random: &mut Random) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        numbers.swap(last, random.below(last + 1));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Usable;

    fn plan(seed: u64) -> Vec<PlannedFault> {
        draw(seed, 200, 7200.0, &|stream, kind| kind.usable == Usable::All || stream % 4 == 0)
    }

    #[test]
    fn a_seed_always_gives_the_same_faults() {
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3), plan(4));
    }

    #[test]
    fn a_tenth_of_the_streams_has_a_fault() {
        let active: f64 = plan(1).iter().map(|fault| fault.to - fault.from).sum();
        let mean = active / 7200.0;
        assert!((17.0..23.0).contains(&mean), "{mean} streams with a fault");
    }

    #[test]
    fn faults_of_a_stream_never_overlap() {
        let faults = plan(1);
        for stream in 0..200 {
            let own: Vec<_> = faults.iter().filter(|fault| fault.stream == stream).collect();
            assert!(own.windows(2).all(|pair| pair[1].from - pair[0].to >= PAUSE_SECONDS.0));
        }
    }

    #[test]
    fn every_kind_occurs_and_only_where_it_can() {
        let faults = plan(1);
        for (number, kind) in KINDS.iter().enumerate() {
            let own = || faults.iter().filter(|fault| fault.kind == number);
            assert!(own().count() > 20, "{}", kind.name);
            assert!(kind.usable == Usable::All || own().all(|fault| fault.stream % 4 == 0), "{}", kind.name);
        }
    }
}
