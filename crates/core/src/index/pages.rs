//! Files that consist of pages with checksums. A page is checked when it is first read. So a large index can be opened
//! without reading it completely, and damage is still detected before use.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::IndexError;

/// Number of bytes that one checksum covers. It equals the page size of common processors, so checking a page reads no
/// more from disk than using it. At half this value, the table of checksums takes 0.2 % of the file instead of 0.1 %.
/// At twice this value, the first read of a bucket checks twice as many bytes. Part of the file format.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Returns the checksum of a page as it is stored in the table of checksums.
pub(super) fn page_checksum(page: &[u8]) -> u32 {
    xxh3_64(page) as u32
}

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Storage {
    /// Mapped from a file that never changes: run files are written once, and later only deleted.
    Mapped(Mmap),
    /// Held in memory.
    Owned(Vec<u8>),
}

impl Storage {
    /// Maps a file into memory.
    pub(crate) fn map(path: &Path) -> Result<Self, IndexError> {
        let fail = |source| IndexError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        // SAFETY: run files are written under a temporary name, renamed when complete and never written
        // again; removal leaves the mapping intact. Another program that truncates our cache file could
        // still end this process with SIGBUS, as with every memory-mapped index.
        #[expect(unsafe_code, reason = "mapping the index is the one use of unsafe in this crate")]
        let map = unsafe { Mmap::map(&file) }.map_err(fail)?;
        Ok(Self::Mapped(map))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// Reads bytes of a file after checking the pages that contain them.
#[derive(Debug)]
pub(crate) struct Pages {
    storage: Storage,
    /// Path of the file for messages; empty for bytes in memory.
    path: PathBuf,
    /// Number of bytes from the start of the file that checksums cover.
    covered: usize,
    /// One bit for each page: 1 if the page was checked.
    checked_pages: Vec<AtomicU64>,
}

impl Pages {
    /// Creates the pages of a file. The first `covered` bytes of `storage` are the pages, and the table of their
    /// checksums follows. Returns `None` if the file is too short for the table, or if the checksum of the table is not
    /// `table_checksum`.
    pub(crate) fn new(storage: Storage, path: &Path, covered: usize, table_checksum: u64) -> Option<Self> {
        let pages = covered.div_ceil(PAGE_BYTES);
        // The arithmetic checks for overflow, because `covered` comes from the file.
        let table = storage.bytes().get(covered..covered.checked_add(pages.checked_mul(4)?)?)?;
        if xxh3_64(table) != table_checksum {
            return None;
        }
        let checked_pages = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Some(Self { storage, path: path.to_owned(), covered, checked_pages })
    }

    /// Returns the bytes `from .. from + len` after checking their pages.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the checksum of a page is wrong. [`IndexError::Inconsistent`] if the requested bytes
    /// are outside of the pages, which means that the offset is wrong.
    #[inline]
    pub(crate) fn get(&self, from: usize, len: usize) -> Result<&[u8], IndexError> {
        // An offset outside of the pages comes from inconsistent content with valid checksums, so it is not reported as
        // damage.
        let end = from.checked_add(len).filter(|end| *end <= self.covered);
        let Some(end) = end else { return Err(self.inconsistent()) };
        for page in from / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let mask = 1 << (page % 64);
            // Relaxed ordering is sufficient. A bit only records that a check has succeeded, the bytes never change,
            // and a lost update only repeats a check.
            if self.checked_pages[page / 64].load(Ordering::Relaxed) & mask == 0 {
                self.check(page)?;
                self.checked_pages[page / 64].fetch_or(mask, Ordering::Relaxed);
            }
        }
        Ok(&self.storage.bytes()[from..end])
    }

    /// Checks all pages that were not checked yet.
    pub(crate) fn check_all(&self) -> Result<(), IndexError> {
        self.get(0, self.covered).map(|_| ())
    }

    #[cold]
    fn check(&self, page: usize) -> Result<(), IndexError> {
        let bytes = self.storage.bytes();
        let content = &bytes[page * PAGE_BYTES..((page + 1) * PAGE_BYTES).min(self.covered)];
        let entry = &bytes[self.covered + page * 4..][..4];
        if page_checksum(content).to_le_bytes() == entry {
            Ok(())
        } else {
            Err(IndexError::Damaged { path: self.path.clone() })
        }
    }

    /// Returns the error for a file with valid checksums and inconsistent content.
    #[cold]
    pub(crate) fn inconsistent(&self) -> IndexError {
        IndexError::Inconsistent { path: self.path.clone() }
    }
}

/// Writes a file of pages: passes bytes on to `inner` and computes the checksum of each page.
pub(crate) struct PageWriter<W> {
    inner: W,
    written: u64,
    page: Xxh3,
    in_page: usize,
    table: Vec<u8>,
}

impl<W: Write> PageWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, written: 0, page: Xxh3::new(), in_page: 0, table: Vec::new() }
    }

    /// Returns the number of bytes written so far.
    pub(crate) fn position(&self) -> u64 {
        self.written
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)?;
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PAGE_BYTES - self.in_page));
            self.page.update(now);
            self.in_page += now.len();
            if self.in_page == PAGE_BYTES {
                self.end_page();
            }
            bytes = later;
        }
        Ok(())
    }

    fn end_page(&mut self) {
        self.table.extend_from_slice(&(self.page.digest() as u32).to_le_bytes());
        self.page.reset();
        self.in_page = 0;
    }

    /// Writes the table of checksums after the pages. Returns the inner writer, the number of bytes in the pages and
    /// the checksum of the table.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64, u64)> {
        // The last page may be shorter; its checksum covers only the bytes that exist.
        if self.in_page > 0 {
            self.end_page();
        }
        self.inner.write_all(&self.table)?;
        Ok((self.inner, self.written, xxh3_64(&self.table)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(change: impl FnOnce(&mut Vec<u8>)) -> Option<Pages> {
        let mut writer = PageWriter::new(Vec::new());
        writer.write(&[7; PAGE_BYTES + 10]).unwrap();
        let (mut bytes, covered, checksum) = writer.finish().unwrap();
        change(&mut bytes);
        Pages::new(Storage::Owned(bytes), Path::new("f"), covered as usize, checksum)
    }

    #[test]
    fn reading_outside_of_intact_pages_is_not_damage() {
        let pages = pages(|_| ()).unwrap();
        assert_eq!(pages.get(PAGE_BYTES - 5, 15).unwrap(), [7; 15]);
        for (from, len) in [(PAGE_BYTES, 11), (PAGE_BYTES + 11, 0), (usize::MAX, 2)] {
            assert!(matches!(pages.get(from, len), Err(IndexError::Inconsistent { .. })), "{from} {len}");
        }
    }

    #[test]
    fn only_a_failed_checksum_is_damage() {
        let changed = pages(|bytes| bytes[PAGE_BYTES + 3] ^= 1).unwrap();
        assert!(changed.get(0, PAGE_BYTES).is_ok());
        assert!(matches!(changed.get(0, PAGE_BYTES + 1), Err(IndexError::Damaged { .. })));
        assert!(
            pages(|bytes| bytes[PAGE_BYTES + 10] ^= 1).is_none(),
            "the table of checksums has a checksum too"
        );
    }
}
