//! A file of pages with checksums. Each page is checked when it is first read, so that damage is detected without
//! reading a large index completely.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::IndexError;

/// Number of bytes that one checksum covers. Part of the file format. It equals the page size of common processors, so
/// checking a page reads no more from disk than using it. At half this value the table of checksums doubles (to 0.2 %
/// of the file); at twice this value, a lookup of one bucket hashes twice as much.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Returns the checksum of a page as it is stored in the table of checksums.
pub(super) fn page_checksum(page: &[u8]) -> u32 {
    xxh3_64(page) as u32
}

/// Storage of the bytes of a file.
#[derive(Debug)]
pub(crate) enum Storage {
    /// Mapped from a file that never changes: runs are written once, then only deleted.
    Mapped(Mmap),
    /// In memory.
    Owned(Vec<u8>),
}

impl Storage {
    /// Maps a file.
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

/// Pages that are checked against their checksums.
#[derive(Debug)]
pub(crate) struct Pages {
    storage: Storage,
    /// Path for messages; empty for storage in memory.
    path: PathBuf,
    /// Number of bytes from the start of the file that checksums cover.
    covered: usize,
    /// Set of the pages that were checked, one bit per page.
    checked_pages: Vec<AtomicU64>,
}

impl Pages {
    /// Takes a storage whose first `covered` bytes are followed by the table of their checksums. Returns `None` if
    /// the table does not fit or its own checksum is not `table_checksum`.
    pub(crate) fn new(storage: Storage, path: &Path, covered: usize, table_checksum: u64) -> Option<Self> {
        let pages = covered.div_ceil(PAGE_BYTES);
        // Checked arithmetic, because `covered` comes from the file.
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
    /// [`IndexError::Damaged`] if the checksum of a page is wrong. [`IndexError::Inconsistent`] if the bytes are
    /// outside of the pages: the file may be intact, and the place is wrong.
    #[inline]
    pub(crate) fn get(&self, from: usize, len: usize) -> Result<&[u8], IndexError> {
        // An offset that overflows or is outside comes from inconsistent content, so it is not reported as damage.
        let end = from.checked_add(len).filter(|end| *end <= self.covered);
        let Some(end) = end else { return Err(self.inconsistent()) };
        for page in from / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let mask = 1 << (page % 64);
            // Relaxed is sufficient: a bit only says that a check has succeeded, the bytes never change, and a lost
            // update only repeats a check.
            if self.checked_pages[page / 64].load(Ordering::Relaxed) & mask == 0 {
                self.check(page)?;
                self.checked_pages[page / 64].fetch_or(mask, Ordering::Relaxed);
            }
        }
        Ok(&self.storage.bytes()[from..end])
    }

    /// Checks every page now.
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

    /// Returns the error for inconsistent content with valid checksums.
    #[cold]
    pub(crate) fn inconsistent(&self) -> IndexError {
        IndexError::Inconsistent { path: self.path.clone() }
    }
}

/// Writes bytes and computes the checksums of their pages.
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

    /// Writes the table of checksums. Returns the inner writer, the number of covered bytes and the checksum of the
    /// table.
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
