//! Reads the lines of an export in bounded memory.

use std::io::{self, BufRead, Read};

/// Maximum length of the first line of an export in bytes, a hundred times the length of a header. Other files, which can
/// have no line end at all, are recognized after these bytes.
const MAX_HEADER_BYTES: u64 = 4 << 10;

/// Maximum length of a line in bytes (64 MiB), which is more than the constellation of a day of audio needs in base64.
/// It bounds the memory for a file without line ends. At half this value, tracks of a day could be rejected.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Returns the first line without its line end, truncated to [`MAX_HEADER_BYTES`].
pub(super) fn header_line(lines: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// Returns the next line without its line end. A line that is longer than [`MAX_LINE_BYTES`] is truncated, so that its checksum
/// is wrong.
pub(super) fn next_line(lines: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if lines.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == MAX_LINE_BYTES {
        lines.skip_until(b'\n')?;
    }
    Ok(Some(line))
}
