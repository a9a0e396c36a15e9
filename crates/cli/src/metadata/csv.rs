//! Parser of CSV metadata files.

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, ReaderBuilder};
use refrain_app::metadata::normalized_name;

use super::rows::MetadataFile;

/// Maximum number of columns of a file, including empty columns. A track stores at most 256 of them; spreadsheets add
/// empty ones. The check for repeated names is quadratic, which takes a million comparisons at this limit.
const MAX_COLUMNS: usize = 1_000;

/// Reads the header and all rows into `file`. Invalid rows are recorded in it; an invalid header is an error.
pub(super) fn read(bytes: &[u8], file: &mut MetadataFile) -> Result<()> {
    // A row of another length is an invalid row, not an invalid file.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().context("the header line is not UTF-8")?.clone();
    if header.len() > MAX_COLUMNS {
        bail!("the file has {} columns, more than {MAX_COLUMNS}", header.len());
    }
    let known: Vec<String> = header.iter().map(normalized_name).collect();
    if !known.iter().any(|name| name == "file" || name == "isrc") {
        bail!("the header line has neither a `file` nor an `isrc` column, only: {}", known.join(", "));
    }
    // With two columns of one name it is not clear which value applies.
    if let Some(twice) = known.iter().enumerate().find(|(i, name)| known[..*i].contains(name)) {
        bail!("the header line has the column {} twice", twice.1);
    }
    // Read as bytes, so that one row in another encoding does not make the whole file unreadable.
    let mut record = ByteRecord::new();
    // The reader reads from memory and accepts rows of any length, so an error is not expected here.
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
