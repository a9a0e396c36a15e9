//! Parser of CSV metadata files.

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, ReaderBuilder};
use refrain_app::metadata::normalized_name;

use super::rows::MetadataFile;

/// Maximum number of columns of a file. A track stores at most 256 additional columns, but spreadsheets often add empty
/// ones. The check for repeated names compares all pairs of columns, about a million pairs at this limit.
const MAX_COLUMNS: usize = 1_000;

/// Reads the header and all rows into `file`. Invalid rows are recorded in `file`; an invalid header is an error.
pub(super) fn read(bytes: &[u8], file: &mut MetadataFile) -> Result<()> {
    // A row with more or fewer columns than the header makes only that row invalid, not the file.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().context("the header line is not UTF-8")?.clone();
    if header.len() > MAX_COLUMNS {
        bail!("the file has {} columns; use at most {MAX_COLUMNS}", header.len());
    }
    let known: Vec<String> = header.iter().map(normalized_name).collect();
    if !known.iter().any(|name| name == "file" || name == "isrc") {
        bail!("the header line has neither a `file` nor an `isrc` column, only: {}", known.join(", "));
    }
    // If two columns have the same name, it is not clear which value applies.
    if let Some(twice) = known.iter().enumerate().find(|(i, name)| known[..*i].contains(name)) {
        bail!("the header line has the column {} twice", twice.1);
    }
    // Rows are read as bytes, so that a row in another encoding does not make the rest of the file unreadable.
    let mut record = ByteRecord::new();
    // No error is expected, because the reader reads from memory and accepts rows of any number of columns.
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            file.reject(line, format!("{} fields, the header line has {}", record.len(), header.len()));
            continue;
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        match cells {
            Ok(cells) => file.add_row(line, header.iter().zip(cells)),
            Err(_) => file.reject(line, "not UTF-8".to_owned()),
        }
    }
    Ok(())
}
