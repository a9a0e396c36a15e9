use super::*;
use proptest::prelude::*;

fn clock(times: &[(f64, f64)]) -> StreamClock {
    let mut clock = StreamClock::default();
    times.iter().for_each(|&(position, time)| clock.program_date_time(position, time, false));
    clock
}

#[test]
fn jitter_is_averaged_and_jumps_are_followed() {
    let jitter = |i: i32| if i % 2 == 0 { 0.3 } else { -0.3 };
    let times: Vec<_> =
        (0..100).map(|i| (2.0 * f64::from(i), 1e9 + 2.0 * f64::from(i) + jitter(i))).collect();
    let error = clock(&times).epoch(190.0).unwrap() - 1e9 - 190.0;
    assert!(error.abs() < 0.05, "{error}");
    let jumped = clock(&[(0.0, 1e9), (2.0, 1e9 + 2.0), (4.0, 1e9 + 104.0), (6.0, 1e9 + 106.0)]);
    assert_eq!(jumped.epoch(5.0), Some(1e9 + 5.0));
    assert_eq!(jumped.epoch(7.0), Some(1e9 + 107.0));
    let outlier = clock(&[(0.0, 1e9), (2.0, 1e9 + 99.0), (4.0, 1e9 + 4.0), (6.0, 1e9 + 99.0)]);
    assert_eq!(outlier.epoch(8.0), Some(1e9 + 8.0));
}

#[test]
fn clock_continues_if_dates_are_set_back() {
    let back = clock(&[(0.0, 1e9), (2.0, 1e9 - 3_600.0), (4.0, 1e9 - 3_598.0), (6.0, 1e9 - 3_596.0)]);
    assert_eq!(back.epoch(6.0), Some(1e9 + 6.0));
    assert_eq!(back.set_back(), 3_602.0);
    let mut repaired = back;
    repaired.program_date_time(8.0, 1e9 + 50.0, true);
    assert_eq!((repaired.epoch(9.0), repaired.set_back()), (Some(1e9 + 51.0), 0.0));
}

#[test]
fn clock_is_slowed_down_if_an_encoder_repeats_some_seconds() {
    let repeated = |at: f64| if at < 20.0 { 1e9 + at } else { 1e9 + at - 4.0 };
    let times: Vec<_> = (0..30).map(|n| f64::from(2 * n)).map(|at| (at, repeated(at))).collect();
    let slowed = clock(&times);
    // The first date is not followed, because one date can be wrong.
    assert_eq!((slowed.epoch(20.0), slowed.epoch(22.0)), (Some(1e9 + 20.0), Some(1e9 + 22.0)));
    assert_eq!((slowed.epoch(26.0), slowed.epoch(30.0)), (Some(1e9 + 24.0), Some(1e9 + 26.0)));
    assert_eq!((slowed.epoch(50.0), slowed.set_back()), (Some(1e9 + 46.0), 0.0));
}

#[test]
fn an_earlier_arrival_moves_the_estimate_smoothly() {
    let mut clock = StreamClock::default();
    clock.arrival(0.0, 1e9, false, None);
    for second in 0..120 {
        let position = f64::from(second);
        let late = if second < 10 { 0.0 } else { -2.0 };
        clock.received(position, 1e9 + position + late, true);
    }
    assert!((clock.epoch(8.0).unwrap() - 1e9 - 8.0).abs() < 0.01, "reported times do not change");
    assert!((clock.epoch(119.0).unwrap() - 1e9 - 117.0).abs() < 0.1, "{:?}", clock.epoch(119.0));
}

#[test]
fn late_arrivals_move_the_estimate_only_if_all_are_late() {
    let mut clock = StreamClock::default();
    clock.arrival(0.0, 1e9, false, None);
    for second in 0..100 {
        let late = if second % 10 == 0 { 0.2 } else { 5.0 };
        clock.received(f64::from(second), 1e9 + f64::from(second) + late, true);
    }
    assert!((clock.epoch(99.0).unwrap() - 1e9 - 99.0).abs() < 0.01);
    for second in 100..200 {
        clock.received(f64::from(second), 1e9 + f64::from(second) + 5.0, true);
    }
    assert!((clock.epoch(199.0).unwrap() - 1e9 - 204.0).abs() < 0.3);
}

#[test]
fn arrivals_faster_than_real_time_stop_counting() {
    let mut clock = StreamClock::default();
    clock.arrival(0.0, 1e9, false, None);
    (0..1_000).map(f64::from).for_each(|at| clock.received(at, 1e9 + at / 3.0, true));
    let error = clock.epoch(999.0).unwrap() - 1e9 - 999.0;
    assert!((-30.5..0.0).contains(&error), "{error}");
}

#[test]
fn a_clock_is_continued_if_the_time_stamps_fit() {
    let anchor = ClockAnchor { stamp: 100.0, wrap: Some(1_000.0), epoch: 1e9 };
    for (stamp, arrival, expected) in [
        (112.0, 1e9 + 15.0, 1e9 + 12.0),
        (5.0, 1e9 + 906.0, 1e9 + 905.0),
        // The encoder was restarted.
        (0.0, 1e9 + 40.0, 1e9 + 40.0),
    ] {
        let mut clock = StreamClock::default();
        clock.inherit(anchor);
        clock.arrival(0.0, arrival, false, Some(stamp));
        assert_eq!(clock.epoch(0.0), Some(expected));
        assert_eq!(clock.is_shared(), expected != arrival);
    }
}

#[test]
fn invalid_times_change_nothing() {
    let mut clock = clock(&[(0.0, 1e9)]);
    for time in [-4.8e270, f64::MAX, f64::MIN, f64::INFINITY, f64::NAN] {
        clock.program_date_time(1.0, time, true);
        clock.arrival(1.0, time, true, None);
        assert_eq!((clock.epoch(2.0), clock.set_back()), (Some(1e9 + 2.0), 0.0), "{time}");
    }
}

#[test]
fn arrival_sets_the_clock_until_there_are_dates() {
    let mut clock = StreamClock::default();
    assert_eq!(clock.epoch(0.0), None);
    clock.arrival(0.0, 1e9, false, None);
    clock.arrival(2.0, 1e9 + 11.9, false, None);
    assert_eq!((clock.epoch(3.0), clock.source()), (Some(1e9 + 3.0), Some(ClockSource::Arrival)));
    clock.arrival(4.0, 1e9 + 50.0, false, None);
    assert_eq!(clock.epoch(5.0), Some(1e9 + 51.0));
    clock.arrival(4.0, 1e9 + 60.0, true, None);
    assert_eq!(clock.epoch(5.0), Some(1e9 + 61.0));
    clock.program_date_time(6.0, 1e9 + 70.0, false);
    clock.arrival(8.0, 1e9 + 99.0, true, None);
    assert_eq!((clock.epoch(9.0), clock.source()), (Some(1e9 + 73.0), Some(ClockSource::ProgramDateTime)));
    clock.first_listed(1e9 + 73.0, 1e9 + 80.5);
    assert_eq!(clock.arrival_offset(), Some(7.5));
}

proptest! {
    /// For any dates and arrivals, a later position never has an earlier time.
    #[test]
    fn time_never_runs_back(
        events in prop::collection::vec((0.1..10.0, -5_000.0..5_000.0, 0..10_u8, any::<bool>()), 1..80)
    ) {
        let (mut clock, mut position, mut latest) = (StreamClock::default(), 0.0, f64::MIN);
        for (step, jump, kind, certain) in events {
            let jump = if kind < 6 { jump / 10_000.0 } else { jump };
            match kind {
                8 => clock.arrival(position, 1e9 + position + jump, certain, None),
                9 => clock.received(position, 1e9 + position + jump, certain),
                _ => clock.program_date_time(position, 1e9 + position + jump, certain),
            }
            let positions: Vec<_> = (0..20).map(|i| position + step * f64::from(i) / 20.0).collect();
            for at in positions {
                let Some(epoch) = clock.epoch(at) else { continue };
                prop_assert!(epoch >= latest, "{epoch} after {latest} at {at}");
                latest = epoch;
            }
            position += step;
        }
    }

    /// Dates within half a second of the true time keep the clock within 0.51 s of it, and exact dates make the clock
    /// exact.
    #[test]
    fn jitter_stays_small(jitter in prop::collection::vec(-0.5..0.5, 10..200), steady in 40..100_u32) {
        let mut clock = StreamClock::default();
        let mut position = 0.0;
        for off in jitter {
            clock.program_date_time(position, 1e9 + position + off, false);
            position += 2.0;
            prop_assert!((clock.epoch(position).unwrap() - 1e9 - position).abs() <= 0.51);
        }
        for _ in 0..5 * steady {
            clock.program_date_time(position, 1e9 + position, false);
            position += 2.0;
        }
        prop_assert!((clock.epoch(position).unwrap() - 1e9 - position).abs() < 0.01);
    }
}
