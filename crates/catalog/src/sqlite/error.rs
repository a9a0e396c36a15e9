//! Converts result codes of SQLite to [`CatalogError`].

use sqlx::Error;

use crate::CatalogError;

// Primary result codes: https://www.sqlite.org/rescode.html
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

/// Name of the catalog in error messages: its URL.
#[derive(Debug, Clone)]
pub(super) struct SqliteName(pub(super) String);

impl SqliteName {
    pub(super) fn error(&self, error: Error) -> CatalogError {
        let catalog = self.0.clone();
        match &error {
            Error::Database(database) => {
                let detail = database.message().to_owned();
                match primary_code(&error) {
                    Some(BUSY | LOCKED) => CatalogError::Locked { catalog },
                    Some(READONLY) => self.read_only(),
                    Some(FULL) => CatalogError::DiskFull { catalog },
                    Some(CORRUPT) => CatalogError::Corrupt { catalog, detail },
                    Some(IOERR) => CatalogError::Io { catalog, detail },
                    Some(NOTADB) => CatalogError::NotACatalog { catalog, reason: detail },
                    // SQLite does not distinguish a missing folder from a missing permission.
                    Some(CANTOPEN | PERM | AUTH) => self.cannot_open(&format!(
                        "{detail}; check that the folder is there and that it and the file may be read and written"
                    )),
                    _ => CatalogError::Database { catalog, source: error.into() },
                }
            }
            Error::Io(reason) => self.cannot_open(&reason.to_string()),
            // All connections of this process were in use for too long, which the caller handles like a lock.
            Error::PoolTimedOut => CatalogError::Locked { catalog },
            Error::ColumnDecode { .. } | Error::Decode(_) => self.corrupt(&error.to_string()),
            _ => CatalogError::Database { catalog, source: error.into() },
        }
    }

    pub(super) fn cannot_open(&self, reason: &str) -> CatalogError {
        CatalogError::CannotOpen { catalog: self.0.clone(), reason: reason.to_owned() }
    }

    pub(super) fn corrupt(&self, detail: &str) -> CatalogError {
        CatalogError::Corrupt { catalog: self.0.clone(), detail: detail.to_owned() }
    }

    pub(super) fn invalid(&self, what: impl Into<String>) -> CatalogError {
        CatalogError::Invalid { catalog: self.0.clone(), what: what.into() }
    }

    pub(super) fn read_only(&self) -> CatalogError {
        CatalogError::ReadOnly {
            catalog: self.0.clone(),
            advice: "allow writing to the file and its folder, or use a copy of it",
        }
    }
}

/// Returns true if the error means that another connection holds a lock.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

fn primary_code(error: &Error) -> Option<i32> {
    // sqlx returns extended result codes. Their low byte is the primary code.
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
