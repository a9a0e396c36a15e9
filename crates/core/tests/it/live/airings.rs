//! Airings.
use super::{follow, table, finals};
use crate::songs::{airings, clip, library, unknown, whole, RATE};
use refrain_testkit::effects::{Clip, overlay, add_babble, speed, babble};

fn after(gap: f64, clip: Clip<'static>) -> Clip<'static> {
    Clip { fade: -gap, ..clip }
}
fn show(name: &str, samples: &[f32]) {
    let t = std::time::Instant::now();
    let events = follow(samples);
    println!("== {name} {:.1} s in {:?}{}", samples.len() as f64 / RATE, t.elapsed(), table(&events));
    let _ = std::panic::catch_unwind(|| { finals(&events); });
}

#[test]
fn explore() {
    let (mix, _) = airings(&[(0, whole(0)), (1, whole(1)), (2, whole(2)), (3, whole(3))]);
    println!("{:?}", mix.airings);
    show("whole", &mix.samples);
    let (mix, _) = airings(&[(4, clip(4, 5.0, 10.0)), (5, clip(5, 3.0, 8.0)), (6, clip(6, 2.0, 12.0)), (7, clip(7, 8.0, 6.0))]);
    println!("{:?}", mix.airings);
    show("cuts", &mix.samples);
    let (mix, _) = airings(&[(8, whole(8)), (9, after(6.0, whole(9))), (10, after(0.5, whole(10))), (11, after(20.0, whole(11)))]);
    println!("{:?}", mix.airings);
    show("silences", &mix.samples);
    let s: &'static [f32] = unknown(1, 30.0).leak();
    let s = Clip { samples: s, from: 0.0, seconds: 30.0, fade: 0.0 };
    let (mix, _) = airings(&[(8, whole(8)), (99, s), (9, whole(9)), (99, s)]);
    println!("{:?}", mix.airings);
    show("unknown", &mix.samples);
    let (mix, _) = airings(&[(10, whole(10)), (10, whole(10)), (12, clip(12, 8.0, 10.0)), (12, clip(12, 2.0, 12.0))]);
    println!("{:?}", mix.airings);
    show("replay", &mix.samples);
    let (mix, _) = airings(&[(13, whole(13)), (14, Clip { fade: 8.0, ..whole(14) })]);
    println!("{:?}", mix.airings);
    show("mix", &mix.samples);
    let song = &library().songs[15];
    show("babble -6", &add_babble(song, -6.0, 3));
    show("babble 6", &add_babble(song, 6.0, 3));
    show("speed 1.03", &speed(&[song.as_slice(), &library().songs[16]].concat(), 1.03));
    show("speed .97", &speed(&[song.as_slice(), &library().songs[16]].concat(), 0.97));
    let mut dropped = library().songs[15].clone();
    dropped[10 * 44100..17 * 44100].fill(0.0);
    show("drop-out 7", &dropped);
    let talk = overlay(song, &babble(8 * 44100, 5), 10.0, 6.0);
    show("talk", &talk);
    show("unknown", &unknown(3, 60.0));
}
