//! The binary format of `COPY FROM STDIN`: <https://www.postgresql.org/docs/current/sql-copy.html>.
//!
//! The end of a copy takes 40 ms, because the driver does not disable Nagle's algorithm. Rows are therefore copied only
//! from about a megabyte on.

use sqlx::PgConnection;

/// Size in bytes from which the buffered rows are sent as one message. The limit bounds the memory of a copy: at twice
/// this value, a copy buffers 2 MiB. The speed was not measured for other values.
const COPY_MESSAGE_BYTES: usize = 1 << 20;

/// Start of a copy: signature, flags (none) and length of the header extension (none).
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Marks the end of the rows, in place of the number of fields of the next row.
const END: i16 = -1;

/// A buffer of rows in the binary format, to copy to a table.
#[derive(Debug)]
pub struct CopyRows(Vec<u8>);

impl CopyRows {
    /// Begins a row of `fields` fields. The caller must add each field with [`Self::value`].
    pub fn row(&mut self, fields: i16) -> &mut Self {
        self.0.extend(fields.to_be_bytes());
        self
    }

    /// Adds a field to the row. `bytes` is the value in the binary format of PostgreSQL; for a text, these are its
    /// bytes.
    pub fn value(&mut self, bytes: &[u8]) -> &mut Self {
        // Values above 2 GiB get a wrong length, but the server rejects them anyway: no row can be longer than 1 GB.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
        self
    }
}

/// Copies all items to a table with `statement`, a `COPY … FROM STDIN (FORMAT binary)`. `write` encodes one item.
///
/// # Errors
/// The error of the driver.
pub async fn copy_in<T>(
    connection: &mut PgConnection,
    statement: &'static str,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut CopyRows, T),
) -> Result<(), sqlx::Error> {
    let mut rows = CopyRows(HEADER.to_vec());
    let mut copy = connection.copy_in_raw(statement).await?;
    for item in items {
        write(&mut rows, item);
        if rows.0.len() >= COPY_MESSAGE_BYTES {
            copy.send(rows.0.as_slice()).await?;
            rows.0.clear();
        }
    }
    // The end marker has the form of the field count of a row, so the same function writes it.
    rows.row(END);
    copy.send(rows.0.as_slice()).await?;
    copy.finish().await.map(drop)
}
