//! Reads the lines of an export with bounded memory.

use std::io::{self, BufRead, Read};

/// Maximum length in bytes of the first line of an export, a hundred times the length of a real header. A file that is
/// not an export, possibly without any line end, is recognized after this many bytes.
const MAX_HEADER_BYTES: u64 = 4 << 10;

/// Maximum length of a line in bytes (64 MiB), which bounds the memory for a file without line ends. The constellation
/// of a day of audio in base64 is shorter. With 32 MiB, tracks of a day could be rejected.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Returns the first line without its line end. A longer line is truncated to [`MAX_HEADER_BYTES`].
pub(super) fn header_line(lines: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// Returns the next line without its line end, or `None` at the end of the file. A line longer than [`MAX_LINE_BYTES`]
/// is truncated, so that its checksum is wrong and the line counts as damaged.
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
