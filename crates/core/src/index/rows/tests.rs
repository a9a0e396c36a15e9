//! Tests of searching rows in memory.

use proptest::prelude::*;

use super::*;
use crate::fingerprint::landmark::{HASHES, Probe};
use crate::fingerprint::{Constellation, Peak};
use crate::index::{SearchIndex, SearchSession, Snapshot};

/// Rows of one run.
struct MemoryStore(Vec<Row>);

impl RowStore for MemoryStore {
    fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
        let requested = self.0.iter().filter(|row| buckets.contains(&row.bucket));
        Ok(requested.map(|row| RunRow { run: 5, row: row.clone() }).collect())
    }

    fn locate(&self, _: &[RowPosition], _: usize, _: &[TrackNumber]) -> Result<Vec<RowCandidate>, RowError> {
        Ok(Vec::new())
    }
}

fn tracks() -> Vec<(TrackNumber, Constellation)> {
    let peak = |i: u32| Peak { time: 7 * i, frequency: (80 + i * i % 97 * 31) as u16, rank: (i % 4) as u8 };
    vec![(TrackNumber(1), Constellation::new(122.0, (0..3000).map(peak).collect()))]
}

/// Returns, for each of the four lookups that `probes` belong to, its votes in ascending order.
fn votes(session: &mut dyn SearchSession, probes: &[Probe]) -> Vec<Vec<u32>> {
    let mut votes = vec![Vec::new(); 4];
    let mut found = Vec::new();
    session.vote(probes, &mut votes, &mut |_, votes| found = votes.to_vec()).unwrap();
    found.iter_mut().for_each(|votes| votes.sort_unstable());
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_and_files_give_the_same_votes_to_each_of_several_lookups(
        ranges in prop::collection::vec((0..HASHES + 5000, 0u32..3000, 0u32..9, 0u32..4), 0..200),
    ) {
        let tracks = tracks();
        let snapshot = Snapshot::from_tracks(&tracks).unwrap();
        let (run, rows) = pack(&tracks);
        let index = RowIndex::new(MemoryStore(rows), vec![(5, run.shape)], run.groups, 1, run.tracks[0].units());
        let probe = |(low, span, time, lookup)| Probe { low, high: low + span, time, lookup };
        let mut probes: Vec<_> = ranges.into_iter().map(probe).collect();
        probes.sort_unstable_by_key(|probe| probe.low);
        let local = votes(&mut *snapshot.session(), &probes);
        prop_assert_eq!(votes(&mut *index.session(), &probes), local);
    }
}
