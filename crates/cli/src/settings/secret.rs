//! Secrets: from a variable or from a file, never from a key.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use refrain_service::settings::Secret;

use super::tables::Hidden;

/// Longest secret, bytes: a key in PEM has a quarter of that.
const LONGEST: u64 = 64 * 1024;

/// The secret of a variable or of a file, whose final line end is dropped; both at once is an error.
pub(super) fn secret(variable: &str, value: Option<&Hidden>, file: Option<&Path>) -> Result<Option<Secret>> {
    let text = match (value, file) {
        (Some(_), Some(file)) => {
            bail!("both {variable} and the file {} give this secret; take one of them away", file.display())
        }
        (Some(Hidden(text)), None) => text.clone(),
        (None, Some(file)) => read(file).with_context(|| format!("cannot read secret {}", file.display()))?,
        (None, None) => return Ok(None),
    };
    if text.is_empty() {
        bail!("the secret of {variable} is empty; take its file away, or write it");
    }
    Ok(Some(Secret::new(text)))
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        bail!("it is longer than {LONGEST} bytes");
    }
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.unwrap_or(&text).to_owned())
}
