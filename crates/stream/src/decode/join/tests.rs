use super::*;
use proptest::prelude::*;

fn frame(data: &[u8]) -> Frame<'_> {
    Frame { data, format: None, seconds: 0.025, time: None, after_loss: false }
}

/// Returns the data of the frame with this number.
fn numbered(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn buffered(numbers: impl IntoIterator<Item = u32>) -> ConnectionStart {
    let mut join = ConnectionStart::new(1_000.0, None);
    numbers.into_iter().for_each(|number| join.hold(frame(&numbered(number))));
    join
}

/// Simulates a connection that delivers `burst` seconds of audio at once and then audio in real time, in pieces of 0.1
/// s.
fn connection(burst: f64, pieces: u32) -> ConnectionStart {
    let mut join = ConnectionStart::new(1_000.0, None);
    join.hold_samples(&[], burst);
    join.arrived(1_000.0);
    for piece in 1..=pieces {
        join.hold_samples(&[], 0.1);
        join.arrived(1_000.0 + 0.1 * f64::from(piece));
        if join.is_settled() {
            break;
        }
    }
    join
}

#[test]
fn the_end_of_a_burst_is_now() {
    for burst in [0.1, 4.0, 10.0, 30.0] {
        let join = connection(burst, 20);
        assert!(join.is_settled(), "{burst}");
        assert!((join.start() - (1_000.0 - burst)).abs() < 1e-6, "{burst}");
    }
}

#[test]
fn a_burst_in_pieces_is_held_back_until_it_ends() {
    let mut join = ConnectionStart::new(1_000.0, None);
    for piece in 0..10 {
        join.hold_samples(&[], 2.0);
        join.arrived(1_000.0 + 0.1 * f64::from(piece));
        assert!(!join.is_settled());
    }
    for piece in 1..=10 {
        join.hold_samples(&[], 0.1);
        join.arrived(1_000.9 + 0.1 * f64::from(piece));
    }
    assert!(join.is_settled());
    assert!((join.start() - 980.9).abs() < 1e-6);
}

#[test]
fn a_source_that_sends_slightly_too_fast_has_no_burst() {
    let mut join = ConnectionStart::new(1_000.0, None);
    for piece in 0..20 {
        join.hold_samples(&[], 0.15);
        join.arrived(1_000.0 + 0.05 * f64::from(piece));
    }
    assert!(join.is_settled());
    assert!((join.start() - 1_000.0).abs() < 0.5, "{}", join.start());
}

#[test]
fn audio_that_always_arrives_too_fast_is_held_back_for_a_limited_time() {
    let mut join = ConnectionStart::new(1_000.0, None);
    for piece in 0..60 {
        join.hold_samples(&[], 1.0);
        join.arrived(1_000.0 + 0.1 * f64::from(piece));
    }
    assert!(join.is_settled());
}

#[test]
fn silence_alone_is_not_an_overlap() {
    let mut recent = RecentFrames::default();
    (0..100).for_each(|_| recent.push(&[0; 4]));
    let join = buffered(std::iter::repeat_n(0, 50));
    assert_eq!(recent.overlap(&join.frames, 1.0), None);
}

#[test]
fn an_overlap_can_be_longer_than_the_frames_held_back() {
    let mut recent = RecentFrames::default();
    (0..500).for_each(|number| recent.push(&numbered(number)));
    let join = buffered(300..320);
    assert_eq!(recent.overlap(&join.frames, 0.0), Some(20));
    assert!((320..500).all(|number| recent.repeats(&numbered(number))));
    assert!(!recent.repeats(&numbered(500)));
}

proptest! {
    /// The overlap is exactly the frames that a new connection repeats, even if the connection begins within a frame.
    #[test]
    fn exactly_the_repeated_frames_are_found(
        received in 10..2_000_u32, repeated in 4..1_500_u32, new in 0..200_u32, broken in 0..=3_u32
    ) {
        let mut recent = RecentFrames::default();
        (0..received).for_each(|number| recent.push(&numbered(number)));
        let repeated = repeated.min(received).min(MAX_RECENT_FRAMES as u32);
        let damaged = (0..broken).map(|number| u32::MAX - number);
        let join = buffered(damaged.chain(received - repeated..received + new));
        prop_assert_eq!(recent.overlap(&join.frames, 0.0), Some((broken + repeated) as usize));
    }

    /// A connection that repeats nothing has no overlap.
    #[test]
    fn new_audio_is_never_taken_for_repeated_audio(received in 0..500_u32, new in 0..200_u32) {
        let mut recent = RecentFrames::default();
        (0..received).for_each(|number| recent.push(&numbered(number)));
        let join = buffered(received..received + new);
        prop_assert_eq!(recent.overlap(&join.frames, 1.0), None);
    }
}
