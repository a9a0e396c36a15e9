//! Stores the rows of a metadata file and finds the row for a music file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use refrain_app::metadata::{Fields, normalized_name};

/// Maximum number of rows of a metadata file. It bounds the memory in addition to the limit of the file size. A parsed
/// row takes about 0.3 kB even if its line has only ten bytes, so 5 million short rows take about 2 GB. Further rows
/// are rejected and counted.
const MAX_ROWS: usize = 5_000_000;

/// Maximum number of invalid rows whose reasons are stored. Further invalid rows are only counted. The command prints
/// 20 reasons; tests and fuzz targets use the others. The limit bounds the memory for a file that is not a metadata
/// file.
pub(super) const MAX_REASONS: usize = 1_000;

/// An invalid row: its line number, counted from 1, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// A valid row of a metadata file. `used` becomes true when a music file was found for it.
#[derive(Debug)]
struct MetadataRow {
    line: u64,
    fields: Fields,
    used: AtomicBool,
}

/// The valid rows of a metadata file, indexed by path and by ISRC.
#[derive(Debug, Default)]
pub(crate) struct MetadataFile {
    rows: Vec<MetadataRow>,
    /// Indices in `rows` by the path that the row gives. The row is for the music file whose path ends with this path.
    by_path: HashMap<PathBuf, usize>,
    by_isrc: HashMap<String, usize>,
    /// The first invalid rows, at most [`MAX_REASONS`], in order of line.
    pub(crate) bad: Vec<BadRow>,
    /// Number of all invalid rows, including those that are not in [`Self::bad`].
    pub(crate) bad_rows: usize,
}

impl MetadataFile {
    /// Adds the row on line `line`, given as pairs of column name and value. If it is invalid, records it as such.
    pub(super) fn add_row<'a>(&mut self, line: u64, cells: impl Iterator<Item = (&'a str, &'a str)>) {
        if let Err(reason) = self.try_add_row(line, cells) {
            self.reject(line, reason);
        }
    }

    /// Records the row on line `line` as invalid.
    pub(super) fn reject(&mut self, line: u64, reason: String) {
        self.bad_rows += 1;
        if self.bad.len() < MAX_REASONS {
            self.bad.push(BadRow { line, reason });
        }
    }

    fn try_add_row<'a>(
        &mut self,
        line: u64,
        cells: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), String> {
        if self.rows.len() >= MAX_ROWS {
            return Err(format!("more than {MAX_ROWS} rows; split the file"));
        }
        let (mut file, mut fields) = (None, Fields::default());
        for (name, value) in cells {
            if normalized_name(name) == "file" {
                let value = value.trim();
                // Programs such as `find .` print paths that start with `./`.
                file = (!value.is_empty()).then(|| value.strip_prefix("./").unwrap_or(value));
            } else {
                fields.set(name, value)?;
            }
        }
        let row = self.rows.len();
        match (file.map(PathBuf::from), fields.metadata.isrc.clone()) {
            // If a row has both, only the path is used, because several files can have the same ISRC.
            (Some(file), _) => {
                if file.file_name().is_none() {
                    return Err(format!(
                        "{:?} is not the path of a file; correct or remove it",
                        file.display().to_string()
                    ));
                }
                if let Some(&other) = self.by_path.get(&file) {
                    return Err(format!(
                        "{:?} is on line {} already; remove one of the two lines",
                        file, self.rows[other].line
                    ));
                }
                self.by_path.insert(file, row);
                self.rows.push(MetadataRow { line, fields, used: AtomicBool::new(false) });
            }
            (None, Some(isrc)) => {
                if let Some(&other) = self.by_isrc.get(&isrc) {
                    return Err(format!(
                        "{isrc} is on line {} already; remove one of the two lines",
                        self.rows[other].line
                    ));
                }
                self.by_isrc.insert(isrc, row);
                self.rows.push(MetadataRow { line, fields, used: AtomicBool::new(false) });
            }
            (None, None) => return Err("file and isrc are missing; one of them is required".to_owned()),
        }
        Ok(())
    }

    /// Returns the values for the music file with the absolute path `source`, and marks their row as used. A row whose
    /// path is an end of `source` has precedence, the longest one first; otherwise the row with the ISRC is used.
    /// Returns `None` if there is no row for the file.
    pub(crate) fn find(&self, source: &str, isrc: Option<&str>) -> Option<&Fields> {
        // The whole path is looked up first, then the path without its first part, and so on. This finds the longest
        // end first, and the time does not depend on the number of rows.
        let mut rest = Path::new(source).components();
        let named = std::iter::from_fn(|| {
            let path = rest.as_path();
            rest.next().map(|_| path)
        })
        .find_map(|path| self.by_path.get(path));
        let row = &self.rows[*named.or_else(|| self.by_isrc.get(isrc?))?];
        // Relaxed ordering is sufficient, because the flags are read only after all threads have ended.
        row.used.store(true, Ordering::Relaxed);
        Some(&row.fields)
    }

    /// Returns the number of rows that [`Self::find`] never returned, and the line of the first of them, or `None` if
    /// all rows were used.
    pub(crate) fn unused(&self) -> (usize, Option<u64>) {
        let mut unused = self.rows.iter().filter(|row| !row.used.load(Ordering::Relaxed));
        let first = unused.next().map(|row| row.line);
        (unused.count() + usize::from(first.is_some()), first)
    }

    /// Returns the number of valid rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}
