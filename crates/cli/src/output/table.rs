//! Tables of text with aligned columns.

use unicode_width::UnicodeWidthStr;

/// Alignment of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Left-aligned, for text.
    Left,
    /// Right-aligned, for numbers.
    Right,
}

/// A table: a heading, and rows with one cell per column.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows. Each column has a heading and an alignment.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with one cell per column. Control characters in the cells are escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell)).collect());
    }

    /// Returns the lines of the table: the heading, then the rows, without trailing spaces.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(name, _)| name.width()).collect();
        for row in &self.rows {
            // The width on the screen is needed, because characters of East Asian scripts take two columns.
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for ((cell, width), (_, align)) in cells.zip(&widths).zip(&self.columns) {
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                match align {
                    Align::Left => line.extend([cell, &blanks, "  "]),
                    Align::Right => line.extend([blanks.as_str(), cell, "  "]),
                }
            }
            // Trailing blanks would wrap to an empty line on a narrow terminal.
            line.truncate(line.trim_end().len());
            line
        };
        let heading = line(&mut self.columns.iter().map(|(name, _)| *name));
        let rows = self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
        std::iter::once(heading).chain(rows).collect()
    }
}

/// Escapes control characters. Tags and file names are untrusted, and can contain sequences that move the cursor or
/// change the colors of a terminal.
pub(crate) fn clean(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_display_width() {
        let mut table = Table::new(&[("song", Align::Left), ("at", Align::Right), ("end", Align::Left)]);
        table.row(["夜明け", "1", "x"].map(str::to_owned));
        table.row(["a".to_owned(), "100".to_owned(), String::new()]);
        assert_eq!(table.lines(), ["song     at  end", "夜明け    1  x", "a       100"]);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(clean("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(clean("Ünï"), "Ünï");
    }
}
