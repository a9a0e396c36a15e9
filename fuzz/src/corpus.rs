//! Stored inputs, from which new inputs are derived.

use std::path::Path;

use anyhow::{Context, Result};

use crate::limits::MAX_INPUT_BYTES;
use crate::targets::Target;

/// Stored inputs of one target.
#[derive(Debug, Clone)]
pub struct Corpus(Vec<Vec<u8>>);

impl Corpus {
    /// Reads the folder `fuzz/corpus/TARGET` and the target's further seeds below `root`, in the order of their names. Inputs
    /// longer than [`MAX_INPUT_BYTES`] are cut.
    ///
    /// # Errors
    /// Fails if a folder of further seeds is missing, or if a file cannot be read.
    pub fn read(root: &Path, target: &Target) -> Result<Self> {
        let mut inputs = Vec::new();
        let own = root.join("fuzz/corpus").join(target.name);
        if own.is_dir() {
            read_folder(&own, &mut inputs)?;
        }
        for folder in target.seeds {
            read_folder(&root.join(folder), &mut inputs)?;
        }
        Ok(Self(inputs))
    }

    /// Returns the inputs; empty for a target without stored inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Vec<u8>] {
        &self.0
    }
}

fn read_folder(folder: &Path, inputs: &mut Vec<Vec<u8>>) -> Result<()> {
    let cannot = || format!("cannot read the seeds in {}", folder.display());
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .with_context(cannot)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(cannot)?;
    paths.retain(|path| path.is_file());
    paths.sort();
    for path in paths {
        let mut bytes =
            std::fs::read(&path).with_context(|| format!("cannot read the seed {}", path.display()))?;
        bytes.truncate(MAX_INPUT_BYTES);
        inputs.push(bytes);
    }
    Ok(())
}
