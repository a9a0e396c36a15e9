//! Rows of a CSV file.

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, ReaderBuilder};
use refrain_service::metadata::known_name;

use super::rows::MetadataFile;

/// Maximum number of columns of a file, empty ones included. A track keeps 256 of them at most.
const MAX_COLUMNS: usize = 1_000;

/// Reads the header and all rows.
pub(super) fn read(bytes: &[u8], file: &mut MetadataFile) -> Result<()> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().context("its header line is not UTF-8")?.clone();
    if header.len() > MAX_COLUMNS {
        bail!("it has {} columns, more than {MAX_COLUMNS}", header.len());
    }
    let known: Vec<String> = header.iter().map(known_name).collect();
    if !known.iter().any(|name| name == "file" || name == "isrc") {
        bail!("its header line has neither a `file` nor an `isrc` column, only: {}", known.join(", "));
    }
    if let Some(twice) = known.iter().enumerate().find(|(i, name)| known[..*i].contains(name)) {
        bail!("its header line has the column {} twice", twice.1);
    }
    let mut record = ByteRecord::new();
    // Reading from memory, with rows of any length: nothing can fail here but the loop's end.
    while reader.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            file.reject(line, format!("{} fields, the header line has {}", record.len(), header.len()));
            continue;
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        match cells {
            Ok(cells) => file.take(line, header.iter().zip(cells)),
            Err(_) => file.reject(line, "not UTF-8".to_owned()),
        }
    }
    Ok(())
}
