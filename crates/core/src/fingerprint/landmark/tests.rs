use super::*;

fn peak(time: u32, frequency: u16, rank: u8) -> Peak {
    Peak { time, frequency, rank }
}

fn hashes(peaks: &[Peak]) -> Vec<u32> {
    let mut out = Vec::new();
    landmarks(peaks, |l| out.push(l.hash));
    out
}

const PLAIN: Depth = Depth { rank_limit: 4, fan_out: 3, gap_reach: 0 };
const UNCHANGED: Rescaling = Rescaling { time: 1.0, frequency: 1.0 };

fn probes(peaks: &[Peak], depth: Depth, rescaling: Rescaling) -> Vec<Probe> {
    let mut out = Vec::new();
    Prober::default().probes((peaks, 0), depth, rescaling, 0, &mut out);
    out
}

#[test]
fn a_query_probes_all_hashes_of_its_reference() {
    let peaks: Vec<Peak> =
        (0..200u32).map(|i| peak(i * 5, (80 + i * 7919 % 3600) as u16, (i % 4) as u8)).collect();
    let found = probes(&peaks, PLAIN, UNCHANGED);
    let (mut stored, mut probed) = (hashes(&peaks), found.iter().map(|p| p.low).collect::<Vec<_>>());
    stored.sort_unstable();
    probed.sort_unstable();
    assert_eq!(stored, probed);
    assert!(found.len() > 400);
    assert!(found.iter().all(|p| p.high < HASHES));
}

#[test]
fn hashes_do_not_depend_on_absolute_time() {
    let early = [peak(0, 1000, 0), peak(50, 1200, 0), peak(90, 800, 1)];
    let late = early.map(|p| Peak { time: p.time + 123_456, ..p });
    assert_eq!(hashes(&early), hashes(&late));
}

#[test]
fn the_target_zone_is_bounded() {
    let first = peak(0, 1000, 0);
    assert!(hashes(&[first, peak(MIN_GAP_TICKS - 1, 1010, 0)]).is_empty());
    assert!(hashes(&[first, peak(MAX_GAP_TICKS + 1, 1010, 0)]).is_empty());
    assert!(hashes(&[peak(0, 100, 0), peak(50, 3700, 0)]).is_empty());
    assert_eq!(hashes(&[first, peak(MAX_GAP_TICKS, 1010, 0)]).len(), 1);
}

#[test]
fn a_small_change_of_speed_is_within_the_range_of_a_probe() {
    let reference = [peak(1000, 2014, 0), peak(1100, 2417, 0)];
    let faster = [peak(990, 2034, 0), peak(1089, 2441, 0)];
    let deep = Depth { gap_reach: 2, ..PLAIN };
    let hash = hashes(&reference)[0];
    assert!(probes(&faster, deep, UNCHANGED).iter().any(|p| (p.low..=p.high).contains(&hash)));
}

#[test]
fn a_change_of_speed_is_undone_by_rescaling() {
    let reference = [peak(0, 1400, 0), peak(120, 1800, 0), peak(150, 3600, 1)];
    let faster = [peak(0, 2100, 0), peak(80, 2700, 0), peak(90, 3700, 0)];
    let undone = Rescaling { time: 1.5, frequency: 1.0 / 1.5 };
    let found = probes(&faster, Depth { fan_out: 1, ..PLAIN }, undone);
    assert_eq!(found[0].low, hashes(&reference)[0]);
}

#[test]
fn peaks_that_no_reference_has_are_not_paired() {
    let slower = [peak(0, 1400, 0), peak(60, 3600, 0), peak(80, 1800, 1)];
    let found = probes(&slower, Depth { fan_out: 1, ..PLAIN }, Rescaling { time: 1.0, frequency: 1.25 });
    let kept = probes(&[slower[0], slower[2]], PLAIN, Rescaling { time: 1.0, frequency: 1.25 });
    assert_eq!(found, kept, "5.6 kHz is above the band");
}
