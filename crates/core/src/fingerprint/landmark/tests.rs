use super::*;

fn peak(time: u32, frequency: u16, rank: u8) -> Peak {
    Peak { time, frequency, rank }
}

fn hashes(peaks: &[Peak]) -> Vec<u32> {
    let mut out = Vec::new();
    landmarks(peaks, |l| out.push(l.hash));
    out
}

const PLAIN: Depth = Depth { rank_limit: 4, fan_out: 3, margin: 0.0, gap_reach: 0 };

#[test]
fn a_query_probes_what_its_reference_stored() {
    let peaks: Vec<Peak> =
        (0..200u32).map(|i| peak(i * 5, (80 + i * 7919 % 3600) as u16, (i % 4) as u8)).collect();
    let mut found = Vec::new();
    probes(&peaks, 0, PLAIN, 1.0, 1.0, &mut found);
    let (mut stored, mut probed) = (hashes(&peaks), found.iter().map(|p| p.low).collect::<Vec<_>>());
    stored.sort_unstable();
    probed.sort_unstable();
    assert_eq!(stored, probed);
    assert!(found.len() > 400);
    assert!(found.iter().all(|p| p.high < HASHES));
}

#[test]
fn hashes_do_not_know_absolute_time() {
    let early = [peak(0, 1000, 0), peak(50, 1200, 0), peak(90, 800, 1)];
    let late = early.map(|p| Peak { time: p.time + 123_456, ..p });
    assert_eq!(hashes(&early), hashes(&late));
}

#[test]
fn the_zone_is_bounded() {
    let first = peak(0, 1000, 0);
    assert!(hashes(&[first, peak(SHORTEST_GAP - 1, 1010, 0)]).is_empty());
    assert!(hashes(&[first, peak(LONGEST_GAP + 1, 1010, 0)]).is_empty());
    assert!(hashes(&[peak(0, 100, 0), peak(50, 3700, 0)]).is_empty());
    assert_eq!(hashes(&[first, peak(LONGEST_GAP, 1010, 0)]).len(), 1);
}

#[test]
fn a_small_change_of_speed_is_a_near_probe() {
    let reference = [peak(1000, 2000, 0), peak(1100, 2400, 0)];
    let faster = [peak(990, 2020, 0), peak(1089, 2424, 0)];
    let mut out = Vec::new();
    let deep = Depth { margin: 0.5, gap_reach: 2, ..PLAIN };
    probes(&faster, 0, deep, 1.0, 1.0, &mut out);
    let hash = hashes(&reference)[0];
    assert!(out.iter().any(|p| (p.low..=p.high).contains(&hash)));
}
