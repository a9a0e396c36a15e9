//! The binary form of `COPY FROM STDIN`: <https://www.postgresql.org/docs/current/sql-copy.html>.

use sqlx::PgConnection;

/// Bytes sent at once.
const CHUNK: usize = 1 << 20;

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Stands where the next row would say how many fields it has.
const END: i16 = -1;

/// Rows on their way to a table.
pub(super) struct Rows(Vec<u8>);

impl Rows {
    /// Begins a row of so many fields; each has to follow.
    pub(super) fn row(&mut self, fields: i16) -> &mut Self {
        self.0.extend(fields.to_be_bytes());
        self
    }

    /// A text, bytes, or anything else as the database itself has it.
    pub(super) fn value(&mut self, bytes: &[u8]) -> &mut Self {
        // Longer ones are refused before: no row may be longer than 1 GB.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
        self
    }

    pub(super) fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.value(text.as_bytes()),
            None => self.null(),
        }
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.0.extend((-1_i32).to_be_bytes());
        self
    }
}

/// Copies each item, as `write` writes it, through a statement `COPY … FROM STDIN (FORMAT binary)`.
pub(super) async fn copy_in<T>(
    connection: &mut PgConnection,
    statement: &'static str,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Rows, T),
) -> Result<(), sqlx::Error> {
    let mut rows = Rows(HEADER.to_vec());
    let mut copy = connection.copy_in_raw(statement).await?;
    for item in items {
        write(&mut rows, item);
        if rows.0.len() >= CHUNK {
            copy.send(rows.0.as_slice()).await?;
            rows.0.clear();
        }
    }
    rows.row(END);
    copy.send(rows.0.as_slice()).await?;
    copy.finish().await.map(drop)
}
