//! Writer of failed inputs and of corpus files.

use std::path::PathBuf;

use anyhow::{Context, Result};
use refrain_core::fingerprint::{Constellation, Peak};
use refrain_core::index::TrackNumber;

use crate::Args;

/// Saves an input on which a target failed. Returns its path.
pub(crate) fn save(args: &Args, target: &str, kind: &str, number: u64, input: &[u8]) -> Result<PathBuf> {
    let folder = args.root.join("fuzz/artifacts").join(target);
    let path = folder.join(format!("{kind}-{}-{number}", args.seed));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, input))
        .with_context(|| format!("cannot save the input in {}", path.display()))?;
    Ok(path)
}

/// Writes run files into the corpus of `index_run`.
pub(crate) fn write_corpus(args: &Args) -> Result<()> {
    let folder = args.root.join("fuzz/corpus/index_run");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, tracks, peaks) in [("empty", 0, 0), ("one", 1, 40), ("few", 5, 120)] {
        let tracks: Vec<_> =
            (0..tracks).map(|number| (TrackNumber(number), constellation(number, peaks))).collect();
        let bytes =
            refrain_core::fuzzing::write_run(&tracks, 7).context("the tracks are too long for one run")?;
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn constellation(seed: u32, peaks: u32) -> Constellation {
    let mut rng = fastrand::Rng::with_seed(u64::from(seed));
    let mut peak =
        |number: u32| Peak { time: number * 40, frequency: rng.u16(1000..4096), rank: rng.u8(..8) };
    Constellation::new(30.0, (0..peaks).map(&mut peak).collect())
}
