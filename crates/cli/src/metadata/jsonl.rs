//! Parser of JSON-lines metadata files.

use refrain_app::metadata::json_cells;

use super::rows::MetadataFile;

/// Reads all lines into `file`. Blank lines are skipped, and invalid lines are recorded in `file`.
pub(super) fn read(bytes: &[u8], file: &mut MetadataFile) {
    for (k, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = k as u64 + 1;
        // After the line end of the last line, the split gives an empty line.
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match json_cells(line) {
            Ok(cells) => {
                file.add_row(number, cells.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            }
            Err(reason) => file.reject(number, reason),
        }
    }
}
