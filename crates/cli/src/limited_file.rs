//! Reads files completely, up to a maximum size, so that a device such as `/dev/zero` cannot exhaust the memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Result, bail};

/// Bytes per mebibyte, the unit of the maximum size in messages.
const BYTES_PER_MEBIBYTE: u64 = 1 << 20;

/// Reads a file completely, if it has at most `max_bytes` bytes. `advice` is appended to the error about a larger file.
///
/// # Errors
/// If the file cannot be read, or if it has more than `max_bytes` bytes.
pub(crate) fn read_limited(path: &Path, max_bytes: u64, advice: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Reading one byte more than allowed detects files that are too large, even pipes and devices, whose size is
    // unknown.
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        bail!("the file has more than {} MiB; {advice}", max_bytes / BYTES_PER_MEBIBYTE);
    }
    Ok(bytes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn files_over_the_limit_are_rejected_without_reading_them_to_their_end() {
        let error = read_limited(Path::new("/dev/zero"), BYTES_PER_MEBIBYTE, "split it").unwrap_err();
        assert_eq!(error.to_string(), "the file has more than 1 MiB; split it");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, [7; 100]).unwrap();
        assert_eq!(read_limited(&file, 100, "split it").unwrap(), [7; 100]);
        assert!(read_limited(&file, 99, "split it").is_err());
    }
}
