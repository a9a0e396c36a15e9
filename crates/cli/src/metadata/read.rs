//! Reads a metadata file. The extension of its name determines the format.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::rows::MetadataFile;
use super::{csv, jsonl};
use crate::limited_file::read_limited;

/// Maximum size of a metadata file in bytes (1 GiB, a million rows of 1 kB each). The whole file is read into memory,
/// and its values are stored a second time. With 512 MiB, the metadata of a large catalog has to be split; with 2 GiB,
/// a run can need 4 GB of memory before it decodes a file.
const MAX_FILE_BYTES: u64 = 1 << 30;

impl MetadataFile {
    /// Reads a CSV or JSON-lines file. Invalid rows are recorded in [`Self::bad`].
    ///
    /// # Errors
    /// If the file cannot be read, is larger than 1 GiB, has an unknown extension or has an invalid header.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
        let is_csv = match extension.as_str() {
            "csv" => true,
            "jsonl" | "ndjson" | "json" => false,
            _ => bail!("metadata file {}: unknown format; rename the file to .csv or .jsonl", path.display()),
        };
        let bytes = read_limited(path, MAX_FILE_BYTES, "split it")
            .with_context(|| format!("cannot read metadata file {}", path.display()))?;
        // Spreadsheets write a byte order mark at the start, which would become a part of the name of the first column.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut file = Self::default();
        if is_csv {
            csv::read(bytes, &mut file).with_context(|| format!("metadata file {}", path.display()))?;
        } else {
            jsonl::read(bytes, &mut file);
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::MAX_REASONS;
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
        assert!(format!("{error:#}").contains("1002 columns; use at most 1000"), "{error:#}");
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
