//! Reads secrets from environment variables or from files. The settings file itself never contains a secret.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use refrain_service::settings::Secret;

use super::tables::SecretText;

/// Maximum length of a secret in bytes, four times the length of a long key in PEM.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Returns a secret, from the value of its variable or from its file. `variable` is the name of the variable, for
/// messages. A line end at the end of the file is removed. Returns `None` if neither is set.
///
/// # Errors
/// If both the variable and the file are set, if the file cannot be read, or if the secret is empty or longer than 64
/// KiB.
pub(super) fn secret(
    variable: &str,
    value: Option<&SecretText>,
    file: Option<&Path>,
) -> Result<Option<Secret>> {
    let text = match (value, file) {
        // If both are set, it is not clear which one is valid, for example after the secret was changed.
        (Some(_), Some(file)) => {
            bail!("both {variable} and the file {} set this secret; remove one of them", file.display())
        }
        (Some(SecretText(text)), None) => text.clone(),
        (None, Some(file)) => read(file).with_context(|| format!("cannot read secret {}", file.display()))?,
        (None, None) => return Ok(None),
    };
    // An empty variable counts as not set, so an empty secret always comes from a file.
    if let (true, Some(file)) = (text.is_empty(), file) {
        bail!("the secret file {} is empty; write the secret to it, or remove its setting", file.display());
    }
    Ok(Some(Secret::new(text)))
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        bail!("the file is longer than {MAX_SECRET_BYTES} bytes");
    }
    // Editors add a line end to files, which is not a part of the secret.
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.unwrap_or(&text).to_owned())
}
