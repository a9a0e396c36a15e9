//! The rows of a metadata file and the lookup of the row for a music file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use refrain_app::metadata::{Fields, normalized_name};

use super::{csv, jsonl};

/// Maximum size of a metadata file in bytes (1 GiB, a million rows of a kilobyte). The file is read into memory as a
/// whole, and its values are stored a second time. At half of it, the metadata of a large catalog has to be split; at
/// twice of it, a run can take 4 GB of memory before it decodes anything.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Maximum number of rows of a metadata file. The fields of a parsed row take about 0.3 kB even if its line has ten
/// bytes, so the size of the file alone does not bound the memory: 5 million short rows take about 2 GB. Further rows
/// are rejected and counted.
const MAX_ROWS: usize = 5_000_000;

/// Maximum number of invalid rows whose reasons are kept. Further invalid rows are only counted. The command prints 20
/// of them; the rest is for tests and fuzzing. The limit bounds the memory for a file that is not a metadata file at
/// all.
const MAX_REASONS: usize = 1_000;

/// An invalid row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// A row of a metadata file.
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
    /// Row numbers by the path in the row, which is the end of the path of a music file.
    by_path: HashMap<PathBuf, usize>,
    by_isrc: HashMap<String, usize>,
    /// The first invalid rows, at most [`MAX_REASONS`], in order of line.
    pub(crate) bad: Vec<BadRow>,
    /// Number of all invalid rows.
    pub(crate) bad_rows: usize,
}

impl MetadataFile {
    /// Reads a CSV or JSON-lines file. Invalid rows are recorded in [`Self::bad`].
    ///
    /// # Errors
    /// If the file cannot be read, is too large, has another extension or an invalid header.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = read_within_limit(path)
            .with_context(|| format!("cannot read metadata file {}", path.display()))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        let mut file = Self::default();
        match extension.as_str() {
            "csv" => csv::read(bytes, &mut file),
            "jsonl" | "ndjson" | "json" => {
                jsonl::read(bytes, &mut file);
                Ok(())
            }
            _ => bail!("metadata file {}: unknown format; rename the file to .csv or .jsonl", path.display()),
        }
        .with_context(|| format!("metadata file {}", path.display()))?;
        Ok(file)
    }

    /// Adds a row of pairs of column name and value, or records it as invalid.
    pub(super) fn add_row<'a>(&mut self, line: u64, cells: impl Iterator<Item = (&'a str, &'a str)>) {
        if let Err(reason) = self.try_add_row(line, cells) {
            self.reject(line, reason);
        }
    }

    /// Records an invalid row.
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
                file = (!value.is_empty()).then(|| value.strip_prefix("./").unwrap_or(value));
            } else {
                fields.set(name, value)?;
            }
        }
        let row = self.rows.len();
        match (file.map(PathBuf::from), fields.metadata.isrc.clone()) {
            (Some(file), _) => {
                if file.file_name().is_none() {
                    return Err(format!("{:?} is not a file name", file.display().to_string()));
                }
                if let Some(&other) = self.by_path.get(&file) {
                    return Err(format!("{:?} is on line {} already", file, self.rows[other].line));
                }
                self.by_path.insert(file, row);
                self.rows.push(MetadataRow { line, fields, used: AtomicBool::new(false) });
            }
            (None, Some(isrc)) => {
                if let Some(&other) = self.by_isrc.get(&isrc) {
                    return Err(format!("{isrc} is on line {} already", self.rows[other].line));
                }
                self.by_isrc.insert(isrc, row);
                self.rows.push(MetadataRow { line, fields, used: AtomicBool::new(false) });
            }
            (None, None) => return Err("file and isrc are missing; one of them is required".to_owned()),
        }
        Ok(())
    }

    /// Returns the values for a music file, from the row that has the longest end of its path, else from the row with its
    /// ISRC, and marks the row as used.
    pub(crate) fn find(&self, source: &str, isrc: Option<&str>) -> Option<&Fields> {
        let mut rest = Path::new(source).components();
        let named = std::iter::from_fn(|| {
            let path = rest.as_path();
            rest.next().map(|_| path)
        })
        .find_map(|path| self.by_path.get(path));
        let row = &self.rows[*named.or_else(|| self.by_isrc.get(isrc?))?];
        row.used.store(true, Ordering::Relaxed);
        Some(&row.fields)
    }

    /// Returns the number of rows that [`Self::find`] never returned, and the line of the first of them.
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

/// Reads a file of at most [`MAX_FILE_BYTES`] bytes. A larger file is an error.
fn read_within_limit(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        bail!("the file has more than {} MiB; split it", MAX_FILE_BYTES >> 20);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: impl AsRef<[u8]>) -> Result<MetadataFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        MetadataFile::read(&path)
    }

    fn title<'a>(file: &'a MetadataFile, source: &str, isrc: Option<&str>) -> Option<&'a str> {
        file.find(source, isrc)?.metadata.title.as_deref()
    }

    #[test]
    fn the_row_with_the_longest_path_wins() {
        let text = "\u{feff}File,Title,isrc\na.mp3,One,\nlive/a.mp3,Two,\n,Three,USZZ00000001\n";
        let file = read("x.csv", text).unwrap();
        assert_eq!(title(&file, "/m/a.mp3", None), Some("One"));
        assert_eq!(title(&file, "/m/live/a.mp3", Some("USZZ00000001")), Some("Two"));
        assert_eq!(file.unused(), (1, Some(4)));
        assert_eq!(title(&file, "/m/xa.mp3", Some("USZZ00000001")), Some("Three"));
        assert_eq!(title(&file, "/m/xa.mp3", None), None);
        assert_eq!((file.unused(), file.len()), ((0, None), 3));
    }

    #[test]
    fn invalid_csv_rows_are_reported_by_line() {
        let mut text =
            b"file,title,rule\na.mp3,\"Two\nlines\",block\nb.mp3,B,what is this\n,C,\nd.mp3,D\n".to_vec();
        text.extend(b"a.mp3,again,\ne.mp3,\xff,\nf.mp3,F,allow\n");
        let file = read("x.csv", text).unwrap();
        assert_eq!(file.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        assert_eq!((file.len(), title(&file, "/f.mp3", None)), (2, Some("F")));
        assert!(read("x.csv", "name,title\na,b\n").is_err());
        assert!(read("x.csv", "file,Title,title\na,b,c\n").is_err());
        assert!(read("x.xls", "file\n").is_err());
    }

    #[test]
    fn equal_file_names_and_invalid_rows_take_linear_time_and_memory() {
        let mut text: String =
            (0..100_000).map(|k| format!("{{\"file\":\"d{k}/a.mp3\",\"title\":\"{k}\"}}\n")).collect();
        text.push_str(&"1\n".repeat(100_000));
        let file = read("x.jsonl", text).unwrap();
        assert_eq!((file.len(), file.bad_rows, file.bad.len()), (100_000, 100_000, MAX_REASONS));
        assert_eq!(title(&file, "/m/d99999/a.mp3", None), Some("99999"));
        let columns = (0..=1_000).map(|k| format!(",c{k}")).collect::<String>();
        let error = read("x.csv", format!("file{columns}\n")).unwrap_err();
        assert!(format!("{error:#}").contains("1002 columns, more than 1000"), "{error:#}");
    }

    #[test]
    fn invalid_json_lines_are_reported_by_line() {
        let text = "{\"file\":\"a.mp3\",\"title\":\"A\",\"bpm\":120,\"live\":true,\"label\":null}\n\nnot json\n\
                    [1]\n{\"file\":\"b.mp3\",\"tags\":[1]}\n{\"title\":\"x\"}\n";
        let file = read("x.jsonl", text).unwrap();
        assert_eq!(file.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        let fields = file.find("/a.mp3", None).unwrap();
        assert_eq!((fields.metadata.extra["bpm"].as_str(), &fields.metadata.label), ("120", &None));
    }
}
